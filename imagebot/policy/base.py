"""What a tag policy is, and what an election gives: the words that all policies share.

Knows shapes only. Refuses to know any one policy's order, filters, registries and files.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from imagebot.model import ImageDetails

Key = tuple[object, ...]
"""A place in a policy's order: larger is better, unless the order is descending."""

Rank = Callable[[str, str], Key | str]
"""(text, tag) to its place, or to the reason, in words, why it has none."""


class UndecidedError(Exception):
    """This policy cannot decide for this situation; the message says why, in words."""


@dataclass(frozen=True, slots=True)
class Situation:
    """What a policy may look at besides the tags.

    `text` is what the policy reads of the running tag `current` (its extract, where a filter
    extracts; None when the filter finds nothing in it), `listed` whether the registry still has
    that tag. `now` is in seconds since 1970, UTC.
    """

    current: str | None = None
    text: str | None = None
    listed: bool = False
    evidence: Mapping[str, ImageDetails] = field(default_factory=dict)
    now: float | None = None


@dataclass(frozen=True, slots=True)
class Order:
    """A policy made ready for one election.

    `rank` places a candidate or drops it; `place` places the running tag, which may well be
    outside of what the policy admits. `descending` turns the order round. `said` says what made
    the winner win, in words. `any_text` says that every text has a place, also one that is no
    answer to what was asked.
    """

    rank: Rank
    place: Rank
    said: str
    descending: bool = False
    any_text: bool = False
    step: Callable[[Key, Key], str] | None = None


class Policy(Protocol):
    """A rule that orders tags. Pure, immutable, safe to share between threads.

    `waits` says whether an election must wait for the details that the policy wants.
    """

    @property
    def name(self) -> str:
        """The policy's key in a configuration: `semver`, `numerical`..."""
        ...

    @property
    def waits(self) -> bool:
        """Whether nothing can be ranked before every wanted detail is known."""
        ...

    def __str__(self) -> str:
        """The policy with its options, as a person would write it."""
        ...

    def order(self, situation: Situation) -> Order:
        """Make ready for one election. Raises UndecidedError where nothing can be ordered."""
        ...

    def wants(self, candidates: Sequence[str], situation: Situation) -> tuple[str, ...]:
        """The tags whose details are missing before this policy can rank the candidates."""
        ...

    def step(self, old: str, new: str) -> str:
        """The size of a step between two texts: major, minor, patch, or empty when unknown."""
        ...


@dataclass(frozen=True, slots=True)
class Selection:
    """The outcome of one election.

    `chosen` is the tag to run: the running tag itself when it is up to date, None when nothing
    could be chosen, and then `error` says why or `wants` names the tags whose details are
    missing. `order` holds what remained, best first; `dropped` gives each other tag the first
    rule that dropped it, in words. `why` is one sentence about the choice. `size` is the step
    from the running tag: `major`, `minor`, `patch`, `digest`, or empty when unknown. `held` says
    that nothing was chosen only because guards keep every candidate back.
    """

    chosen: str | None
    order: tuple[str, ...] = ()
    dropped: Mapping[str, str] = field(default_factory=dict)
    why: str = ""
    error: str | None = None
    wants: tuple[str, ...] = ()
    size: str = ""
    held: bool = False


class ByName:
    """What policies share that look at names alone, and know ascending and descending only."""

    __slots__ = ()
    name: str
    descending: bool

    def __str__(self) -> str:
        """`numerical asc` or `numerical desc`."""
        return f"{self.name} {'desc' if self.descending else 'asc'}"

    def wants(self, candidates: Sequence[str], situation: Situation) -> tuple[str, ...]:
        """Nothing: names are enough."""
        return no_wants(candidates, situation)

    def step(self, old: str, new: str) -> str:
        """Unknown: their places have no sizes."""
        del old, new
        return ""


def no_wants(candidates: Sequence[str], situation: Situation) -> tuple[str, ...]:
    """The answer of every policy that looks at names alone."""
    del candidates, situation
    return ()


def quoted(text: str, limit: int = 60) -> str:
    """Text from a registry, safe to print: quoted, escaped, cut to `limit` characters."""
    return repr(text if len(text) <= limit else f"{text[:limit]}...")
