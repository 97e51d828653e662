"""The shape of a tag: what is a name, what is a number, what is a prerelease, what is a flavour.

Knows how people write tags: `v1.2.3-rc.1-alpine3.18`, `8u312-jre`, `main-4f5e6d7-1700000000`.
Refuses to know which of two tags is newer, and which policy asks.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

MAX_LENGTH = 256

_PHASES = {
    **dict.fromkeys(("dev", "snapshot", "nightly", "canary", "unstable", "edge"), 0),
    **dict.fromkeys(("alpha", "a"), 1),
    **dict.fromkeys(("beta", "b"), 2),
    **dict.fromkeys(("m", "milestone", "ea", "preview", "pre", "next", "test"), 3),
    **dict.fromkeys(("rc", "c", "cr"), 4),
}
# These say "prerelease" by themselves; the other words do so in front of a number only, since
# `-dev` or `-edge` alone is what many publishers call a variant of a finished version.
_PHASES_ALONE = frozenset({"alpha", "beta", "rc", "cr", "pre", "preview", "milestone", "snapshot"})
FINAL = 9
_REVISIONS = frozenset(
    {"r", "rev", "u", "p", "pl", "patch", "build", "ls", "post", "k3s", "rke2r", "eks", "t"}
)
_PLAIN = re.compile(r"(v?)([0-9]{1,6}(?:\.[0-9]{1,6}){0,5})")
_SHA = re.compile(r"g?[0-9a-f]{7,40}")
_HEX_RUN = re.compile(r"[0-9a-f]{7}")
_BARE_SHA = re.compile(r"(?:sha[-_:])?[0-9a-f]{7,64}|sha[-_][0-9a-f]+")
_CHUNKS = re.compile(r"([-_.+~])")
_HEAD = re.compile(
    r"((?:(?![A-Za-z][0-9]+[-_])[A-Za-z\x00][A-Za-z0-9\x00]*[-_]|[A-Za-z]+\.)*[A-Za-z]*)"
    r"([0-9]+(?:\.[0-9]+)*)(.*)",
    re.DOTALL,
)
_PIECE = re.compile(r"([-_.+~]?)(k3s|rke2r|[^-_.+~0-9]*)([0-9]*)", re.DOTALL)
_CLOCK = re.compile(r"[0-9]{10}|[0-9]{13,14}")
_MASK = "\x00"


@dataclass(slots=True)
class Shape:
    """A tag taken apart.

    `form` must be equal for two tags to be of one line: the prefix, how many numbers there are,
    revision words, and the flavour with its numbers masked. `release` are the version's numbers,
    `phase` and `pre` its prerelease (FINAL when there is none), `revisions` the counters behind
    it, `flavour` the flavour's own numbers.
    """

    prefix: str
    release: tuple[int, ...]
    phase: int = FINAL
    word: str = ""
    pre: tuple[int, ...] = ()
    revisions: tuple[int, ...] = ()
    flavour: tuple[int, ...] = ()
    widths: tuple[int, ...] = ()
    marks: tuple[str, ...] = ()
    form: tuple[object, ...] = field(default=())

    @property
    def prerelease(self) -> bool:
        """Whether the tag says that it is a prerelease."""
        return self.phase != FINAL


def is_hash(tag: str) -> bool:
    """Whether the whole tag is a commit hash, which has no order. A number is not."""
    return _BARE_SHA.fullmatch(tag) is not None and not tag.isdigit()


def parse_shape(tag: str, slots: tuple[int, ...] = ()) -> Shape | None:
    """Take a tag apart; None when it has no number to order by.

    `slots` are the positions where a tag of the same line has a commit hash, so that a hash of
    digits alone is read as one.
    """
    if plain := _PLAIN.fullmatch(tag):
        return _plain_shape(*plain.groups())
    if len(tag) > MAX_LENGTH or _MASK in tag or is_hash(tag):
        return None
    head = _HEAD.fullmatch(_masked(tag, slots))
    if head is None:
        return None
    prefix, release, rest = head.groups()
    numbers = release.split(".")
    shape = Shape(prefix, tuple(map(int, numbers)), widths=tuple(map(len, numbers)))
    if rest:
        _read_rest(shape, rest)
    counts = (len(shape.release), len(shape.revisions), len(shape.flavour))
    # `8u312` is update 312 of the product line 8: another line is not an update of it.
    line = shape.release if shape.marks[:1] == ("u#",) else ()
    shape.form = (prefix, counts, shape.marks, line)
    return shape


def _plain_shape(prefix: str, release: str) -> Shape:
    """The short way for most tags of most registries; the long way finds the same."""
    numbers = release.split(".")
    form = (prefix, (len(numbers), 0, 0), (), ())
    widths = tuple(map(len, numbers))
    return Shape(prefix, tuple(map(int, numbers)), widths=widths, form=form)


def plain_line(tag: str) -> re.Pattern[str] | None:
    """What tags of as many plain numbers as `tag` has look like; group 1 holds the numbers.

    None when `tag` has more than numbers and a `v`. Such tags have one shape but for the numbers,
    and no number that is long enough for a date: long lists of them need no taking apart.
    """
    plain = _PLAIN.fullmatch(tag)
    if plain is None:
        return None
    prefix, numbers = plain.groups()
    dots = numbers.count(".")
    return re.compile(rf"{prefix}([0-9]{{1,6}}(?:\.[0-9]{{1,6}}){{{dots}}})")


def hash_slots(tag: str) -> tuple[int, ...]:
    """The positions, among the parts between separators, of commit hashes."""
    chunks = _CHUNKS.split(tag)[::2]
    found = [i for i, chunk in enumerate(chunks) if _is_sha(chunk)]
    clocked = len(chunks) > 1 and _CLOCK.fullmatch(chunks[-1]) and _SHA.fullmatch(chunks[-2])
    if clocked and not found:
        found.append(len(chunks) - 2)
    return tuple(found)


def _is_sha(chunk: str) -> bool:
    digits = any(c.isdigit() for c in chunk)
    letters = any(c in "abcdef" for c in chunk)
    return digits and letters and _SHA.fullmatch(chunk) is not None


def _masked(tag: str, slots: tuple[int, ...]) -> str:
    """The tag with each commit hash replaced, as its digits are no version."""
    if _HEX_RUN.search(tag) is None:
        return tag
    parts = _CHUNKS.split(tag)
    for index in slots or hash_slots(tag):
        at = 2 * index
        if at < len(parts) and _SHA.fullmatch(parts[at]):
            parts[at] = _MASK
    return "".join(parts)


def _read_rest(shape: Shape, rest: str) -> None:
    """Sort what stands behind the release into prerelease, revisions and flavour."""
    state = "release"
    marks: list[str] = []
    revisions: list[int] = []
    flavour: list[int] = []
    pieces = [piece for piece in _PIECE.findall(rest) if any(piece)]
    for piece, following in zip(pieces, [*pieces[1:], ("", "", "")], strict=False):
        separator, word, digits = piece
        number = [int(digits)] if digits else []
        lower = word.lower()
        if not shape.prerelease and _opens_prerelease(lower, digits, following):
            state = "pre"
            shape.phase, shape.word, shape.pre = _PHASES[lower], lower, tuple(number)
        elif state == "pre" and not word and digits:
            shape.pre = (*shape.pre, *number)
        elif lower in _REVISIONS or (state in ("release", "revision") and not word and digits):
            state = "revision"
            marks.append(f"{separator}{lower}{'#' * len(number)}")
            revisions += number
        else:
            state = "flavour"
            marks.append(f"{separator}{word}{'*' * len(number)}")
            flavour += number
    shape.marks, shape.revisions, shape.flavour = tuple(marks), tuple(revisions), tuple(flavour)


def _opens_prerelease(word: str, digits: str, following: tuple[str, str, str]) -> bool:
    if word not in _PHASES:
        return False
    numbered = bool(digits) or (len(word) > 1 and not following[1] and bool(following[2]))
    return numbered or word in _PHASES_ALONE
