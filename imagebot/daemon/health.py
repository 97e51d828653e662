"""What probes ask of the daemon: is it alive, is it ready, and what did each repository do last.

Knows a few moments and words, safe in several threads. It refuses to know schedulers and HTTP.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any


@dataclass(frozen=True, slots=True)
class Last:
    """One repository's latest cycle. Times are epoch seconds, 0 for never."""

    started: float = 0.0
    finished: float = 0.0
    result: str = "none yet"
    missed: int = 0

    @property
    def running(self) -> bool:
        """Whether a cycle is under way."""
        return self.started > self.finished


@dataclass
class Health:
    """The daemon's health. A cycle that runs longer than `stuck_after` seconds is a sickness."""

    clock: Callable[[], float]
    stuck_after: float = 3600.0
    _last: dict[str, Last] = field(default_factory=dict)
    _ready: bool = False
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def ready(self, *, ready: bool) -> None:
        """Say whether the daemon takes part: scheduled, and not draining."""
        with self._lock:
            self._ready = ready

    def started(self, name: str) -> None:
        """A cycle begins."""
        self._change(name, started=self.clock())

    def finished(self, name: str, result: str) -> None:
        """A cycle ended, in one or two words."""
        self._change(name, finished=self.clock(), result=result)

    def missed(self, name: str) -> None:
        """A scheduled cycle did not start, because the one before still runs."""
        with self._lock:
            last = self._last.get(name, Last())
            self._last[name] = replace(last, missed=last.missed + 1)

    def is_alive(self) -> bool:
        """Whether no cycle is stuck."""
        with self._lock:
            now = self.clock()
            return not any(
                last.running and now - last.started > self.stuck_after
                for last in self._last.values()
            )

    def is_ready(self) -> bool:
        """Whether the daemon takes part."""
        with self._lock:
            return self._ready

    def document(self) -> dict[str, Any]:
        """Everything above as JSON values, by repository."""
        with self._lock:
            return {
                name: {
                    "started": last.started,
                    "finished": last.finished,
                    "running": last.running,
                    "result": last.result,
                    "missed": last.missed,
                }
                for name, last in sorted(self._last.items())
            }

    def _change(self, name: str, **values: Any) -> None:
        with self._lock:
            self._last[name] = replace(self._last.get(name, Last()), **values)
