"""The follow policy: tags written like the running one, newest first.

Knows how to stay in a line: same prefix, same precision, same flavour, no prerelease unless on
one. Refuses to follow what has no order: `latest`, a commit hash, a pull request's build.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import cast

from imagebot.policy.base import Key, Order, Situation, UndecidedError, no_wants, quoted
from imagebot.policy.shape import FINAL, Shape, hash_slots, is_hash, parse_shape, plain_line

OTHER_FORM = "not written like the running tag"
OTHER_PREFIX = "its prefix is not that of the running tag"
OTHER_FLAVOUR = "its suffix is not that of the running tag"
OTHER_PRECISION = "it has more or fewer numbers than the running tag"
NO_NUMBER = "it has no number to order by"
PRERELEASE = "a prerelease"
OTHER_LINE = "a prerelease of another version"
LARGER_STEP = "a larger step than allowed"
A_DATE = "a date, and the running tag is none"
NOT_A_DATE = "not a date, and the running tag is one"

STEPS = ("major", "minor", "patch")
_PULL_REQUEST = re.compile(
    r"(?:pr|mr|pull|merge|pull-request|merge-request)[-_.]?[0-9].*", re.IGNORECASE
)
_PLAIN_REST: Key = (FINAL, (), "", (), ())
"""What the key of a tag of numbers alone holds behind the numbers."""

_DATE_WIDTHS = (8, 10, 12, 14)
_YEARS = range(1990, 2200)


@dataclass(frozen=True, slots=True)
class Follow:
    """Stay in the running tag's line.

    `suffix_upgrade` lets the numbers of a suffix rise (`-alpine3.18` to `-alpine3.19`),
    `prerelease` lets any prerelease in, `step` is the largest step allowed.
    """

    suffix_upgrade: bool = False
    prerelease: bool = False
    largest: str = "major"
    name: str = "follow"
    waits: bool = False

    def __str__(self) -> str:
        """`follow`, with the options that differ from the default."""
        options = [
            *(["suffixUpgrade"] if self.suffix_upgrade else []),
            *(["prerelease"] if self.prerelease else []),
            *([f"step {self.largest}"] if self.largest != "major" else []),
        ]
        return " ".join((self.name, *options))

    def order(self, situation: Situation) -> Order:
        """Infer the line from the running tag. Raises UndecidedError when it has none."""
        base, slots = _line(situation)

        def place(text: str, tag: str) -> Key | str:
            del tag
            shape = parse_shape(text) if not slots else parse_shape(text, slots)
            return NO_NUMBER if shape is None else _key(shape)

        line = plain_line(situation.text or "") if self.largest == STEPS[0] else None

        def rank(text: str, tag: str) -> Key | str:
            del tag
            if line and (plain := line.fullmatch(text)):
                return (tuple(map(int, plain[1].split("."))), *_PLAIN_REST)
            shape = parse_shape(text)
            if slots and (shape is None or shape.form != base.form):
                shape = parse_shape(text, slots)
            if shape is None:
                return NO_NUMBER
            return self._refusal(base, shape) or _key(shape)

        # Where a hash of digits alone was told by its position, a text alone reads otherwise.
        sized = None if slots else _steps_from(base)
        return Order(rank, place, "the newest tag written like the running one", step=sized)

    def wants(self, candidates: Sequence[str], situation: Situation) -> tuple[str, ...]:
        """Nothing: names are enough."""
        return no_wants(candidates, situation)

    def step(self, old: str, new: str) -> str:
        """By the position of the first number that differs; unknown for dates and counters."""
        before, after = parse_shape(old), parse_shape(new)
        if before is None or after is None or old == new:
            return ""
        return _step(before.release, after.release) if _has_steps(before) else ""

    def _refusal(self, base: Shape, shape: Shape) -> str:
        """Why a tag is not in the line of the running one; empty when it is."""
        if difference := _difference(base, shape):
            return difference
        risen = self.suffix_upgrade and shape.flavour > base.flavour
        if shape.flavour != base.flavour and not risen:
            return OTHER_FLAVOUR
        if shape.prerelease and not self.prerelease:
            if not base.prerelease:
                return PRERELEASE
            if shape.release != base.release:
                return OTHER_LINE
        limit = STEPS.index(self.largest)
        # The default allows every step: a long list need not be measured against it.
        too_large = limit > 0 and STEPS.index(_step(base.release, shape.release)) < limit
        return LARGER_STEP if too_large else ""


def _line(situation: Situation) -> tuple[Shape, tuple[int, ...]]:
    """The running tag taken apart, and where it has commit hashes."""
    current, text = situation.current, situation.text
    if current is None:
        raise UndecidedError("follow needs a running tag to follow")
    if text is None:
        raise UndecidedError(f"the filter finds nothing in the running tag {quoted(current)}")
    what = ""
    if is_hash(text):
        what = "a commit hash"
    elif _PULL_REQUEST.fullmatch(text):
        what = "the build of a pull request"
    shape = None if what else parse_shape(text)
    if shape is None:
        subject = f"the running tag {quoted(text)} " + (f"is {what} and " if what else "")
        raise UndecidedError(f"{subject}has no order: follow it by digest, or name a policy")
    return shape, hash_slots(text)


def _key(shape: Shape) -> Key:
    return (
        shape.release,
        shape.phase,
        shape.pre,
        shape.word,
        shape.revisions,
        shape.flavour,
    )


def _difference(base: Shape, shape: Shape) -> str:
    """How a tag is written differently; empty when it is written alike."""
    if shape.prefix != base.prefix:
        return OTHER_PREFIX
    if len(shape.release) != len(base.release):
        return OTHER_PRECISION
    if shape.form != base.form:
        return OTHER_FLAVOUR if shape.marks != base.marks else OTHER_FORM
    if _dated(base) and _dated(shape):
        return OTHER_PRECISION if shape.widths != base.widths else ""
    if _dated(base) or _dated(shape):
        return NOT_A_DATE if _dated(base) else A_DATE
    return ""


def _has_steps(shape: Shape) -> bool:
    """Whether its numbers are a version's: those of dates and counters have no sizes."""
    if _dated(shape) or shape.release[0] in _YEARS:
        return False
    return len(shape.release) > 1 or shape.prefix in ("", "v")


def _steps_from(base: Shape) -> Callable[[Key, Key], str]:
    """The step between two places in the line of `base`: their first part is the release."""
    if not _has_steps(base):
        return lambda _old, _new: ""
    release = base.release
    return lambda _old, new: _step(release, cast("tuple[int, ...]", new[0]))


def _step(release: tuple[int, ...], other: tuple[int, ...]) -> str:
    for index, (old, new) in enumerate(zip(release, other, strict=False)):
        if old != new:
            return STEPS[min(index, 2)]
    return "patch"


def _dated(shape: Shape) -> bool:
    """Whether the first number is a date of eight digits or more, as in `20240115`."""
    width = shape.widths[0]
    if width not in _DATE_WIDTHS:
        return False
    digits = f"{shape.release[0]:0{width}d}"
    year, month, day = int(digits[:4]), int(digits[4:6]), int(digits[6:8])
    if year not in _YEARS:
        return False
    try:
        date(year, month, day)
    except ValueError:
        return False
    return True
