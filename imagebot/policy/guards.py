"""Guards: what a tag must show beside its name before it may win, such as its age.

Knows how to judge one tag by its evidence, and to ask for no more evidence than the choice needs.
Refuses to guess: a tag of unknown age is too young, and missing evidence decides nothing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Protocol

from imagebot.errors import PolicyError
from imagebot.model import ImageDetails, Listing, Sightings
from imagebot.policy.calendar import calendar_key
from imagebot.policy.newest import FIRST_REAL, created_at
from imagebot.policy.shape import hash_slots, is_hash, parse_shape

MAX_JUDGED = 256
"""How many tags are judged before an election gives up: each may cost requests."""

DOUBTS = 2
"""How many runs in a row a list that shrank too much is doubted."""

FULL_VERSION = 3
"""How many numbers a version has that names one build; a date has as many, without one."""

_AGE = re.compile(r"([0-9]{1,4})([mhdw])")
_SECONDS = {"m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_PLATFORM = re.compile(r"[a-z0-9]+/[a-z0-9_]+(?:/[a-z0-9.]+)?")
_SAME = {"arm64/v8": "arm64", "amd64/v1": "amd64"}


class Guard(Protocol):
    """A rule that judges tags by their evidence. Pure."""

    def judge(self, tag: str, details: ImageDetails | None) -> str | None:
        """Why the tag is dropped, empty when it passes, None when its details are needed."""
        ...


@dataclass(frozen=True, slots=True)
class MinimumAge:
    """Only images of at least so many `seconds`, at the time `now` (seconds since 1970, UTC).

    An image is as young as the latest thing known of it: when it was made, when its tag came
    after the first look at the repository, when its tag moved to another digest (`moved`). The
    time that a publisher writes counts when it is after 2000 and not in the future; without it,
    the tag's first sighting counts whatever it was.
    """

    seconds: int
    now: float
    sightings: Sightings | None = None
    moved: Mapping[str, float] = field(default_factory=dict)

    def judge(self, tag: str, details: ImageDetails | None) -> str | None:
        """Drop what is too young, or of unknown age; what was just seen needs no details."""
        witnessed = self._witnessed(tag)
        if witnessed is not None and self._is_young(witnessed):
            return self._too_young(witnessed)
        if details is None:
            return None
        made = self._made(details)
        if made is None and witnessed is None:
            witnessed = self._at_first_look(tag)
        if made is None and witnessed is None:
            return "its age is unknown: nobody says credibly when it was made"
        since = max(moment for moment in (made, witnessed) if moment is not None)
        return self._too_young(since) if self._is_young(since) else ""

    def _witnessed(self, tag: str) -> float | None:
        """When the bot itself saw the tag come or move, if it did."""
        moments = [self.moved[tag]] if tag in self.moved else []
        if self.sightings is not None:
            seen = self.sightings.tags.get(tag)
            if seen is not None and seen > self.sightings.first_look:
                moments.append(seen)
        return max(moments, default=None)

    def _at_first_look(self, tag: str) -> float | None:
        return None if self.sightings is None else self.sightings.tags.get(tag)

    def _made(self, details: ImageDetails) -> float | None:
        made = created_at(details.created)
        if made is None or made[0] < FIRST_REAL:
            return None
        moment = made[0] + made[1] / 1e9
        return moment if moment <= self.now else None

    def _is_young(self, since: float) -> bool:
        return self.now - since < self.seconds

    def _too_young(self, since: float) -> str:
        at = datetime.fromtimestamp(since + self.seconds, UTC)
        return f"too young: a candidate from {at:%Y-%m-%d %H:%M} UTC on"


@dataclass(frozen=True, slots=True)
class Platforms:
    """Only images that are built for every wanted platform, `os/architecture[/variant]`.

    A platform without a variant accepts every variant; one with a variant accepts no other.
    """

    wanted: tuple[str, ...]

    def judge(self, tag: str, details: ImageDetails | None) -> str | None:
        """Drop what lacks a platform."""
        del tag
        if details is None:
            return None
        missing = [
            wanted
            for wanted in self.wanted
            if not any(_serves(offered, wanted) for offered in details.platforms)
        ]
        if not missing:
            return ""
        if not details.platforms:
            return "the platforms it is built for are unknown"
        return f"not built for {', '.join(missing)}"


@dataclass(frozen=True, slots=True)
class Passage:
    """How candidates fared: the first that passed, if any, and the `dropped` before it.

    `wants` are the tags whose details are missing before the next one can be judged; `tired`
    says that too many were judged in vain.
    """

    passed: str | None = None
    dropped: Mapping[str, str] = field(default_factory=dict)
    wants: tuple[str, ...] = ()
    tired: bool = False


def first_passing(
    names: Sequence[str], guards: Sequence[Guard], evidence: Mapping[str, ImageDetails]
) -> Passage:
    """Judge candidates from the best on, until one passes.

    Wanted details come in runs that double (1, 1, 2, 4...): few requests when the best one
    passes, few rounds when many do not.
    """
    dropped: dict[str, str] = {}
    for index, name in enumerate(names):
        if index == MAX_JUDGED:
            return Passage(None, dropped, tired=True)
        reason = verdict(guards, name, evidence.get(name))
        if reason is None:
            run = names[index : index + max(1, index)]
            wants = [tag for tag in run if verdict(guards, tag, evidence.get(tag)) is None]
            return Passage(None, dropped, tuple(wants))
        if not reason:
            return Passage(name, dropped)
        dropped[name] = reason
    return Passage(None, dropped)


def verdict(guards: Sequence[Guard], tag: str, details: ImageDetails | None) -> str | None:
    """The first reason to drop a tag; empty when it passes all, None when details are needed."""
    pending = False
    for guard in guards:
        reason = guard.judge(tag, details)
        if reason:
            return reason
        pending = pending or reason is None
    return None if pending else ""


def doubt(before: Listing | None, size: int, percent: int) -> tuple[Listing, str]:
    """Judge a list of tags by the last one that was believed: what to remember, why not to believe.

    A list that lost more than `percent` of its tags is believed when it was seen often enough.
    """
    shrunk = before is not None and size * 100 < before.size * (100 - percent)
    if before is None or not shrunk or before.doubts >= DOUBTS:
        return Listing(size), ""
    why = (
        f"its list of tags shrank from {before.size} to {size}: doubted in "
        f"{before.doubts + 1} of {DOUBTS} runs, then believed"
    )
    return Listing(before.size, before.doubts + 1), why


def names_one_version(tag: str) -> bool:
    """Whether a tag looks like one that never moves: a full version, a dated build, a commit."""
    if is_hash(tag) or hash_slots(tag):
        return True
    shape = parse_shape(tag)
    if shape is None:
        return False
    dated = calendar_key(tag)
    numbers = len(shape.release) + len(shape.revisions)
    return numbers >= FULL_VERSION or (isinstance(dated, tuple) and len(dated) > FULL_VERSION)


def parse_age(text: str) -> int:
    """The seconds of an age such as `90m`, `12h`, `3d`, `2w`. Raises PolicyError."""
    match = _AGE.fullmatch(text)
    if match is None:
        raise PolicyError(f"{text!r} is no age", hint="a number and m, h, d or w, such as 3d")
    return int(match[1]) * _SECONDS[match[2]]


def parse_platform(text: str) -> str:
    """A platform, as it is. Raises PolicyError."""
    if _PLATFORM.fullmatch(text) is None:
        raise PolicyError(
            f"{text!r} is no platform", hint="os/architecture[/variant], such as linux/arm64"
        )
    return text


def _serves(offered: str, wanted: str) -> bool:
    """Whether an image's platform is the wanted one, or a variant of it where none is wanted."""
    offered, wanted = _plain(offered), _plain(wanted)
    return offered == wanted or (wanted.count("/") == 1 and offered.startswith(f"{wanted}/"))


def _plain(platform: str) -> str:
    """A platform without the variant that its architecture has anyway."""
    system, _, machine = platform.partition("/")
    return f"{system}/{_SAME.get(machine, machine)}"
