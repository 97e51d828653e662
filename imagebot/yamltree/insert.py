"""Where a new key goes beside another one, and how it is written there.

Knows the two ways to write a mapping: a line for each key, and braces. It refuses what it cannot
place for certain; `imagebot.yamltree.splice` proves the rest.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from imagebot.errors import EditRefused
from imagebot.model import Edit
from imagebot.yamltree.plain import write
from imagebot.yamltree.tree import Scalar, Source

_BLANK = re.compile(r"(?:[ \t\r\n]+|(?<=[ \t\r\n])#[^\n]*)*")
_REST_OF_LINE = re.compile(r"[ \t]*(?:(?<=[ \t])#[^\r\n]*)?(\r?\n|\Z)")


class Insertion(NamedTuple):
    """A key that is not there yet: behind which scalar, at which character, as which source."""

    edit: Edit
    behind: Scalar
    at: int
    source: str
    written: str


def insertion(source: Source, sibling: Scalar, edit: Edit) -> Insertion:
    """How `edit` becomes a key right behind its sibling, in the sibling's style.

    On a line of its own with the sibling's indentation, or behind a comma within braces. Raises
    EditRefused when the sibling is written in another way.
    """
    key = str(edit.keys[-1])
    written = write(edit.new, sibling.style)
    text = source.text
    blank = _BLANK.match(text, sibling.end)
    if blank and text[blank.end() : blank.end() + 1] in (",", "}"):
        return Insertion(edit, sibling, sibling.end, f", {key}: {written}", written)
    line = text.rfind("\n", 0, sibling.start) + 1
    before = re.fullmatch(
        rf"""((?:[ ]|-[ ])*)(["']?){re.escape(str(sibling.keys[-1]))}\2[ ]*:[ ]+(?:[&!]\S*[ ]+)*""",
        text[line : sibling.start],
    )
    rest = _REST_OF_LINE.match(text, sibling.end)
    if before is None or rest is None:
        place = ".".join(map(str, edit.keys))
        raise EditRefused(
            f"{place}: there is no line of its own for {key!r} behind {edit.after!r}",
            hint="write each key on its own line",
            where=edit.where,
        )
    lead = " " * len(before[1])
    if rest[1]:
        return Insertion(edit, sibling, rest.end(), f"{lead}{key}: {written}{rest[1]}", written)
    newline = "\r\n" if "\r\n" in text else "\n"
    return Insertion(edit, sibling, rest.end(), f"{newline}{lead}{key}: {written}", written)
