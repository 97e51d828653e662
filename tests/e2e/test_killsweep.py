"""A part of the kill sweep, evenly spread; `python -m tests.killsweep` kills everywhere."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.killsweep import SCENARIOS, evenly, sweep

POINTS = 22


@pytest.mark.e2e
@pytest.mark.timeout(300)
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_a_cycle_killed_anywhere_converges(tmp_path: Path, scenario: str) -> None:
    """SIGKILL at a system call: the next run ends where an undisturbed one does."""
    result = sweep(scenario, tmp_path, choose=evenly(POINTS))
    assert result.points == POINTS
    assert result.killed >= POINTS * 2 // 3
    assert result.failed == {}
