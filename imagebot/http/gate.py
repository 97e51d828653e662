"""What stands before each host: its rate limit, its breaker, its budget and its queue.

One host's trouble stays its own. Knows hosts as `host[:port]`, never what is asked of them.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol

from imagebot.errors import PeerError
from imagebot.http.clock import Clock

BREAK_AFTER = 8
"""Failures in a row that open a host's breaker."""

COOLING = 30.0
"""Seconds that an open breaker refuses requests before it lets one through as a trial."""


class Deferrals(Protocol):
    """Remembers which host asked not to be bothered until when. Safe in several threads."""

    def until(self, host: str) -> float:
        """Epoch seconds before which `host[:port]` must not be asked; 0.0 when it may be."""
        ...

    def defer(self, host: str, until: float) -> None:
        """Do not ask `host[:port]` before `until` (epoch seconds)."""
        ...


class MemoryDeferrals:
    """Deferrals that last as long as this process."""

    def __init__(self) -> None:
        self._until: dict[str, float] = {}

    def until(self, host: str) -> float:
        """Epoch seconds; 0.0 when the host was never deferred."""
        return self._until.get(host, 0.0)

    def defer(self, host: str, until: float) -> None:
        """Remember the later of two deferrals."""
        self._until[host] = max(until, self._until.get(host, 0.0))


@dataclass(slots=True)
class _Host:
    slots: threading.BoundedSemaphore
    lock: threading.Lock = field(default_factory=threading.Lock)
    requests: int = 0
    failures: int = 0
    opened_until: float = 0.0
    paused_until: float = 0.0


class Gate:
    """Lets a request to a host through, makes it wait, or refuses it with a PeerError."""

    def __init__(
        self, *, clock: Clock, deferrals: Deferrals, concurrency: int, budget: int
    ) -> None:
        self._clock = clock
        self._deferrals = deferrals
        self._concurrency = concurrency
        self._budget = budget
        self._hosts: dict[str, _Host] = {}
        self._lock = threading.Lock()

    @contextmanager
    def enter(self, name: str, *, until: float) -> Iterator[None]:
        """Hold one of the host's slots, waiting no longer than `until` (monotonic seconds).

        Raises PeerError when the host is deferred, its breaker is open, its budget is spent, or
        no slot was free in time.
        """
        host = self._host(name)
        self._wait_out(name, host, until)
        if not host.slots.acquire(timeout=max(0.0, until - self._clock.monotonic())):
            raise PeerError(f"{name}: too many requests are waiting for it", retryable=True)
        try:
            self._admit(name, host)
            yield
        finally:
            host.slots.release()

    def succeeded(self, name: str) -> None:
        """The host answered like a healthy one: its breaker closes."""
        host = self._host(name)
        if host.failures:
            with host.lock:
                host.failures, host.opened_until = 0, 0.0

    def failed(self, name: str) -> None:
        """The host did not answer, or said that it cannot."""
        host = self._host(name)
        with host.lock:
            host.failures += 1
            if host.failures >= BREAK_AFTER:
                host.opened_until = self._clock.monotonic() + COOLING

    def pause(self, name: str, seconds: float) -> None:
        """Let every request to the host wait this long, in whatever thread it is made."""
        host = self._host(name)
        with host.lock:
            host.paused_until = max(host.paused_until, self._clock.monotonic() + seconds)

    def defer(self, name: str, seconds: float) -> float:
        """Refuse the host for this long; gives the end in epoch seconds."""
        until = self._clock.now() + seconds
        self._deferrals.defer(name, until)
        return until

    def _host(self, name: str) -> _Host:
        host = self._hosts.get(name)
        if host is None:
            with self._lock:
                fresh = _Host(threading.BoundedSemaphore(self._concurrency))
                host = self._hosts.setdefault(name, fresh)
        return host

    def _wait_out(self, name: str, host: _Host, until: float) -> None:
        while (left := host.paused_until - (now := self._clock.monotonic())) > 0:
            if now + left > until:
                raise PeerError(
                    f"{name}: it asked for a pause that is longer than this request may take",
                    retryable=True,
                    not_before=self._clock.now() + left,
                )
            self._clock.sleep(left)

    def _admit(self, name: str, host: _Host) -> None:
        deferred = self._deferrals.until(name)
        if deferred > self._clock.now():
            raise PeerError(
                f"{name}: it asked to be left alone for now", retryable=True, not_before=deferred
            )
        with host.lock:
            self._try_breaker(name, host)
            if host.requests >= self._budget:
                raise PeerError(
                    f"{name}: the budget of {self._budget} requests to one host is spent",
                    hint="narrow `paths` or `images`, or run more often with a cache",
                )
            host.requests += 1

    def _try_breaker(self, name: str, host: _Host) -> None:
        if host.failures < BREAK_AFTER:
            return
        left = host.opened_until - self._clock.monotonic()
        if left > 0:
            raise PeerError(
                f"{name}: {host.failures} requests in a row failed, so it is left alone for now",
                retryable=True,
                not_before=self._clock.now() + left,
            )
        # This request is the trial; the others wait for what comes of it.
        host.opened_until = self._clock.monotonic() + COOLING
