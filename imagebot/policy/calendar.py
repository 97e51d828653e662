"""The calendar policy: tags that are dates, perhaps with a time or build counters behind.

Knows `20240115`, `2024.01.15`, `2024-01-15`, `24.04` and what follows them. Refuses suffixes
in words: a filter with an extract takes those off.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from imagebot.policy.base import Key, Order, Situation, no_wants

NOT_A_DATE = "not a calendar version"
NO_SUCH_DATE = "not a date of the calendar"

_MAX_LENGTH = 128
_CENTURY = 2000
_YEARS = range(1990, 2200)
_MONTHS = range(1, 13)
_COMPACT = re.compile(
    r"v?([0-9]{4})([0-9]{2})([0-9]{2})((?:[0-9]{2}){0,3})((?:[-._T][0-9]+)*)Z?",
)
_SEPARATED = re.compile(
    r"v?([0-9]{4}|[0-9]{2}(?=\.[0-9]{2}(?![0-9])))([-._])([0-9]{1,2})(?![0-9])((?:[-._T][0-9]+)*)Z?"
)
_NUMBER = re.compile(r"[0-9]+")


def calendar_key(text: str) -> tuple[int, ...] | str:
    """Year, month, then every number that follows; or the reason why `text` is no date.

    A year of two digits is of this century and has a month of two digits behind a dot (`24.04`).
    """
    if len(text) > _MAX_LENGTH:
        return NOT_A_DATE
    if compact := _COMPACT.fullmatch(text):
        year, month, day = (int(part) for part in compact.groups()[:3])
        if not _is_date(year, month, day):
            return NO_SUCH_DATE
        glued = (int(compact[4]),) if compact[4] else ()
        return (year, month, day, *glued, *_numbers(compact[5]))
    separated = _SEPARATED.fullmatch(text)
    if separated is None:
        return NOT_A_DATE
    digits, separator, month_text, rest = separated.groups()
    year = int(digits) + (_CENTURY if len(digits) == 2 else 0)  # noqa: PLR2004  # two digits: 24.04
    numbers = _numbers(rest)
    month = int(month_text)
    days = separator != "." and rest.startswith(separator)
    if not _is_date(year, month, numbers[0] if days else 1):
        return NO_SUCH_DATE
    return (year, month, *numbers)


@dataclass(frozen=True, slots=True)
class Calendar:
    """The latest date wins; of one day, the highest time or build counter."""

    name: str = "calendar"
    waits: bool = False

    def __str__(self) -> str:
        """`calendar`."""
        return self.name

    def order(self, situation: Situation) -> Order:
        """Order by date, then by the numbers behind it."""
        del situation
        return Order(_rank, _rank, "the latest date")

    def wants(self, candidates: Sequence[str], situation: Situation) -> tuple[str, ...]:
        """Nothing: names are enough."""
        return no_wants(candidates, situation)

    def step(self, old: str, new: str) -> str:
        """Unknown: a date does not say how much changed."""
        del old, new
        return ""


def _rank(text: str, tag: str) -> Key | str:
    del tag
    return calendar_key(text)


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(number) for number in _NUMBER.findall(text))


def _is_date(year: int, month: int, day: int) -> bool:
    if year not in _YEARS or month not in _MONTHS:
        return False
    try:
        date(year, month, day)
    except ValueError:
        return False
    return True
