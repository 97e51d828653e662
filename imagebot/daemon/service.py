"""The daemon: one job a repository on the operator's schedule, until it is told to stop.

A job never runs twice at once, late runs are joined into one, none is dropped silently, and what
is running when the daemon is told to stop is given time to finish.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from apscheduler.events import (
    EVENT_JOB_ERROR,
    EVENT_JOB_MAX_INSTANCES,
    EVENT_JOB_MISSED,
    JobExecutionEvent,
)
from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler

from imagebot.daemon.health import Health
from imagebot.daemon.schedule import Schedule
from imagebot.daemon.web import WebServer

WORKERS = 4
DRAIN_SECONDS = 25.0
"""Less than Kubernetes' default of 30 seconds between SIGTERM and SIGKILL."""

LAST_SECONDS = 2.0
"""What is left for git to stop in when the time to drain is over."""

_log = logging.getLogger("imagebot.daemon")

Job = Callable[[], str]
"""One cycle of one repository; gives its result in a word or two. It does not raise."""


@dataclass
class Daemon:
    """Jobs by name, when they run, and where health is served.

    `abandoned` is set when the time to drain is over: jobs that look at it end at once.
    """

    jobs: dict[str, Job]
    schedule: Callable[[str], Schedule]
    address: tuple[str, int]
    drain_seconds: float = DRAIN_SECONDS
    health: Health = field(default_factory=lambda: Health(time.time))
    stop: threading.Event = field(default_factory=threading.Event)
    abandoned: threading.Event = field(default_factory=threading.Event)
    on_listening: Callable[[int], None] = lambda _port: None

    def run(self) -> bool:
        """Serve until `stop` is set, then drain. True when every job had finished in time.

        When it is False, threads may still run, and Python would wait for them at its end.
        """
        scheduler = self._scheduler()
        with WebServer(self.health, self.address) as web:
            self.on_listening(web.port)
            scheduler.start()
            self.health.ready(ready=True)
            self.stop.wait()
            self.health.ready(ready=False)
            _log.info("draining")
            return self._drain(scheduler)

    def _scheduler(self) -> Any:
        scheduler = BackgroundScheduler(
            executors={"default": ThreadPoolExecutor(WORKERS)},
            job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None},
            timezone=UTC,
        )
        scheduler.add_listener(
            self._told, EVENT_JOB_ERROR | EVENT_JOB_MAX_INSTANCES | EVENT_JOB_MISSED
        )
        for name, job in self.jobs.items():
            scheduler.add_job(
                self._watched(name, job),
                self.schedule(name),
                id=name,
                name=name,
                # The first cycle starts with the daemon: a restart shows at once what it can do.
                next_run_time=datetime.now(UTC),
            )
        return scheduler

    def _watched(self, name: str, job: Job) -> Callable[[], None]:
        def run() -> None:
            if self.stop.is_set():
                return
            self.health.started(name)
            result = "bug"
            try:
                result = job()
            finally:
                self.health.finished(name, result)

        return run

    def _told(self, event: JobExecutionEvent) -> None:
        """A job that did not start, or raised, is never silent."""
        if event.code == EVENT_JOB_ERROR:
            _log.error("%s: a bug ended the cycle", event.job_id, exc_info=event.exception)
            return
        self.health.missed(event.job_id)
        _log.warning("%s: a cycle was due while the one before still runs", event.job_id)

    def _drain(self, scheduler: Any) -> bool:
        """Wait for running jobs, but not for ever."""
        waiting = threading.Thread(
            target=lambda: scheduler.shutdown(wait=True), name="drain", daemon=True
        )
        waiting.start()
        waiting.join(self.drain_seconds)
        if not waiting.is_alive():
            return True
        self.abandoned.set()
        waiting.join(LAST_SECONDS)
        return False
