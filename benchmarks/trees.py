"""Repositories to measure with: a folder of overlays, and bare repositories made in one stream."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

PLAIN = {"GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1", "PATH": os.environ["PATH"]}
OVERLAY = """\
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
namespace: team-{n:04}
resources:
- ../../../base
images:
- name: app # moved by the bot
  newName: {host}/acme/app-{n:04}
  newTag: "{tag}"
"""
PLAIN_FILE = """\
apiVersion: v1
kind: Service
metadata:
  name: web-{n}
  labels: {{app.kubernetes.io/name: web, tier: "front"}}
spec:
  ports: [{{name: http, port: 80, targetPort: http}}]
"""


def overlay_path(number: int) -> str:
    return f"apps/app-{number:04}/overlays/production/kustomization.yaml"


def overlays(host: str, count: int, tag: str) -> dict[str, bytes]:
    """One overlay an image, all on the same tag, by path."""
    return {overlay_path(n): OVERLAY.format(n=n, host=host, tag=tag).encode() for n in range(count)}


def plain_files(count: int) -> dict[str, bytes]:
    """Manifests without an image."""
    return {
        f"apps/{n % 100:02}/{n:05}/service.yaml": PLAIN_FILE.format(n=n).encode()
        for n in range(count)
    }


def write(folder: Path, files: Mapping[str, bytes]) -> None:
    """The files below a folder."""
    for path, content in files.items():
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)


def git(directory: Path, *args: str, stdin: bytes = b"") -> bytes:
    """The output of one git command with no configuration but its own."""
    return subprocess.run(
        ["git", *args], cwd=directory, input=stdin, capture_output=True, check=True, env=PLAIN
    ).stdout


def data(content: bytes) -> bytes:
    """Bytes as `git fast-import` takes them."""
    return b"data %d\n%s\n" % (len(content), content)


def bare_repository(folder: Path, files: Mapping[str, bytes]) -> str:
    """A bare repository whose main has one commit with these files; gives the commit."""
    folder.mkdir(parents=True)
    git(folder, "init", "-q", "--bare", "--initial-branch=main")
    git(folder, "config", "uploadpack.allowFilter", "true")
    stream = b"commit refs/heads/main\ncommitter A <a@b> 1700000000 +0000\n" + data(b"first")
    stream += b"".join(
        b"M 100644 inline %s\n" % path.encode() + data(content) for path, content in files.items()
    )
    git(folder, "fast-import", "--quiet", stdin=stream)
    return git(folder, "rev-parse", "main").decode().strip()
