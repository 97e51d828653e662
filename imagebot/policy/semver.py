"""The semver policy: the newest version inside a range.

Knows how a range and the precedence of versions elect. Grammar lives in `ranges` and `version`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from imagebot.policy.base import Key, Order, Situation, no_wants
from imagebot.policy.ranges import Range
from imagebot.policy.version import VersionKey, parse, step, step_between

NOT_A_VERSION = "not a semantic version"
NOT_THREE_PARTS = "not a semantic version of three parts"


@dataclass(frozen=True, slots=True)
class Semver:
    """The highest version inside `range` wins. `strict` reads tags of three parts only."""

    range: Range
    strict: bool = False
    name: str = "semver"
    waits: bool = False

    def __str__(self) -> str:
        """`semver >=1.4 <3`."""
        return f"{self.name} {self.range.text}"

    def order(self, situation: Situation) -> Order:
        """Order by precedence; build metadata and spelling do not count."""
        del situation
        refusal, strict = self.range.judge, self.strict
        no_version = NOT_THREE_PARTS if strict else NOT_A_VERSION

        def rank(text: str, tag: str) -> Key | str:
            del tag
            key = parse(text, strict=strict)
            return no_version if key is None else refusal(key) or key

        said = f"the highest version in the range {self.range.text}"
        return Order(rank, _place, said, step=_step_between)

    def wants(self, candidates: Sequence[str], situation: Situation) -> tuple[str, ...]:
        """Nothing: names are enough."""
        return no_wants(candidates, situation)

    def step(self, old: str, new: str) -> str:
        """The first number that differs."""
        return step(old, new)


def _place(text: str, tag: str) -> Key | str:
    del tag
    return parse(text) or NOT_A_VERSION


def _step_between(old: Key, new: Key) -> str:
    return step_between(cast("VersionKey", old), cast("VersionKey", new))
