"""The numerical policy: tags that are numbers, by exact value.

Knows decimal notation. No floating point: two different numbers never tie, however long.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal

from imagebot.policy.base import ByName, Key, Order, Situation

NOT_A_NUMBER = "not a number"
NOT_FINITE = "not a finite number"
TOO_LARGE = "a number out of range (10^308)"

_MAX_EXPONENT = 308
_MAX_LENGTH = 512
_DIGITS = r"[0-9]+(?:_[0-9]+)*"
_NUMBER = re.compile(
    rf"[+-]?(?:{_DIGITS}(?:\.(?:{_DIGITS})?)?|\.{_DIGITS})(?:[eE][+-]?[0-9]{{1,9}})?"
)
_SPECIAL = re.compile(r"nan|[+-]?inf(?:inity)?", re.IGNORECASE)


def number(text: str) -> int | Decimal | str:
    """The exact value that `text` spells, or the reason why it is no usable number.

    Takes a sign, leading zeros, a point anywhere, an exponent, and underscores between digits.
    """
    if len(text) <= _MAX_EXPONENT and text.isascii() and text.isdigit():
        return int(text)
    if len(text) > _MAX_LENGTH or _NUMBER.fullmatch(text) is None:
        return NOT_FINITE if _SPECIAL.fullmatch(text) else NOT_A_NUMBER
    value = Decimal(text)
    return TOO_LARGE if value and value.adjusted() > _MAX_EXPONENT else value


@dataclass(frozen=True, slots=True)
class Numerical(ByName):
    """The largest (ascending) or the smallest (descending) number wins."""

    descending: bool = False
    name: str = "numerical"
    waits: bool = False

    def order(self, situation: Situation) -> Order:
        """Order by value."""
        del situation
        said = "smallest" if self.descending else "largest"
        return Order(_rank, _rank, f"the {said} number", self.descending)


def _rank(text: str, tag: str) -> Key | str:
    del tag
    value = number(text)
    return value if isinstance(value, str) else (value,)
