"""A clock whose sleep takes no time: it notes the wait and jumps ahead by it."""

from __future__ import annotations

import threading
import time


class SkipClock:
    """The real clock plus everything that was slept; `naps` lists the sleeps in seconds."""

    def __init__(self, now: float | None = None) -> None:
        self._shift = 0.0 if now is None else now - time.time()
        self._ahead = 0.0
        self._lock = threading.Lock()
        self.naps: list[float] = []

    def now(self) -> float:
        return time.time() + self._shift + self._ahead

    def monotonic(self) -> float:
        return time.monotonic() + self._ahead

    def sleep(self, seconds: float) -> None:
        with self._lock:
            self.naps.append(seconds)
            self._ahead += seconds

    def advance(self, seconds: float) -> None:
        """Let time pass that nobody slept."""
        with self._lock:
            self._ahead += seconds
