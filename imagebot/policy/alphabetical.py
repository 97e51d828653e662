"""The alphabetical policy: tags by the bytes of their names.

Knows byte order only: upper case before lower, `9` after `10`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from imagebot.policy.base import Key, Order, Situation, no_wants


@dataclass(frozen=True, slots=True)
class Alphabetical:
    """The last name (ascending) or the first name (descending) wins."""

    descending: bool = False
    name: str = "alphabetical"
    waits: bool = False

    def __str__(self) -> str:
        """`alphabetical asc` or `alphabetical desc`."""
        return f"{self.name} {'desc' if self.descending else 'asc'}"

    def order(self, situation: Situation) -> Order:
        """Order by name. Code points order as their UTF-8 bytes do."""
        del situation
        said = "first" if self.descending else "last"
        return Order(_rank, _rank, f"{said} in byte order", self.descending, any_text=True)

    def wants(self, candidates: Sequence[str], situation: Situation) -> tuple[str, ...]:
        """Nothing: names are enough."""
        return no_wants(candidates, situation)

    def step(self, old: str, new: str) -> str:
        """Unknown: names have no sizes."""
        del old, new
        return ""


def _rank(text: str, tag: str) -> Key | str:
    del tag
    return (text,)
