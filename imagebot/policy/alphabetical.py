"""The alphabetical policy: tags by the bytes of their names.

Knows byte order only: upper case before lower, `9` after `10`.
"""

from __future__ import annotations

from dataclasses import dataclass

from imagebot.policy.base import ByName, Key, Order, Situation


@dataclass(frozen=True, slots=True)
class Alphabetical(ByName):
    """The last name (ascending) or the first name (descending) wins."""

    descending: bool = False
    name: str = "alphabetical"
    waits: bool = False

    def order(self, situation: Situation) -> Order:
        """Order by name. Code points order as their UTF-8 bytes do."""
        del situation
        said = "first" if self.descending else "last"
        return Order(_rank, _rank, f"{said} in byte order", self.descending, any_text=True)


def _rank(text: str, tag: str) -> Key | str:
    del tag
    return (text,)
