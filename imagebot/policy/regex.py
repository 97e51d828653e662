"""The regex policy: tags ordered by what the groups of an RE2 pattern find in them.

Knows sort keys and their types. The pattern language and templates live in `filters`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import total_ordering

from imagebot.policy.base import Key, Order, Situation, no_wants
from imagebot.policy.calendar import calendar_key
from imagebot.policy.expand import Template
from imagebot.policy.filters import Pattern
from imagebot.policy.numerical import number
from imagebot.policy.semver import NOT_A_VERSION
from imagebot.policy.version import parse, step

_RUNS = re.compile(r"([0-9]+)|([^0-9]+)")

Reader = Callable[[str], Key | int | Decimal | str]


def natural_key(text: str) -> Key:
    """Text in the order people expect: runs of digits by value, the rest by its bytes."""
    return tuple(
        (0, len(digits.lstrip("0")), digits.lstrip("0"), digits) if digits else (1, 0, other, "")
        for digits, other in _RUNS.findall(text)
    )


def _version(text: str) -> Key | str:
    return parse(text) or NOT_A_VERSION


def _text(text: str) -> Key:
    return (text,)


READERS: Mapping[str, Reader] = {
    "natural": natural_key,
    "number": number,
    "text": _text,
    "version": _version,
    "date": calendar_key,
}
"""How a sort key may read what a group found. A reader gives a place, or a reason in words."""


@dataclass(frozen=True, slots=True)
class SortKey:
    """One part of the order: the template of the text to read, how, and which way round."""

    template: Template
    label: str
    reads: str = "natural"
    descending: bool = False


@dataclass(frozen=True, slots=True)
class Regex:
    """Tags that the pattern finds, ordered by the first sort key, then the next."""

    pattern: Pattern
    keys: tuple[SortKey, ...]
    name: str = "regex"
    waits: bool = False

    def __str__(self) -> str:
        """The pattern and its keys: `regex ^b(?P<n>[0-9]+)$ by n`."""
        labels = (f"{key.label}{' desc' if key.descending else ''}" for key in self.keys)
        return f"{self.name} {self.pattern.text} by {', '.join(labels)}"

    def order(self, situation: Situation) -> Order:
        """Order by the sort keys."""
        del situation
        return Order(self._rank, self._rank, f"the highest by {self.keys[0].label}")

    def wants(self, candidates: Sequence[str], situation: Situation) -> tuple[str, ...]:
        """Nothing: names are enough."""
        return no_wants(candidates, situation)

    def step(self, old: str, new: str) -> str:
        """By the first sort key, when it is a version."""
        if self.keys[0].reads != "version":
            return ""
        first = (self.keys[0].template,)
        before, after = self.pattern.expand(old, first), self.pattern.expand(new, first)
        return step(before[0], after[0]) if before and after else ""

    def _rank(self, text: str, tag: str) -> Key | str:
        del tag
        found = self.pattern.expand(text, [key.template for key in self.keys])
        if found is None:
            return f"does not match the pattern {self.pattern.text}"
        places: list[object] = []
        for key, value in zip(self.keys, found, strict=True):
            place = READERS[key.reads](value)
            if isinstance(place, str):
                return f"{key.label} is {place}"
            places.append(_Reversed(place) if key.descending else place)
        return tuple(places)


@total_ordering
class _Reversed:
    """A place in a descending key: compares the other way round."""

    __slots__ = ("place",)

    def __init__(self, place: Key | int | Decimal) -> None:
        self.place = place

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Reversed) and self.place == other.place

    def __lt__(self, other: _Reversed) -> bool:
        return bool(other.place < self.place)  # type: ignore[operator]  # one key has one type

    def __hash__(self) -> int:
        return hash(self.place)
