"""The daemon runs every job, never twice at once, says what it missed, and drains."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Self

import pytest
import requests

from imagebot.daemon.health import Health
from imagebot.daemon.schedule import Schedule
from imagebot.daemon.service import Daemon

LOOPBACK = ("127.0.0.1", 0)


def every(seconds: int) -> Callable[[str], Schedule]:
    def schedule(name: str) -> Schedule:
        made = Schedule("every 10s", name=name)
        made._interval = made._interval and made._interval / 10 * seconds
        return made

    return schedule


class Running:
    """A daemon in a thread, its port, and how it ended."""

    def __init__(self, daemon: Daemon) -> None:
        self.daemon = daemon
        self.port = 0
        self.drained: bool | None = None
        self._listening = threading.Event()
        daemon.on_listening = self._heard
        self._thread = threading.Thread(target=self._run)

    def _heard(self, port: int) -> None:
        self.port = port
        self._listening.set()

    def _run(self) -> None:
        self.drained = self.daemon.run()

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._listening.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def end(self) -> None:
        self.daemon.stop.set()
        self._thread.join(15)
        assert not self._thread.is_alive()

    def get(self, path: str) -> requests.Response:
        with requests.Session() as session:
            return session.get(f"http://127.0.0.1:{self.port}{path}", timeout=5)


def wait_for(what: Callable[[], bool], seconds: float = 8) -> None:
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)


def test_every_job_runs_at_once_and_health_tells_its_result() -> None:
    """A started daemon does not wait for the first scheduled time to show what it can do."""
    done = threading.Event()

    def job() -> str:
        done.set()
        return "ok"

    with Running(Daemon({"repo": job}, every(10), LOOPBACK)) as running:
        assert done.wait(5)
        wait_for(lambda: "ok" in running.get("/healthz").text)
        assert running.get("/healthz").status_code == 200
        assert running.get("/readyz").json() == {"ready": True}

    assert running.drained is True


def test_a_slow_job_never_runs_twice_at_once_and_misses_are_counted() -> None:
    """A cycle that is due while the one before still runs is skipped, and health says so."""
    release = threading.Event()
    most = [0]
    now = [0]

    def job() -> str:
        now[0] += 1
        most[0] = max(most[0], now[0])
        release.wait(10)
        now[0] -= 1
        return "ok"

    daemon = Daemon({"repo": job}, every(1), LOOPBACK)
    with Running(daemon) as running:
        wait_for(lambda: daemon.health.document().get("repo", {}).get("missed", 0) >= 1)
        release.set()
        wait_for(lambda: daemon.health.document()["repo"]["finished"] > 0)
        running.end()

    assert most == [1]


def test_stopping_waits_for_the_cycle_under_way() -> None:
    """A drain lets the running cycle finish, and takes the daemon out of service meanwhile."""
    begun, finished = threading.Event(), threading.Event()

    def job() -> str:
        begun.set()
        time.sleep(1)
        finished.set()
        return "ok"

    with Running(Daemon({"repo": job}, every(10), LOOPBACK)) as running:
        assert begun.wait(5)
        running.daemon.stop.set()
        wait_for(lambda: running.get("/readyz").status_code == 503, 1)

    assert finished.is_set()
    assert running.drained is True


def test_a_drain_has_an_end() -> None:
    """A cycle that hangs does not keep the pod from ending."""
    release = threading.Event()
    daemon = Daemon({"repo": lambda: str(release.wait(20))}, every(10), LOOPBACK, drain_seconds=0.3)

    with Running(daemon) as running:
        wait_for(lambda: bool(daemon.health.document()))

    assert running.drained is False
    release.set()


def test_a_job_that_raises_is_a_bug_that_health_shows(caplog: pytest.LogCaptureFixture) -> None:
    """An exception in one job is logged with its traceback, and the daemon goes on."""

    def job() -> str:
        raise ValueError("broken on purpose")

    daemon = Daemon({"repo": job}, every(10), LOOPBACK)
    with Running(daemon) as running:
        wait_for(lambda: daemon.health.document().get("repo", {}).get("result") == "bug")
        assert running.get("/readyz").status_code == 200
        wait_for(lambda: "broken on purpose" in caplog.text)


def test_a_stuck_cycle_makes_the_daemon_sick() -> None:
    """Kubernetes restarts a daemon whose cycle outlives every sane bound."""
    now = [1000.0]
    health = Health(lambda: now[0], stuck_after=60)
    health.started("repo")
    assert health.is_alive()

    now[0] += 61
    assert not health.is_alive()

    health.finished("repo", "ok")
    assert health.is_alive()
