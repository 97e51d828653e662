"""Where the running tag stands in a policy's order, so that nothing older replaces it.

Knows that a running tag is often outside of what a policy reads: a hotfix, a fourth number, a
suffix. Refuses to compare what has nothing to place, such as `latest`, a commit or a branch.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from imagebot.policy.base import Key, Order, Situation
from imagebot.policy.filters import TagFilter
from imagebot.policy.shape import is_hash

_LONGEST = 128
_END = re.compile(r"[0-9](?![0-9])|[A-Za-z](?![A-Za-z0-9])")
_FIRST_PART = re.compile(r"[^-_.+~]*")
_LEADING_WORD = re.compile(r"([A-Za-z]++)[-_.]?([vV])?(?=[0-9])")
_WORDS_OF_VERSIONS = frozenset({"v", "ver", "version", "r", "rel", "release", "b", "build"})
_DOTTED = re.compile(r"[0-9]+\.[0-9]")
_DATE_WITH_LETTER = re.compile(r"[0-9]{8,}[a-z]")


@dataclass(frozen=True, slots=True)
class Standing:
    """The running tag's place. `text` is what has that place.

    `whole` is false when `text` is a part, or was not extracted as the candidates' are: the
    place is near the running tag's own, and good enough to refuse what is below it.
    """

    key: Key
    text: str
    whole: bool = True


def standing(order: Order, situation: Situation, tag_filter: TagFilter | None) -> Standing | None:
    """Place the running tag, or the best part of it that has a place. None without one."""
    current, text = situation.current, situation.text
    if current is None:
        return None
    if text is not None:
        key = order.place(text, current)
        if not isinstance(key, str):
            return Standing(key, text)
    for part in _tries(order, situation, tag_filter):
        key = order.place(part, current)
        if not isinstance(key, str):
            return Standing(key, part, whole=False)
    return None


def _tries(order: Order, situation: Situation, tag_filter: TagFilter | None) -> Iterator[str]:
    """What may stand for a running tag that has no place as it is, best first."""
    if situation.text is not None:
        yield from _parts(situation.text)
        return
    current = situation.current or ""
    for part in (current, *_parts(current)):
        # Where any text at all has a place, one that was not extracted does not compare.
        if not order.any_text:
            yield part
        found = tag_filter.text(part) if tag_filter else None
        if found is not None:
            yield found


def _parts(text: str) -> Iterator[str]:
    """The leading parts; then the number behind a leading word, and what that starts with."""
    yield from _leading_parts(text)
    number = _behind_word(text)
    if number and not _starts_with_hash(number):
        yield number
        yield from _leading_parts(number)


def _behind_word(text: str) -> str:
    """`1.6.0` of `release-1.6.0`, `200` of `v200`; nothing of `feature-2` and `pr-12`.

    Behind any other word than those of versions, a single number names a branch or a request.
    """
    word = _LEADING_WORD.match(text)
    if word is None:
        return ""
    rest = text[word.end() :]
    says_version = word[2] or word[1].lower() in _WORDS_OF_VERSIONS
    return rest if says_version or _DOTTED.match(rest) else ""


def _starts_with_hash(text: str) -> bool:
    first = _FIRST_PART.match(text)
    head = first[0] if first else ""
    return is_hash(head) and not _DATE_WITH_LETTER.fullmatch(head)


def _leading_parts(text: str) -> Iterator[str]:
    """The parts from the start to the end of a number or word, longest first, not the whole."""
    if _starts_with_hash(text):
        # The digits at the start of a commit hash are no version.
        return
    ends = [match.end() for match in _END.finditer(text[:_LONGEST])]
    yield from (text[:end] for end in reversed(ends) if end < len(text))
