"""Many bots at once on one repository: with a lock between them, and with nothing between them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.crash import Ran
from tests.support.worlds import ENVIRONMENTS, World

BOTS = 8


def assert_one_of_each(world: World, version: str) -> None:
    """Exactly one branch and one open request for each key, at the right version."""
    heads = {world.branch(environment) for environment in ENVIRONMENTS}
    assert set(world.remote.branches()) == heads | {"main"}
    assert sorted(pull["head"] for pull in world.open_pulls()) == sorted(heads)
    for environment in ENVIRONMENTS:
        assert world.tag_on(world.branch(environment), environment) == version
        assert world.one_pull(environment)["title"].endswith(version)


def race(world: World, operators: list[Path]) -> list[Ran]:
    """Start one bot for each operator's file, and wait for all."""
    started = [
        world.start(argv=["run", "--operator", str(path), "-o", "json"]) for path in operators
    ]
    ran = [process.wait(100) for process in started]
    assert [one.code for one in ran] == [0] * len(ran), [(r.code, r.out, r.err) for r in ran]
    return ran


@pytest.mark.timeout(240)
def test_with_one_workdir_all_but_one_are_busy(world: World) -> None:
    """Overlapping CronJobs: who comes second says so and exits 0; one request for each key."""
    for version in ("1.1.0", "1.2.0", "1.3.0"):
        world.release(version)
        ran = race(world, [world.operator_file] * BOTS)
        assert sum(not one.cycle["busy"] for one in ran) >= 1
        assert any(one.cycle["busy"] for one in ran)
        for one in ran:
            assert one.cycle["busy"] == (not one.cycle["outcomes"])
        assert_one_of_each(world, version)
    assert len(world.pulls) == len(ENVIRONMENTS)
    world.settle("unchanged", "unchanged", "unchanged")


@pytest.mark.timeout(240)
def test_without_a_common_lock_there_is_still_one_of_each(world: World, tmp_path: Path) -> None:
    """Bots on different machines: leases and stable names alone keep requests single."""
    text = world.operator_file.read_text()
    operators = []
    for number in range(BOTS):
        path = tmp_path / f"operator-{number}.yaml"
        path.write_text(text.replace(str(world.workdir), str(tmp_path / f"work-{number}")))
        operators.append(path)
    for version in ("1.1.0", "1.2.0", "1.3.0"):
        world.release(version)
        race(world, operators)
        assert_one_of_each(world, version)
    assert len(world.pulls) == len(ENVIRONMENTS)
    world.settle("unchanged", "unchanged", "unchanged")


@pytest.mark.timeout(240)
def test_a_person_among_the_bots_keeps_their_commit(world: World, tmp_path: Path) -> None:
    """A person pushes while bots on other machines race to update: the commit survives."""
    text = world.operator_file.read_text()
    operators = []
    for number in range(3):
        path = tmp_path / f"operator-{number}.yaml"
        path.write_text(text.replace(str(world.workdir), str(tmp_path / f"work-{number}")))
        operators.append(path)
    race(world, operators)
    world.release("1.2.0")
    started = [
        world.start(argv=["run", "--operator", str(path), "-o", "json"]) for path in operators
    ]
    theirs = world.remote.commit({"README.md": b"mine\n"}, branch=world.branch("dev"))
    assert [process.wait(100).code for process in started] == [0] * len(started)
    held = world.settle()
    assert held.actions[world.key("dev")] == "held"
    assert world.remote.sha(world.branch("dev")) == theirs
    for environment in ("staging", "production"):
        assert world.tag_on(world.branch(environment), environment) == "1.2.0"
