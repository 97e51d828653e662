"""When the next cycle starts: cron as Debian's cron means it, or a plain interval.

Knows time only. APScheduler's own cron reading fires numeric weekdays a day late and joins the
two day fields with AND, so the expression is read by cronsim, which follows Debian's cron, also
over the changes of summer time. `H` spreads jobs: a stable number made from the job's name.
"""

from __future__ import annotations

import hashlib
import random
import re
from datetime import datetime, timedelta, tzinfo
from functools import partial
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from apscheduler.triggers.base import BaseTrigger
from cronsim import CronSim, CronSimError

from imagebot.errors import UsageError

ALIASES = {
    "@hourly": "H * * * *",
    "@daily": "H H * * *",
    "@midnight": "H H(0-2) * * *",
    "@weekly": "H H * * H",
    "@monthly": "H H H * *",
    "@yearly": "H H H H *",
    "@annually": "H H H H *",
}
FIELDS = (("minute", 0, 59), ("hour", 0, 23), ("day", 1, 28), ("month", 1, 12), ("weekday", 0, 6))
_EVERY = re.compile(
    r"every\s+(\d{1,6})\s*(s|seconds?|m|min|minutes?|h|hours?|d|days?)", re.IGNORECASE
)
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_HASHED = re.compile(r"(?<![A-Za-z])H(?:\((\d+)-(\d+)\))?(?:/(\d+))?(?![A-Za-z])")
SHORTEST_SECONDS = 10
LONGEST_SECONDS = 366 * 86_400


class Schedule(BaseTrigger):  # type: ignore[misc]  # APScheduler ships no types
    """An APScheduler trigger. `jitter_seconds` delays each run by a random share of it."""

    def __init__(self, text: str, *, zone: str = "UTC", name: str = "", jitter: float = 0) -> None:
        """Read a schedule. Raises UsageError that names what is wrong with it."""
        self.text = text.strip()
        self.zone = _zone(zone)
        self.jitter = jitter
        self._interval = _interval(self.text)
        self._cron = "" if self._interval else _expand(self.text, name)

    def next_after(self, moment: datetime) -> datetime | None:
        """The first time strictly after `moment`, without jitter; None when there is none."""
        if self._interval:
            return moment + self._interval
        return next(CronSim(self._cron, moment.astimezone(self.zone)), None)

    def get_next_fire_time(
        self, previous_fire_time: datetime | None, now: datetime
    ) -> datetime | None:
        """APScheduler's question. Missed times are found from the previous one and coalesced."""
        following = self.next_after(previous_fire_time or now)
        if following is None or not self.jitter:
            return following
        return following + timedelta(seconds=random.uniform(0, self.jitter))  # noqa: S311 -- spreads load, guards nothing


def _zone(name: str) -> tzinfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise UsageError(
            f"{name!r} is no time zone", hint="a name such as Europe/Berlin or UTC"
        ) from error


def _interval(text: str) -> timedelta | None:
    match = _EVERY.fullmatch(text)
    if match is None:
        return None
    seconds = int(match[1]) * _UNITS[match[2][0].lower()]
    if seconds < SHORTEST_SECONDS:
        raise UsageError(f"{text!r} is too often", hint=f"at least every {SHORTEST_SECONDS}s")
    if seconds > LONGEST_SECONDS:
        raise UsageError(f"{text!r} is too seldom", hint="at most every 366d")
    return timedelta(seconds=seconds)


def _expand(text: str, name: str) -> str:
    expression = ALIASES.get(text.lower(), text)
    parts = expression.split()
    if len(parts) != len(FIELDS):
        raise UsageError(
            f"{text!r} is no schedule",
            hint='five cron fields, @hourly to @yearly, or "every 10m"',
        )
    fields = [
        _HASHED.sub(partial(_hashed, name=name, field=field, low=low, high=high), part)
        for part, (field, low, high) in zip(parts, FIELDS, strict=True)
    ]
    cron = " ".join(fields)
    try:
        CronSim(cron, datetime(2024, 1, 1))  # noqa: DTZ001 -- only the syntax is tried
    except CronSimError as error:
        raise UsageError(f"{text!r} is no schedule: {error}") from error
    return cron


def _hashed(match: re.Match[str], *, name: str, field: str, low: int, high: int) -> str:
    """Replace one `H`, `H(a-b)`, `H/n` by numbers that depend on the job's name only."""
    first, last = int(match[1] or low), int(match[2] or high)
    width = last - first + 1
    step = int(match[3]) if match[3] else 0
    if not low <= first <= last <= high or (match[3] and not 1 <= step <= width):
        raise UsageError(f"{match[0]!r} is nothing for the {field}", hint=f"it is {low} to {high}")
    digest = hashlib.sha256(f"{field}:{name}".encode()).digest()
    number = int.from_bytes(digest[:4])
    if step:
        return ",".join(str(value) for value in range(first + number % step, last + 1, step))
    return str(first + number % width)
