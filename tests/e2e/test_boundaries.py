"""imagebot dies, or loses a reply, at every request to the forge and every step of git.

In one process, for speed: a wrapper stops at the n-th call, before or after its effect. The system
calls in between are the kill sweep's.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from imagebot import cycle
from imagebot.config.operator import Operator, load_operator
from imagebot.cycle import Runner
from imagebot.errors import ForgeError, GitError
from imagebot.forge import records
from imagebot.model import Cycle
from imagebot.registry.server import EmbeddedRegistry
from imagebot.wiring import Connected, Services, connected
from tests.killsweep import QUIET, SCENARIOS
from tests.support.crash import Zygote
from tests.support.gitrepos import RemoteRepo
from tests.support.worlds import ENVIRONMENTS, Snapshot, World

FORGE = {"open_pulls", "history", "get", "create", "update", "label", "comment"}
GIT = {"fetch", "commit", "push"}


class Died(BaseException):
    """The process ended here. No handler of errors may catch it."""


@dataclass
class Boundary:
    """Counts calls, and stops the `at`-th: 'before' or 'after' it dies, 'lost' is an error."""

    at: int = 0
    mode: str = "before"
    calls: list[str] = field(default_factory=list)

    def wrap(self, inner: Any, names: set[str]) -> Any:
        boundary = self

        class Wrapped:
            def __getattr__(self, name: str) -> Any:
                found = getattr(inner, name)
                return boundary.guard(name, found) if name in names else found

        return Wrapped()

    def guard(self, name: str, call: Any) -> Any:
        def guarded(*args: Any, **options: Any) -> Any:
            self.calls.append(name)
            mine = len(self.calls) == self.at
            if mine and self.mode == "before":
                raise Died
            result = call(*args, **options)
            if mine and self.mode == "lost":
                kind = ForgeError if name in FORGE else GitError
                raise kind("the reply was lost", retryable=True)
            if mine:
                raise Died
            return result

        return guarded


@dataclass
class Bench:
    world: World
    operator: Operator
    patch: pytest.MonkeyPatch

    def run(self, boundary: Boundary) -> Cycle | None:
        """One cycle; None when it died."""

        @contextmanager
        def through(services: Services, shape: Any) -> Iterator[Connected]:
            with connected(services, shape) as real:
                yield Connected(boundary.wrap(real.mirror, GIT), boundary.wrap(real.forge, FORGE))

        self.patch.setattr(cycle, "connected", through)
        with Services(self.operator, environment={}) as services:
            try:
                (done,) = Runner(services, self.operator).all()
            except Died:
                return None
            return done


@pytest.fixture(params=SCENARIOS)
def bench(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    registry: EmbeddedRegistry,
    zygote: Zygote,
    monkeypatch: pytest.MonkeyPatch,
) -> Bench:
    world = World(tmp_path / "world", registry, zygote)
    SCENARIOS[request.param](world)
    file = world.operator_file
    return Bench(world, load_operator(str(file), file.read_bytes()), monkeypatch)


@pytest.mark.timeout(240)
def test_every_boundary_converges(bench: Bench, tmp_path: Path) -> None:
    """Wherever it stops, the next run ends where an undisturbed one does, and the next is idle."""
    start = Snapshot.of(bench.world.folder, tmp_path / "kept")
    whole = Boundary()
    undisturbed = bench.run(whole)
    assert undisturbed is not None
    assert not undisturbed.failed
    expected = bench.world.picture()
    assert len(whole.calls) >= 8
    for at, name in enumerate(whole.calls, start=1):
        for mode in ("before", "after", "lost"):
            if mode == "before" and at > 1 and name == "history":
                continue  # nothing lies between it and the call before
            start.restore()
            stopped = bench.run(Boundary(at, mode))
            assert (stopped is None) == (mode != "lost"), (at, name, mode)
            _assert_converges(bench, expected, f"{mode} {name} ({at})")
            if mode == "after":
                _assert_idle(bench, expected, f"{mode} {name} ({at})")


def _assert_converges(bench: Bench, expected: dict[str, Any], where: str) -> None:
    again = bench.run(Boundary())
    assert again is not None, where
    assert not again.failed, (where, again.problem, again.outcomes)
    assert bench.world.picture() == expected, where
    for environment in ENVIRONMENTS:
        assert len(bench.world.open_pulls(bench.world.branch(environment))) <= 1, where


def _assert_idle(bench: Bench, expected: dict[str, Any], where: str) -> None:
    last = bench.run(Boundary())
    assert last is not None, where
    assert {outcome.action for outcome in last.outcomes} <= QUIET, where
    assert bench.world.picture() == expected, where


def test_a_bug_in_one_repository_is_not_anothers(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """An error that nobody foresaw ends one repository's cycle, with 70; the next one is served."""
    other = RemoteRepo(tmp_path / "other.git")
    other.commit({"README.md": b"nothing here\n"})
    forge = "    forge: {kind: local}\n"
    world.write_operator(
        f"repositories:\n  - url: {other.path}\n{forge}  - url: {world.remote.path}\n{forge}"
    )
    file = world.operator_file
    operator = load_operator(str(file), file.read_bytes())

    @contextmanager
    def broken(services: Services, shape: Any) -> Iterator[Connected]:
        with connected(services, shape) as real:
            if shape.url == str(other.path):
                raise ZeroDivisionError
            yield real

    monkeypatch.setattr(cycle, "connected", broken)
    with Services(operator, environment={}) as services:
        bad, good = Runner(services, operator).all()
    assert bad.exit_code == 70
    assert bad.failed
    assert "ZeroDivisionError" in bad.problem
    assert "ZeroDivisionError" in caplog.text
    assert [outcome.action for outcome in good.outcomes] == ["created"] * 3


@pytest.mark.parametrize("step", [0, 1, 2])
@pytest.mark.parametrize("bench", ["close", "update"], indirect=True)
def test_an_update_of_a_request_is_whole_or_not_at_all(
    bench: Bench, tmp_path: Path, step: int
) -> None:
    """Killed inside of the local forge's update: the next run ends as an undisturbed one."""
    start = Snapshot.of(bench.world.folder, tmp_path / "kept")
    assert bench.run(Boundary()) is not None
    expected = bench.world.picture()
    start.restore()
    whole = records._replace
    left = [-1]

    def dies(path: Path, content: str) -> None:
        if path.suffix == records.PENDING or left[0] >= 0:
            left[0] += 1
        if left[0] == step:
            raise Died
        whole(path, content)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(records, "_replace", dies)
        assert bench.run(Boundary()) is None
    assert bench.run(Boundary()) is not None
    assert bench.world.picture() == expected
