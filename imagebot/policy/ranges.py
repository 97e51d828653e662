"""Version ranges in the dialect of Masterminds/semver v3, as intervals of version precedence.

Knows the grammar, partial versions and the prerelease gate of each AND group. Refuses to know
where versions come from and which of them is best.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from imagebot.errors import PolicyError
from imagebot.policy.version import RELEASE, VersionKey, is_prerelease, parse

MAX_LENGTH = 512
MAX_GROUPS = 32

OUTSIDE = "outside the range"
BELOW = "below the range"
ABOVE = "above the range"
EXCLUDED = "excluded by a != of the range"
PRERELEASE = "a prerelease, and the range names none"

_HINT = "for example '>=1.4 <3', '~1.2', '^2.0.0-0', '1.x || 3.x'"
_FULL = 3
_LOWEST: VersionKey = (0, 0, 0, ())
_SPACE = " \t\n\f\r"
_PART = r"[0-9]+|[xX*]"
_VERSION = (
    rf"v?(?:{_PART})(?:\.(?:{_PART}))?(?:\.(?:{_PART}))?"
    r"(?:-[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)?(?:\+[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)?"
)
_HYPHEN = re.compile(rf"({_VERSION})[{_SPACE}]+-[{_SPACE}]+({_VERSION})")
_TERM = re.compile(rf"(!=|>=|=>|<=|=<|~>|[=<>~^]|)[{_SPACE}]*({_VERSION})")
_SEPARATOR = re.compile(rf"[{_SPACE}]*,[{_SPACE}]*|[{_SPACE}]+")
_OPERAND = re.compile(
    rf"v?({_PART})(?:\.({_PART}))?(?:\.({_PART}))?(-[0-9A-Za-z.-]+)?(?:\+.*)?", re.DOTALL
)
_ALIASES = {"": "=", "=>": ">=", "=<": "<=", "~>": "~"}


@dataclass(frozen=True, slots=True)
class _Operand:
    """A possibly partial version: missing and wildcard parts are zero in `key`.

    `precision` counts the numbers before the first wildcard, 0 to 3.
    """

    key: VersionKey
    precision: int

    def after(self, parts: int) -> VersionKey:
        """The lowest key beyond all versions that share the first `parts` numbers."""
        major, minor, patch, _ = self.key
        if parts == 1:
            return major + 1, 0, 0, ()
        return (major, minor, patch + 1, ()) if parts == _FULL else (major, minor + 1, 0, ())

    @property
    def beyond(self) -> VersionKey:
        """The lowest key above this very version."""
        return (*self.key[:3], (*self.key[3], (-1,)))


@dataclass(frozen=True, slots=True)
class _Group:
    """Comparators joined by AND: an interval, its holes, and whether prereleases may enter."""

    low: VersionKey
    high: VersionKey | None
    holes: tuple[_Operand, ...]
    prereleases: bool

    def refusal(self, key: VersionKey) -> str:
        """Why a version is outside, as one of this module's reasons; empty when it is inside."""
        if key[3] != RELEASE and not self.prereleases:
            return PRERELEASE
        if key < self.low:
            return BELOW
        if self.high is not None and key >= self.high:
            return ABOVE
        if self.holes and any(_in_hole(key, hole) for hole in self.holes):
            return EXCLUDED
        return ""


class Range:
    """A compiled range. Immutable; `text` is how it was written."""

    __slots__ = ("_groups", "judge", "text")

    def __init__(self, text: str, *, prereleases: bool = False) -> None:
        """Compile `text`. `prereleases` opens every group's gate. Raises PolicyError."""
        self.text = text
        alternatives = text.split("||")
        if len(text) > MAX_LENGTH or len(alternatives) > MAX_GROUPS:
            raise PolicyError(
                f"version range {text[:40]!r}... is too long",
                hint=f"at most {MAX_LENGTH} characters and {MAX_GROUPS} alternatives",
            )
        self._groups = tuple(_group(part, text, opened=prereleases) for part in alternatives)
        # Most ranges have one alternative, and an election asks a hundred thousand times.
        self.judge = self._groups[0].refusal if len(self._groups) == 1 else self._refusal

    def __repr__(self) -> str:
        """The range as it was written."""
        return f"Range({self.text!r})"

    def refusal(self, key: VersionKey) -> str:
        """Why a version is outside the range, as a short constant text; empty when inside."""
        return self.judge(key)

    def _refusal(self, key: VersionKey) -> str:
        reason = self._groups[0].refusal(key)
        for group in self._groups[1:]:
            if not reason:
                break
            other = group.refusal(key)
            reason = other if other in ("", reason) else OUTSIDE
        return reason

    def __contains__(self, key: VersionKey) -> bool:
        """Whether a version is inside the range."""
        return not self.refusal(key)


def _group(part: str, text: str, *, opened: bool) -> _Group:
    low = _LOWEST
    high: VersionKey | None = None
    holes: list[_Operand] = []
    for operator, spelled in _terms(part, text):
        operand = _operand(spelled, text)
        opened = opened or is_prerelease(operand.key)
        if operator == "!=":
            holes.append(operand)
            continue
        bottom, top = _interval(operator, operand)
        low = max(low, bottom)
        high = top if high is None else high if top is None else min(high, top)
    return _Group(low, high, tuple(holes), opened)


def _terms(part: str, text: str) -> list[tuple[str, str]]:
    """Split one AND group into (operator, version) pairs; a hyphen range gives two."""
    rest = part.strip(_SPACE)
    terms: list[tuple[str, str]] = []
    while True:
        if hyphen := _HYPHEN.match(rest):
            terms += [(">=", hyphen[1]), ("<=", hyphen[2])]
            end = hyphen.end()
        elif term := _TERM.match(rest):
            terms.append((_ALIASES.get(term[1], term[1]), term[2]))
            end = term.end()
        else:
            raise _improper(rest or part, text)
        rest = rest[end:]
        if not rest:
            return terms
        gap = _SEPARATOR.match(rest)
        if gap is None:
            raise _improper(rest, text)
        rest = rest[gap.end() :]


def _operand(spelled: str, text: str) -> _Operand:
    match = _OPERAND.fullmatch(spelled)
    if match is None:
        raise _improper(spelled, text)
    numbers: list[str] = []
    for number in match.groups()[:3]:
        if number is None or number in "xX*":
            break
        numbers.append(number)
    padded = ".".join((*numbers, "0", "0", "0")[:3])
    key = parse(padded + (match[4] or ""))
    if key is None:
        raise _improper(spelled, text)
    return _Operand(key, len(numbers))


def _interval(operator: str, operand: _Operand) -> tuple[VersionKey, VersionKey | None]:
    """The keys from the first (included) to the second (excluded) satisfy the comparator."""
    if operator == ">":
        partial = operand.precision in (1, 2)
        return (operand.after(operand.precision) if partial else operand.beyond), None
    if operator in ("<", "<="):
        return _LOWEST, operand.key if operator == "<" else _last(operand)
    tops = {"^": _caret, "~": _tilde, "=": _equal}
    return operand.key, tops[operator](operand) if operator in tops else None


def _last(operand: _Operand) -> VersionKey:
    """What is beyond a version, or beyond everything that a partial version stands for."""
    if operand.precision == _FULL:
        return operand.beyond
    return operand.after(1 if operand.precision == 1 else 2)


def _tilde(operand: _Operand) -> VersionKey | None:
    """A tilde keeps major and minor, as far as they are written; `~0.0.0` and `~*` keep none."""
    if operand.key[:3] == (0, 0, 0) and operand.precision in (0, _FULL):
        return None
    return operand.after(1 if operand.precision == 1 else 2)


def _equal(operand: _Operand) -> VersionKey | None:
    return operand.beyond if operand.precision == _FULL else _tilde(operand)


def _caret(operand: _Operand) -> VersionKey:
    """A caret keeps the first number that is not zero, as far as it is written."""
    major, minor = operand.key[:2]
    if major or operand.precision == 1:
        return operand.after(1)
    return operand.after(2 if minor or operand.precision == 2 else _FULL)  # noqa: PLR2004  # major.minor


def _in_hole(key: VersionKey, hole: _Operand) -> bool:
    if hole.precision == 1:
        return key[0] == hole.key[0]
    if hole.precision == 2:  # noqa: PLR2004  # major.minor
        return key[:2] == hole.key[:2] and key[3] == hole.key[3]
    return key == hole.key


def _improper(piece: str, text: str) -> PolicyError:
    return PolicyError(f"version range {text!r}: {piece!r} is no comparison", hint=_HINT)
