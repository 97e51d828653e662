"""The sample GitOps tree: where it is packaged, and how it is pointed at a local registry."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from imagebot.errors import StartError

SAMPLE_REGISTRY = "registry.example.com"
APP = "my-app"
ENVIRONMENTS = ("dev", "staging", "production")
CONFIG = """\
version: 1
paths: ["kustomize/**"]
environments:
  - {name: dev, paths: ["kustomize/overlays/dev/**"]}
  - {name: staging, paths: ["kustomize/overlays/staging/**"]}
  - {name: production, paths: ["kustomize/overlays/production/**"]}
images:
  - match: "*/acme/my-app"
    policy: {follow: {}}
pullRequests: {labels: [dependencies]}
"""


def sample_files(host: str) -> dict[str, bytes]:
    """The sample repository's files by path, its images served by `host`.

    Raises StartError when the package was built without them.
    """
    root = _root()
    folders = [f"base/{APP}", *(f"overlays/{environment}/{APP}" for environment in ENVIRONMENTS)]
    found = {".imagebot.yaml": CONFIG.encode()}
    for folder in folders:
        for path, content in _walk(root.joinpath(folder), f"kustomize/{folder}"):
            found[path] = content.replace(SAMPLE_REGISTRY.encode(), host.encode())
    return found


def _root() -> Traversable:
    """The tree inside of the package; in a checkout, the one beside it that it is made from."""
    packaged = files("imagebot.demo").joinpath("kustomize")
    checkout = Path(__file__).parents[2] / "kustomize"
    for root in (packaged, checkout):
        if root.joinpath("base", APP).is_dir():
            return root
    raise StartError("the sample tree is missing from this installation")


def _walk(folder: Traversable, path: str) -> Iterator[tuple[str, bytes]]:
    for item in sorted(folder.iterdir(), key=lambda item: item.name):
        if item.is_dir():
            yield from _walk(item, f"{path}/{item.name}")
        else:
            yield f"{path}/{item.name}", item.read_bytes()
