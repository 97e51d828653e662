"""Whole cycles of `imagebot run`: one that opens many requests, and one that finds all in place.

The bare loop of the first reads the same tag lists and makes and pushes the same number of branches
with plain git; that of the second reads the lists and asks git for the branches. Neither reads
manifests or writes a word for people.
"""

from __future__ import annotations

import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from benchmarks import trees
from benchmarks.branches import with_plain_git
from benchmarks.cold import FLOOR
from benchmarks.measure import Cost, Figure, call, middle, process
from benchmarks.peer import Peer, serving
from benchmarks.startup import IMAGEBOT

CONFIG = b"version: 1\npullRequests: {limit: 500}\n"
OPERATOR = """\
version: 1
workdir: {folder}/work
repositories:
  - url: {folder}/remote.git
    forge: {{kind: local}}
"""


def figures(*, tiny: bool = False) -> list[Figure]:
    images, updates, rounds = (4, 2, 1) if tiny else (200, 100, 3)
    with serving(images, 50) as peer:
        turns = [_turn(peer, images, updates) for _ in range(rounds)]
    costs = {name: middle([turn[name] for turn in turns]) for name in turns[0]}
    name = f"{images} images, {updates} updates"
    return [
        Figure(f"first run, {name}", costs["first"], costs["bare first"]),
        Figure(f"second run, {name}", costs["second"], costs["bare second"]),
    ]


@dataclass(frozen=True)
class _Place:
    """A fresh remote repository, a folder with the same files, and an operator's file."""

    root: Path
    commit: str

    @property
    def tree(self) -> Path:
        return self.root / "tree"

    @property
    def remote(self) -> Path:
        return self.root / "remote.git"


def _place(root: Path, peer: Peer, images: int, updates: int) -> _Place:
    newest = trees.overlays(peer.host, images, "1.0.49")
    files = newest | trees.overlays(peer.host, updates, "1.0.1") | {".imagebot.yaml": CONFIG}
    trees.write(root / "tree", files)
    (root / "operator.yaml").write_text(OPERATOR.format(folder=root), "utf-8")
    return _Place(root, trees.bare_repository(root / "remote.git", files))


def _turn(peer: Peer, images: int, updates: int) -> dict[str, Cost]:
    """Both cycles of both ways, each on a fresh remote."""
    with tempfile.TemporaryDirectory() as temporary:
        ours = _place(Path(temporary, "ours"), peer, images, updates)
        bare = _place(Path(temporary, "bare"), peer, images, updates)
        run = [IMAGEBOT, "run", "--operator", str(ours.root / "operator.yaml")]
        floor = [sys.executable, FLOOR]
        branches = [f"imagebot/app-{n:04}" for n in range(updates)]
        costs = {
            "first": process(run, ours.tree),
            "bare first": _sum(
                process(floor, bare.tree),
                with_plain_git(bare.remote, bare.root, bare.commit, branches),
            ),
            "second": process(run, ours.tree),
            "bare second": _sum(
                process(floor, bare.tree),
                call(lambda: trees.git(bare.root, "ls-remote", str(bare.remote))),
            ),
        }
        for place in (ours, bare):
            made = trees.git(place.remote, "for-each-ref", "refs/heads/imagebot").splitlines()
            assert len(made) == updates, f"{len(made)} branches"
        return costs


def _sum(one: Cost, other: Cost) -> Cost:
    return Cost(one.wall + other.wall, one.cpu + other.cpu)
