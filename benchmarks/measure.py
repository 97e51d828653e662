"""What a benchmark is made of: costs of processes and calls, medians, and rows of figures.

Knows how to measure fairly: a warm-up, several rounds, both sides in turns, the median of each. It
refuses to know what is measured.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

LAUNCH = Path(__file__).with_name("launch.py")
COLUMNS = ("what", "s", "bare s", "ratio", "CPU s", "bare CPU s", "CPU ratio", "MB", "goal")


@dataclass(frozen=True, slots=True)
class Cost:
    """Seconds on the wall, seconds of CPU, and for a whole process its peak memory in MB."""

    wall: float
    cpu: float
    peak_mb: float = 0.0


@dataclass(frozen=True, slots=True)
class Figure:
    """One row: what was measured, beside the bare loop of the same run. `goal` is in words."""

    what: str
    cost: Cost
    bare: Cost
    goal: str = ""

    def cells(self) -> tuple[str, ...]:
        """The row as texts, in the order of COLUMNS."""
        return (
            self.what,
            f"{self.cost.wall:.3f}",
            f"{self.bare.wall:.3f}",
            f"{self.cost.wall / self.bare.wall:.1f}",
            f"{self.cost.cpu:.3f}",
            f"{self.bare.cpu:.3f}",
            f"{self.cost.cpu / max(self.bare.cpu, 1e-4):.1f}",
            f"{self.cost.peak_mb:.0f}" if self.cost.peak_mb else "",
            self.goal,
        )


def process(command: Sequence[str], folder: Path, *, codes: Sequence[int] = (0,)) -> Cost:
    """The cost of a whole process, start-up included. Raises AssertionError with what it said."""
    out = folder.parent / f"{folder.name}.out"
    launched = subprocess.run(
        [sys.executable, "-I", "-S", str(LAUNCH), str(out), *command],
        cwd=folder,
        capture_output=True,
        check=True,
    )
    cost = json.loads(launched.stdout)
    assert cost["code"] in codes, out.read_text("utf-8", "replace")
    return Cost(cost["wall"], cost["cpu"], cost["peak_kb"] / 1024)


def call(work: Callable[[], object]) -> Cost:
    """The cost of a call in this process, and of the processes that it started and waited for."""
    before = _cpu()
    started = time.perf_counter()
    work()
    return Cost(time.perf_counter() - started, _cpu() - before)


def in_turns(ours: Callable[[], Cost], bare: Callable[[], Cost], rounds: int) -> tuple[Cost, Cost]:
    """The median cost of both, after a warm-up of each."""
    ours()
    bare()
    pairs = [(ours(), bare()) for _ in range(rounds)]
    return middle([pair[0] for pair in pairs]), middle([pair[1] for pair in pairs])


def middle(costs: Sequence[Cost]) -> Cost:
    """The median of each part; of the peaks, the highest."""
    return Cost(
        median(cost.wall for cost in costs),
        median(cost.cpu for cost in costs),
        max(cost.peak_mb for cost in costs),
    )


def table(figures: Sequence[Figure]) -> str:
    """The figures as a Markdown table, aligned for terminals."""
    rows = [COLUMNS, *(figure.cells() for figure in figures)]
    widths = [max(len(row[n]) for row in rows) for n in range(len(COLUMNS))]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |"
        for row in rows
    ]
    rule = "|" + "|".join("-" * (width + 2) for width in widths) + "|"
    return "\n".join([lines[0], rule, *lines[1:]])


def _cpu() -> float:
    import resource

    used = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in used)
