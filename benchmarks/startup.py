"""How long the program takes to start: whole processes, beside `python -c pass`."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from benchmarks.measure import Figure, in_turns, process
from benchmarks.trees import git

IMAGEBOT = str(Path(sys.executable).with_name("imagebot"))


def figures(*, tiny: bool = False) -> list[Figure]:
    rounds = 1 if tiny else 15
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "empty"
        folder.mkdir()
        git(folder, "init", "-q")
        return [
            Figure(
                f"imagebot {' '.join(args)}{where}",
                *in_turns(
                    lambda args=args: process([IMAGEBOT, *args], folder),  # type: ignore[misc]
                    lambda: process([sys.executable, "-c", "pass"], folder),
                    rounds,
                ),
                goal,
            )
            for args, where, goal in (
                (("--version",), "", "0.2 s"),
                (("--help",), "", ""),
                (("plan",), " in an empty repository", "0.6 s"),
            )
        ]
