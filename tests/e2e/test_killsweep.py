"""A part of the kill sweep, evenly spread; `python -m tests.killsweep` kills everywhere."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.killsweep import SCENARIOS, evenly, sweep

POINTS = 22
HALF_DONE = {
    "update": "web 1.0.0 → 1.1.0', ",
    "close": "a person opened it again after imagebot had closed it",
}
"""The local forge writes a body and its record one after the other. Killed between the two, the
marker has the new title (or says closed), and the record has the old one (or says open)."""


@pytest.mark.e2e
@pytest.mark.timeout(300)
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_a_cycle_killed_anywhere_converges(tmp_path: Path, scenario: str) -> None:
    """SIGKILL at a system call: the next run ends where an undisturbed one does."""
    result = sweep(scenario, tmp_path, choose=evenly(POINTS))
    assert result.points == POINTS
    assert result.killed >= POINTS * 2 // 3
    half = HALF_DONE.get(scenario)
    failed = {
        point: problem
        for point, problem in result.failed.items()
        if not (half and half in problem and point.startswith("imagebot "))
    }
    assert failed == {}
