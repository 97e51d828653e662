"""The kill sweep: SIGKILL at every mutating system call of a cycle, then look whether it matters.

`python -m tests.killsweep [--scenario NAME] [--every N] [--workers N]` sweeps and prints figures.
A kill point converges when the next run exits 0 with exactly the branches and requests of a run
that nobody disturbed, and the run after that changes nothing.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from imagebot.registry.server import EmbeddedRegistry
from tests.support.crash import Killer, KillPoint, Zygote
from tests.support.worlds import ENVIRONMENTS, Snapshot, World, overlay_path

QUIET = {"unchanged", "held", "skipped"}
CLEAN_EXITS = {0, 3, 4}


def create(world: World) -> None:
    """A newer tag, and nothing open yet."""
    world.release("1.0.0", "1.1.0")


def update(world: World) -> None:
    """Requests are open, a newer tag came, and a person has committed to one of the branches."""
    create(world)
    world.settle("created", "created", "created")
    world.bump("staging", "1.0.9", branch=world.branch("staging"))
    world.release("1.2.0")


def close(world: World) -> None:
    """Requests are open, and nothing is left to change: bumped by hand, or the overlay is gone."""
    create(world)
    world.settle("created", "created", "created")
    world.bump("dev", "1.1.0")
    world.bump("production", "1.1.0")
    world.remove(overlay_path("staging"))


SCENARIOS: dict[str, Callable[[World], None]] = {"create": create, "update": update, "close": close}


@dataclass
class Result:
    """What a sweep found. `failed` maps kill points to what went wrong after them."""

    points: int = 0
    killed: int = 0
    converged: int = 0
    remote_locks: int = 0
    failed: dict[str, str] = field(default_factory=dict)
    exits: Counter[int] = field(default_factory=Counter)

    def __str__(self) -> str:
        told = f"{self.points} kill points, {self.killed} killed, {self.converged} converged"
        return f"{told}, {self.remote_locks} stale locks in the remote, exits {dict(self.exits)}"


@dataclass
class Stage:
    """One scenario of one worker, put back to its beginning before every kill."""

    world: World
    killer: Killer
    start: Snapshot
    expected: dict[str, Any]

    def record(self) -> list[KillPoint]:
        self.start.restore()
        return self.killer.record(self.world.argv, self.world.env)

    def judge(self, point: KillPoint, result: Result) -> str:
        """Kill there, run twice more, and say what is wrong; '' when nothing is."""
        self.start.restore()
        killed, reached = self.killer.kill(self.world.argv, self.world.env, point)
        result.points += 1
        result.killed += reached
        result.exits[killed.code] += 1
        if killed.code >= 0 and killed.code not in CLEAN_EXITS:
            return f"exit {killed.code}: {killed.err[-600:]}"
        _wait_for_orphans(self.world.folder)
        result.remote_locks += _unlock_remote(self.world.remote.path)
        again = self.world.run()
        if again.code:
            return f"the next run: exit {again.code}: {again.out[-600:]} {again.err[-600:]}"
        if (picture := self.world.picture()) != self.expected:
            return f"the next run made {_difference(picture, self.expected)}: {again.reasons}"
        if twice := _too_often(self.world):
            return twice
        last = self.world.run()
        if last.code or set(last.actions.values()) - QUIET or self.world.picture() != picture:
            return f"one more run: exit {last.code}: {last.actions}"
        return ""


@contextmanager
def stage(name: str, folder: Path) -> Iterator[Stage]:
    """Build a scenario, and see how it ends undisturbed."""
    with EmbeddedRegistry(record=False) as registry, Zygote() as zygote:
        world = World(folder / "world", registry, zygote)
        SCENARIOS[name](world)
        start = Snapshot.of(world.folder, folder / "kept")
        world.settle()
        yield Stage(world, Killer(zygote, folder / "killer"), start, world.picture())


def sweep(
    name: str,
    folder: Path,
    *,
    choose: Callable[[Sequence[KillPoint]], Sequence[KillPoint]] = lambda points: points,
    workers: int = 2,
    told: Callable[[Result], None] = lambda result: None,
) -> Result:
    """Sweep one scenario with several workers, each in a world of its own."""
    result, turn = Result(), threading.Lock()
    recorded = threading.Event()
    chosen: list[KillPoint] = []

    def work(number: int) -> None:
        with stage(name, folder / f"{name}-{number}") as one:
            if number == 0:
                try:
                    chosen.extend(reversed(choose(one.record())))
                finally:
                    recorded.set()
            recorded.wait()
            while True:
                with turn:
                    if not chosen:
                        return
                    point = chosen.pop()
                problem = one.judge(point, result)
                with turn:
                    if problem:
                        result.failed[str(point)] = problem
                        sys.stderr.write(f"{point}: {problem}\n")
                    else:
                        result.converged += 1
                    told(result)

    with ThreadPoolExecutor(workers) as pool:
        for future in [pool.submit(work, number) for number in range(workers)]:
            future.result()
    return result


def evenly(count: int) -> Callable[[Sequence[KillPoint]], Sequence[KillPoint]]:
    """Choose that many points, evenly spread."""

    def chosen(points: Sequence[KillPoint]) -> Sequence[KillPoint]:
        return [points[i * len(points) // count] for i in range(min(count, len(points)))]

    return chosen


def _difference(found: dict[str, Any], wanted: dict[str, Any]) -> str:
    """What is there and should not be, without the bodies."""
    more = {row for row in found["branches"].items() if row not in wanted["branches"].items()}
    rows = [row[:4] for row in found["requests"] if row not in wanted["requests"]]
    return f"{sorted(more)} {rows} among other things"


def _too_often(world: World) -> str:
    """A crash may say a thing twice, never more often; and what was to be said was said."""
    for environment in ENVIRONMENTS:
        for pull in world.open_pulls(world.branch(environment)):
            said = pull["comments"]
            edited = "1.0.9" in world.remote.show(pull["head"], overlay_path(environment)).decode()
            if len(said) > 2 or len(set(said)) != edited:
                return f"{pull['head']} was told {said}"
    return ""


def _wait_for_orphans(folder: Path) -> None:
    """A killed imagebot leaves a git behind that ends by itself: nobody feeds it any more."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        if not any(str(folder).encode() in _command(process) for process in _processes()):
            return
        time.sleep(0.02)
    raise AssertionError("a git process outlived its imagebot by 20 s")


def _processes() -> Iterator[Path]:
    return (path for path in Path("/proc").iterdir() if path.name.isdecimal())


def _command(process: Path) -> bytes:
    try:
        return (process / "cmdline").read_bytes()
    except OSError:
        return b""


def _unlock_remote(bare: Path) -> int:
    """What a killed git server leaves in its own repository is for its owner to remove."""
    locks = [*bare.glob("*.lock"), *bare.glob("refs/**/*.lock")]
    for lock in locks:
        lock.unlink()
    return bool(locks)


def main() -> int:
    """Sweep as told on the command line; 1 when a point does not converge."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--scenario", choices=[*SCENARIOS], action="append")
    parser.add_argument("--every", type=int, default=1, help="take one point in N")
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    failed = 0
    for name in options.scenario or SCENARIOS:
        begun = time.monotonic()

        def told(result: Result) -> None:
            sys.stderr.write(f"\r{result.points} points, {len(result.failed)} failed ")
            sys.stderr.flush()

        with tempfile.TemporaryDirectory(prefix="imagebot-killsweep-") as folder:
            result = sweep(
                name,
                Path(folder),
                choose=lambda points: points[:: options.every],
                workers=options.workers,
                told=told,
            )
        print(f"\r{name}: {result}, {time.monotonic() - begun:.0f} s", flush=True)
        for point, problem in result.failed.items():
            print(f"  {point}: {problem}", flush=True)
        failed += len(result.failed)
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
