"""`imagebot serve`: the daemon."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from collections.abc import Callable
from types import FrameType
from typing import TYPE_CHECKING, NoReturn

import click

from imagebot.cli.common import operator_option, required_operator, verbose_option, warn
from imagebot.errors import EXIT_OK, EXIT_TERMINATED

if TYPE_CHECKING:
    from imagebot.config.operator import Operator, RepositoryShape
    from imagebot.wiring import Paces


@click.command("serve")
@operator_option
@verbose_option
def command(operator_file: str | None) -> int:
    """Run cycles on the operator's schedule until SIGTERM or SIGINT, then drain."""
    from imagebot.daemon.schedule import Schedule
    from imagebot.daemon.service import Daemon
    from imagebot.wiring import Paces

    operator = required_operator(operator_file)
    settings = operator.serve
    stop, abandoned = threading.Event(), threading.Event()
    paces = Paces()

    def schedule(name: str) -> Schedule:
        return Schedule(
            settings.schedule, zone=settings.time_zone, name=name, jitter=settings.jitter_seconds
        )

    schedule("")  # A schedule that cannot be read is a usage error now, not a silent job later.
    daemon = Daemon(
        jobs={
            shape.url: _Job(operator, shape, paces, abandoned.is_set)
            for shape in operator.repositories
        },
        schedule=schedule,
        address=settings.address,
        stop=stop,
        abandoned=abandoned,
        on_listening=lambda port: click.echo(
            f"imagebot: serving {len(operator.repositories)} repositories; "
            f"health on {settings.address[0]}:{port}",
            err=True,
        ),
    )

    def told(_signum: int, _frame: FrameType | None) -> None:
        stop.set()

    signal.signal(signal.SIGTERM, told)
    signal.signal(signal.SIGINT, told)
    if not daemon.run():
        warn("a cycle was still running when the time to drain was over; the next one converges")
        _leave(EXIT_TERMINATED)
    return EXIT_OK


def _leave(code: int) -> NoReturn:
    """End the process though threads still run, for which Python would wait as long as they take.

    A run may be killed at any moment; what is written is written whole or not at all.
    """
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


class _Job:
    """One repository's cycle, with services of its own: budgets and secrets are fresh each time.

    Only the gaps between writes are shared, since forges count them by login.
    """

    def __init__(
        self,
        operator: Operator,
        shape: RepositoryShape,
        paces: Paces,
        cancelled: Callable[[], bool],
    ) -> None:
        self._operator = operator
        self._shape = shape
        self._paces = paces
        self._cancelled = cancelled

    def __call__(self) -> str:
        from imagebot.cycle import Runner
        from imagebot.errors import ImagebotError
        from imagebot.wiring import Services

        try:
            with Services(self._operator, paces=self._paces, cancelled=self._cancelled) as services:
                cycle = Runner(services, self._operator).one(self._shape)
        except ImagebotError as error:
            warn(f"{self._shape.url}: {error}")
            return "failed"
        for outcome in cycle.outcomes:
            if outcome.action not in {"unchanged", "skipped"}:
                click.echo(
                    f"imagebot: {self._shape.url}: {outcome.action} {outcome.title} {outcome.url}",
                    err=True,
                )
        if cycle.problem:
            warn(f"{self._shape.url}: {cycle.problem}")
        return "busy" if cycle.busy else "failed in part" if cycle.failed else "ok"
