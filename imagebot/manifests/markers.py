"""The comments that speak to this bot: `# imagebot: ignore -- reason`, on an image's line.

Knows their grammar, and finds those that do nothing, for nobody notices a comment that has no
effect. It refuses to let a comment widen anything: a marker can only take an image out.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from difflib import get_close_matches
from typing import Final

from imagebot.errors import EditRefused, Where
from imagebot.manifests.findings import Finding
from imagebot.manifests.kind import Place
from imagebot.manifests.kinds import places
from imagebot.yamltree.source import load
from imagebot.yamltree.tree import Scalar, Source

WORDS: Final = ("ignore",)

_MARKER = re.compile(r"#\s*imagebot:\s*(?P<word>\S*)\s*(?:--\s*)?(?P<reason>.*)")
_LOOKALIKE = re.compile(
    rf"(?<!\S)#\s*imagebot(?::|\s*=?\s*(?:{'|'.join(WORDS)})\b).*", re.IGNORECASE
)


def ignored(source: Source, place: Place) -> str | None:
    """The reason in an ignore marker on a line of the place; None when there is no marker."""
    if "imagebot:" not in source.text:
        return None
    for scalar in place:
        found = _MARKER.match(source.comment(scalar))
        if found and found["word"] == "ignore":
            return found["reason"].strip()
    return None


def findings(path: str, data: bytes) -> tuple[Finding, ...]:
    """Comments to this bot in a file that do nothing, in the order of the text.

    A file that cannot be read has none: its scan says why. Ids: `unknown-marker` for a word or
    spelling that means nothing, `stray-marker` for one that stands on no image's line.
    """
    if b"imagebot" not in data.lower():
        return ()
    try:
        source = load(path, data, lambda _, text: "image" in text.lower())
    except EditRefused:
        return ()
    return tuple(_findings(source))


def _findings(source: Source) -> Iterator[Finding]:
    lines = {_line(source, scalar) for _, _, place in places(source) for scalar in place}
    line, at = 1, 0
    for comment in _comments(source):
        line += source.text.count("\n", at, comment.start())
        at = comment.start()
        where = Where(source.path, line, at - source.text.rfind("\n", 0, at))
        found = _MARKER.match(comment[0].rstrip())
        if not found or found["word"] not in WORDS:
            yield _unknown(where, comment[0].rstrip(), found["word"] if found else "")
        elif line not in lines:
            yield Finding(
                "stray-marker",
                where,
                "the comment stands on no image's line, so it does nothing",
                "put it at the end of the line with the image or its tag",
                "warning",
            )


def _line(source: Source, scalar: Scalar) -> int:
    """The line whose comment speaks of a scalar: where it ends, or where a block scalar begins."""
    if scalar.alias or scalar.style in ("literal", "folded"):
        return scalar.line
    return scalar.line + source.text.count("\n", scalar.start, scalar.end)


def _unknown(where: Where, comment: str, word: str) -> Finding:
    close = get_close_matches(word.lower(), WORDS, n=1)
    fix = f"did you mean `{close[0]}`?" if close else "write `# imagebot: ignore -- reason`"
    message = f"{comment!r} means nothing to imagebot"
    return Finding("unknown-marker", where, message, fix, "warning")


def _comments(source: Source) -> Iterator[re.Match[str]]:
    """Comments that seem to speak to this bot; the same words inside a scalar are no comment."""
    spans = sorted(
        (scalar.start, scalar.end) for document in source.documents for scalar in document.scalars
    )
    starts = [start for start, _ in spans]
    for found in _LOOKALIKE.finditer(source.text):
        before = bisect_right(starts, found.start()) - 1
        if before < 0 or spans[before][1] <= found.start():
            yield found
