"""Total deadlines for blocking reads: one thread that shuts the sockets of late exchanges.

A socket timeout starts anew with every byte, so a peer that drips never runs into it. Knows
sockets and seconds, and refuses to know HTTP.
"""

from __future__ import annotations

import math
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from typing import Any

_AGAIN = 0.05
"""Seconds before a late exchange is shut once more: it may just have opened another socket."""

_CURRENT: ContextVar[Exchange | None] = ContextVar("exchange", default=None)


class Exchange:
    """One request and its answer. `expired` says that the watchdog ended it."""

    __slots__ = ("due", "expired", "sock")

    def __init__(self, due: float) -> None:
        self.due = due
        self.expired = False
        self.sock: Any = None

    def shut(self) -> None:
        """Wake whoever reads or writes the socket, with an end of file or an error."""
        self.expired = True
        # A TLS tunnel inside TLS wraps the real socket once more.
        sock = getattr(self.sock, "socket", self.sock)
        if sock is not None:
            with suppress(OSError):
                # The base class's method: SSLSocket's own would drop its state under the reader.
                socket.socket.shutdown(sock, socket.SHUT_RDWR)


def adopt(sock: Any) -> None:
    """Tell the exchange that runs in this thread which socket it uses now.

    Raises TimeoutError when the exchange is late already: it needs no other socket.
    """
    exchange = _CURRENT.get()
    if exchange is not None:
        if exchange.expired:
            raise TimeoutError
        exchange.sock = sock


class Watchdog:
    """Watches exchanges from one daemon thread, which starts with the first of them."""

    def __init__(self) -> None:
        self._live: set[Exchange] = set()
        self._changed = threading.Condition()
        self._wake_at = math.inf
        self._thread: threading.Thread | None = None
        self._closed = False

    @contextmanager
    def watch(self, seconds: float) -> Iterator[Exchange]:
        """Shut the socket that this thread uses inside the block when `seconds` have passed."""
        exchange = Exchange(time.monotonic() + seconds)
        token = _CURRENT.set(exchange)
        with self._changed:
            self._live.add(exchange)
            self._start()
            if exchange.due < self._wake_at:
                self._changed.notify()
        try:
            yield exchange
        finally:
            with self._changed:
                self._live.discard(exchange)
            _CURRENT.reset(token)

    def close(self) -> None:
        """End the thread. Exchanges under way lose their deadline."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def _start(self) -> None:
        if self._thread is None and not self._closed:
            self._thread = threading.Thread(target=self._run, name="http-deadlines", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        with self._changed:
            while not self._closed:
                now = time.monotonic()
                for exchange in self._live:
                    if exchange.due <= now:
                        exchange.shut()
                        exchange.due = now + _AGAIN
                self._wake_at = min((exchange.due for exchange in self._live), default=math.inf)
                # An idle minute between looks keeps `watch` from waking this thread each time.
                wait = min(self._wake_at - now, 60.0)
                self._wake_at = now + wait
                self._changed.wait(wait)
