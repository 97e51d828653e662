"""How long scanning and splicing take, next to a bare loop that only reads the same bytes.

The aim is held against CPU seconds: on an idle machine they are the wall clock of one thread.

Run: python benchmarks/scan.py [DIRECTORY]   (files are made in a temporary directory by default)
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from imagebot.manifests.rewrite import edits_for
from imagebot.manifests.scan import is_candidate, scan_file
from imagebot.model import FileScan
from imagebot.yamltree.splice import splice

Files = list[tuple[str, Path]]
Work = Callable[[Files], int]

SERVICE = """\
apiVersion: v1
kind: Service
metadata:
  name: web-{n}
  labels: {{app.kubernetes.io/name: web, tier: "front"}}
  annotations:
    description: >-
      Serves the web front end to the ingress of the cluster, on one port,
      with a description that is as long as descriptions tend to be.
spec:
  selector:
    app.kubernetes.io/name: web
  ports:
  - name: http # the only one
    port: 80
    targetPort: http
"""
DEPLOYMENT = """\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web-{n}
  labels:
    app.kubernetes.io/name: web
spec:
  replicas: 3
  selector:
    matchLabels: {{app.kubernetes.io/name: web}}
  template:
    metadata:
      labels: {{app.kubernetes.io/name: web}}
    spec:
      containers:
      - name: web
        image: ghcr.io/acme/web:1.2.{n} # moved by the bot
        ports:
        - containerPort: 8080
        env:
        - name: LOG_LEVEL
          value: "info"
        resources:
          requests: {{cpu: 100m, memory: 64Mi}}
"""
KUSTOMIZATION = """\
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
resources:
- ../../base
images:
- name: my-app
  newName: ghcr.io/acme/my-app
  newTag: "1.2.{n}"
"""


def _write(folder: Path, texts: list[tuple[str, str]]) -> Files:
    files = []
    for path, text in texts:
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
        files.append((path, file))
    return files


def few_uses(count: int = 10_000, uses: int = 100) -> list[tuple[str, str]]:
    """Files of which some are kustomizations; one in fifty others says `image` in vain."""
    texts = []
    for n in range(count):
        if n % (count // uses) == 0:
            texts.append((f"apps/{n}/kustomization.yaml", KUSTOMIZATION.format(n=n)))
        else:
            vain = "# no image here\n" if n % 50 == 1 else ""
            texts.append((f"apps/{n}/service.yaml", vain + SERVICE.format(n=n)))
    return texts


def one_large() -> list[tuple[str, str]]:
    """One file of about 9 MB: 20,000 documents, one image use."""
    documents = [SERVICE.format(n=n) for n in range(20_000)]
    documents[12_345] = DEPLOYMENT.format(n=1)
    return [("all.yaml", "---\n".join(documents))]


def all_changing(count: int = 10_000) -> list[tuple[str, str]]:
    """Files with one use each, half deployments and half kustomizations."""
    return [
        (f"apps/{n}/kustomization.yaml", KUSTOMIZATION.format(n=n))
        if n % 2
        else (f"apps/{n}/deployment.yaml", DEPLOYMENT.format(n=n))
        for n in range(count)
    ]


def _scan(files: Files) -> list[tuple[str, bytes, FileScan]]:
    read = ((path, file.read_bytes()) for path, file in files if is_candidate(path))
    return [(path, data, scan_file(path, data)) for path, data in read]


def _scan_only(files: Files) -> int:
    return sum(len(scan.uses) for _, _, scan in _scan(files))


def _scan_and_splice(files: Files) -> int:
    changed = 0
    for path, data, scan in _scan(files):
        edits = [edit for use in scan.uses for edit in edits_for(use, "9.9.9", "")]
        changed += splice(path, data, edits) != data
    return changed


def _seconds(work: Work, files: Files) -> tuple[float, float, int]:
    """Wall-clock seconds, CPU seconds, and what the work returned."""
    began, cpu = time.perf_counter(), time.process_time()
    outcome = work(files)
    return time.perf_counter() - began, time.process_time() - cpu, outcome


def _bare(files: Files) -> int:
    return sum(len(file.read_bytes()) for _, file in files)


def main(root: Path) -> None:
    """Make each set of files, measure, print one line each."""
    cases: list[tuple[str, list[tuple[str, str]], Work, int, float]] = [
        ("10,000 files, 100 uses: scan", few_uses(), _scan_only, 100, 0.5),
        (
            "one file, 20,000 documents, 1 use: scan and splice",
            one_large(),
            _scan_and_splice,
            1,
            1.5,
        ),
        (
            "10,000 files, all change: scan and splice",
            all_changing(),
            _scan_and_splice,
            10_000,
            5.0,
        ),
    ]
    print(f"{'what':52} {'MB':>5} {'bare s':>7} {'s':>6} {'ratio':>7} {'cpu s':>6} {'aim s':>6}")
    for position, (name, texts, work, expected, aim) in enumerate(cases):
        files = _write(root / str(position), texts)
        _bare(files)
        bare, _, size = _seconds(_bare, files)
        wall, cpu, outcome = _seconds(work, files)
        assert outcome == expected, (name, outcome)
        figures = (
            f"{size / 1e6:5.1f} {bare:7.4f} {wall:6.2f} {wall / bare:7.1f} {cpu:6.2f} {aim:6.1f}"
        )
        print(f"{name:52} {figures}{'' if cpu <= aim else '  over'}")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        main(Path(sys.argv[1]))
    else:
        with tempfile.TemporaryDirectory() as temporary:
            main(Path(temporary))
