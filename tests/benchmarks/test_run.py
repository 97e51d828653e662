"""The benchmarks still run: with tiny sizes, and without a word about time."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.__main__ import NAMES
from benchmarks.measure import COLUMNS, Cost, Figure, middle, table

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("name", NAMES)
def test_a_benchmark_runs_and_gives_rows(name: str) -> None:
    """Each benchmark does its work, checks what came out, and prints a row a figure."""
    command = [sys.executable, "-m", "benchmarks", "--tiny", name]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    head, rule, *rows = done.stdout.splitlines()
    assert head.split("|")[1].strip() == COLUMNS[0]
    assert set(rule) == {"|", "-"}
    assert rows
    assert {row.count("|") for row in rows} == {len(COLUMNS) + 1}


def test_every_benchmark_has_a_name() -> None:
    """No module with figures is left out of the front."""
    made = {
        path.stem
        for path in (ROOT / "benchmarks").glob("*.py")
        if "def figures(" in path.read_text(encoding="utf-8")
    }
    assert made == set(NAMES)


def test_an_unknown_name_is_refused() -> None:
    """A name that nothing answers to ends with the names there are."""
    command = [sys.executable, "-m", "benchmarks", "nothing"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    assert done.returncode == 2
    assert all(name in done.stderr for name in NAMES)


def test_the_middle_is_the_median_and_the_highest_peak() -> None:
    """One slow round moves no time; memory counts at its worst."""
    costs = [Cost(1.0, 0.5, 10), Cost(9.0, 8.0, 30), Cost(2.0, 0.6, 20)]

    assert middle(costs) == Cost(2.0, 0.6, 30)


def test_a_table_shows_ratios_against_the_bare_loop() -> None:
    """The ratio is of wall time to wall time, and of CPU to CPU."""
    shown = table([Figure("x", Cost(3.0, 2.0, 12.4), Cost(1.5, 0.5), "3")])

    assert [cell.strip() for cell in shown.splitlines()[-1].split("|")[1:-1]] == [
        "x", "3.000", "1.500", "2.0", "2.000", "0.500", "4.0", "12", "3",
    ]  # fmt: skip
