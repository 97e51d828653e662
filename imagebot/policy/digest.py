"""The digest policy: one moving tag, followed by what it points to.

Knows which tag that is. Refuses to know whether the digest moved: the caller compares digests.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from imagebot.policy.base import Key, Order, Situation


@dataclass(frozen=True, slots=True)
class Digest:
    """Only `tag` can win, and its details are wanted so that its digest can be compared."""

    tag: str
    name: str = "digest"
    waits: bool = False

    def __str__(self) -> str:
        """`digest of latest`."""
        return f"digest of {self.tag}"

    def order(self, situation: Situation) -> Order:
        """Drop every other tag."""
        del situation
        other = f"not the followed tag {self.tag}"

        def rank(text: str, tag: str) -> Key | str:
            del text
            return () if tag == self.tag else other

        return Order(rank, _unordered, "the tag that is followed by its digest")

    def wants(self, candidates: Sequence[str], situation: Situation) -> tuple[str, ...]:
        """The followed tag, until its details are known."""
        return tuple(tag for tag in candidates if tag not in situation.evidence)

    def step(self, old: str, new: str) -> str:
        """A digest at most moves below an unchanged tag."""
        return "digest" if old == new else ""


def _unordered(text: str, tag: str) -> Key | str:
    del text, tag
    return "a followed tag has no order"
