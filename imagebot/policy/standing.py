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
_DATE_WITH_LETTER = re.compile(r"[0-9]{8,}[a-z]")


@dataclass(frozen=True, slots=True)
class Standing:
    """The running tag's place. `text` is what has that place.

    `whole` is false when `text` is a leading part, or was not extracted as the candidates' are:
    then the place is near the running tag's own, and good enough to refuse what is below it.
    """

    key: Key
    text: str
    whole: bool = True


def standing(order: Order, situation: Situation, tag_filter: TagFilter | None) -> Standing | None:
    """Place the running tag, or its longest leading part that has a place. None without one."""
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
        yield from _leading_parts(situation.text)
        return
    current = situation.current or ""
    for part in (current, *_leading_parts(current)):
        # Where any text at all has a place, one that was not extracted does not compare.
        if not order.any_text:
            yield part
        found = tag_filter.text(part) if tag_filter else None
        if found is not None:
            yield found


def _leading_parts(text: str) -> Iterator[str]:
    """The parts from the start to the end of a number or word, longest first, not the whole."""
    first = _FIRST_PART.match(text)
    head = first[0] if first else ""
    if is_hash(head) and not _DATE_WITH_LETTER.fullmatch(head):
        # The digits at the start of a commit hash are no version.
        return
    ends = [match.end() for match in _END.finditer(text[:_LONGEST])]
    yield from (text[:end] for end in reversed(ends) if end < len(text))
