"""A cold `imagebot plan` over many images, beside the least loop that reads the same lists.

Both are whole processes. The registry is a third one, and counts: one request a page of an image's
tags, no more.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from benchmarks import trees
from benchmarks.measure import Cost, Figure, in_turns, process
from benchmarks.peer import Peer, serving
from benchmarks.startup import IMAGEBOT

FLOOR = str(Path(__file__).with_name("floor.py"))
FLOOR_URLLIB3 = str(Path(__file__).with_name("floor_urllib3.py"))
PAGE = 1000


def figures(*, tiny: bool = False) -> list[Figure]:
    if tiny:
        return [measure(3, 5, 1), measure(2, PAGE + 1, 1, over_urllib3=True)]
    return [
        measure(200, 50, 9, goal="ratio 2.5, 120 MB", over_urllib3=True),
        measure(200, 50, 9),
        measure(1_000, 50, 5, goal="6 s"),
        measure(200, 5_000, 3, goal="6 s, 150 MB"),
    ]


def measure(
    images: int, tags: int, rounds: int, *, goal: str = "", over_urllib3: bool = False
) -> Figure:
    """Every image has a newer tag, so that every overlay is in the plan and in its diff."""
    script, library = (FLOOR_URLLIB3, "urllib3") if over_urllib3 else (FLOOR, "http.client")
    name = f"cold plan, {images:,} images x {tags:,} tags; bare: {library}"
    with tempfile.TemporaryDirectory() as temporary, serving(images, tags) as peer:
        folder = Path(temporary) / "tree"
        trees.write(folder, trees.overlays(peer.host, images, "1.0.1"))
        pages = -(-tags // PAGE)

        def plan() -> Cost:
            peer.requests()
            cost = process([IMAGEBOT, "plan"], folder)
            _check(peer, images, pages)
            return cost

        def floor() -> Cost:
            return process([sys.executable, script], folder)

        return Figure(name, *in_turns(plan, floor, rounds), goal)


def _check(peer: Peer, images: int, pages: int) -> None:
    seen = peer.requests()
    expected = {f"/v2/acme/app-{n:04}/tags/list": pages for n in range(images)}
    assert seen == expected, f"{sum(seen.values())} requests for {images} images"
