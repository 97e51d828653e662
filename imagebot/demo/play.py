"""The play in three acts: new tags become requests, nothing new changes nothing, newer updates.

Knows the order of the acts and what each must end in; a wrong end is an error.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from imagebot.cycle import Runner
from imagebot.demo import show
from imagebot.demo.stage import NEWER, RELEASES, REPOSITORY, Stage, build
from imagebot.errors import ImagebotError
from imagebot.forge.port import PullRequest
from imagebot.model import Cycle
from imagebot.pulls.naming import BRANCH_PREFIX
from imagebot.registry.server import EmbeddedRegistry
from imagebot.wiring import Services, connected


def play(folder: Path, out: Console) -> Stage:
    """Play all three acts in an empty folder. Raises ImagebotError when an act ends wrongly."""
    begun = time.monotonic()
    with EmbeddedRegistry(directory=folder / "registry") as registry:
        stage = build(folder, registry)
        out.print(f"registry    http://{registry.host}/v2/{REPOSITORY}  (in this process)")
        out.print(f"repository  {stage.repository}")

        show.heading(out, f"1  {RELEASES[-1]} is in the registry, the overlays run older ones")
        opened = _act(stage, out, expect={"created"})
        for pull in opened:
            show.pull_request(out, pull, stage.repository)

        show.heading(out, "2  a second cycle: nothing is new, so nothing happens")
        _act(stage, out, expect={"unchanged"})

        show.heading(out, f"3  {NEWER} is pushed: the same requests are updated in place")
        stage.release(NEWER, 30)
        updated = _act(stage, out, expect={"updated"})
        if [pull.number for pull in updated] != [pull.number for pull in opened]:
            raise ImagebotError("the third cycle opened other requests than the first")
        show.pull_request(out, updated[-1], stage.repository)
    out.print()
    out.print(f"three cycles, {len(updated)} requests, {time.monotonic() - begun:.1f} s")
    return stage


def _act(stage: Stage, out: Console, *, expect: set[str]) -> Sequence[PullRequest]:
    """One cycle, its summary, and the requests that are open afterwards."""
    from imagebot.report.text import print_cycle

    with Services(stage.operator, environment={}) as services:
        (cycle,) = Runner(services, stage.operator).all()
        print_cycle(out, cycle)
        _check(cycle, expect)
        with connected(services, stage.operator.repositories[0]) as connection:
            pulls = connection.forge.open_pulls(BRANCH_PREFIX)
    return sorted(pulls, key=lambda pull: pull.number)


def _check(cycle: Cycle, expect: set[str]) -> None:
    did = {outcome.action for outcome in cycle.outcomes}
    if cycle.failed or did != expect:
        raise ImagebotError(f"a cycle did {sorted(did)} instead of {sorted(expect)}")
