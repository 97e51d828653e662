"""The newest policy: tags by the time their image was created.

Knows RFC 3339 times from a registry's evidence. Refuses to guess: an image of unknown age
cannot win, and one whose details are missing leaves the election undecided.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from imagebot.policy.base import Key, Order, Situation

UNKNOWN_AGE = "its creation time is unknown"
PLACEHOLDER = "its creation time is the placeholder of a reproducible build"
NO_DETAILS = "its details are not known"

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
FIRST_REAL = int((datetime(2000, 1, 1, tzinfo=UTC) - _EPOCH).total_seconds())
"""The first second whose time is believed; before it are the placeholders of builds."""

_TIME = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})[Tt ]([0-9]{2}:[0-9]{2}):([0-9]{2})(?:\.([0-9]{1,9})[0-9]*)?"
    r"([Zz]|[+-][0-9]{2}:[0-9]{2})"
)
_LEAP = 60


def created_at(text: str) -> tuple[int, int] | None:
    """Seconds since 1970 UTC and nanoseconds of an RFC 3339 time; None when it is none."""
    match = _TIME.fullmatch(text.strip())
    if match is None:
        return None
    date, clock, seconds, fraction, zone = match.groups()
    try:
        moment = datetime.fromisoformat(f"{date}T{clock}{'+00:00' if zone in 'Zz' else zone}")
    except ValueError:
        return None
    if int(seconds) > _LEAP:
        return None
    whole = (moment - _EPOCH) // timedelta(seconds=1) + int(seconds)
    return whole, int((fraction or "0").ljust(9, "0"))


@dataclass(frozen=True, slots=True)
class Newest:
    """The image created last wins. A time in the future counts as now."""

    name: str = "newest"
    waits: bool = True

    def __str__(self) -> str:
        """`newest`."""
        return self.name

    def order(self, situation: Situation) -> Order:
        """Order by creation time, by nanoseconds."""
        ceiling = None if situation.now is None else (int(situation.now), 0)

        def rank(text: str, tag: str) -> Key | str:
            del text
            details = situation.evidence.get(tag)
            if details is None:
                return NO_DETAILS
            moment = created_at(details.created)
            if moment is None:
                return UNKNOWN_AGE
            if moment[0] < FIRST_REAL:
                return PLACEHOLDER
            return moment if ceiling is None else min(moment, ceiling)

        return Order(rank, rank, "the image created last")

    def wants(self, candidates: Sequence[str], situation: Situation) -> tuple[str, ...]:
        """Every candidate, and the running tag, whose details are missing."""
        wanted = dict.fromkeys(candidates)
        if situation.current is not None and situation.listed:
            wanted[situation.current] = None
        return tuple(tag for tag in wanted if tag not in situation.evidence)

    def step(self, old: str, new: str) -> str:
        """Unknown: creation times have no sizes."""
        del old, new
        return ""
