"""What every forge test starts from: a bare repository, a clock that skips, and a bench."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.fakegit import bare_repository
from tests.support.forgebench import Bench, open_bench
from tests.support.skipclock import SkipClock


@pytest.fixture
def clock() -> SkipClock:
    return SkipClock()


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    return bare_repository(tmp_path / "deploy.git")


@pytest.fixture
def bench(request: pytest.FixtureRequest, bare: Path, clock: SkipClock) -> Iterator[Bench]:
    """The bench of the kind that `indirect` parametrisation names."""
    with open_bench(request.param, bare, clock) as opened:
        yield opened
