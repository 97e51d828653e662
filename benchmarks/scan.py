"""How long scanning and splicing take, next to a bare loop that only reads the same bytes.

The aim is held against CPU seconds: on an idle machine they are the wall clock of one thread.

Run: python -m benchmarks.scan [DIRECTORY]   (files are made in a temporary directory by default)
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

from benchmarks.measure import Figure, call, in_turns, table
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


def one_large(count: int = 20_000) -> list[tuple[str, str]]:
    """One file of many documents (about 9 MB), one image use."""
    documents = [SERVICE.format(n=n) for n in range(count)]
    documents[count * 2 // 3] = DEPLOYMENT.format(n=1)
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


def _bare(files: Files) -> int:
    return sum(len(file.read_bytes()) for _, file in files)


def figures(*, tiny: bool = False, root: Path | None = None) -> list[Figure]:
    """Make each set of files below `root`, measure, and check what came out."""
    if root is None:
        with tempfile.TemporaryDirectory() as temporary:
            return figures(tiny=tiny, root=Path(temporary))
    count, documents, uses, rounds = (20, 30, 2, 1) if tiny else (10_000, 20_000, 100, 3)
    cases: list[tuple[str, list[tuple[str, str]], Work, int, str]] = [
        (f"scan {count:,} files, {uses} uses", few_uses(count, uses), _scan_only, uses, "0.5 s"),
        (
            f"scan and splice one file, {documents:,} documents",
            one_large(documents),
            _scan_and_splice,
            1,
            "1.5 s",
        ),
        (
            f"scan and splice {count:,} files, all change",
            all_changing(count),
            _scan_and_splice,
            count,
            "5 s",
        ),
    ]
    found = []
    for position, (name, texts, work, expected, goal) in enumerate(cases):
        files = _write(root / str(position), texts)
        outcome = work(files)
        assert outcome == expected, (name, outcome)
        costs = in_turns(
            partial(call, partial(work, files)), partial(call, partial(_bare, files)), rounds
        )
        found.append(Figure(name, *costs, goal))
    return found


if __name__ == "__main__":
    print(table(figures(root=Path(sys.argv[1]) if len(sys.argv) > 1 else None)))
