"""Bytes to characters and to documents, before any YAML is parsed.

Knows encodings, byte order marks, leftovers of a merge, and the lines that part documents. It
refuses what is no UTF-8 text, and refuses to guess: a text whose parts are not certain is one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from imagebot.errors import EditRefused, Where

MAX_BYTES = 10 * 1024 * 1024
UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")

_BOM = b"\xef\xbb\xbf"
_CONFLICT = re.compile(r"^(?:<<<<<<< |>>>>>>> )", re.MULTILINE)
_SEPARATOR = re.compile(r"^---(?![^ \t\r\n])(.*)", re.MULTILINE)
_CONTENT = re.compile(r"^[ \t]*[^\s#]", re.MULTILINE)
_ODD_BREAKS = ("\x85", "\u2028", "\u2029")


@dataclass(frozen=True, slots=True)
class Part:
    """One document's share of a text: `text[start:end]`, from its `---` to before the next."""

    document: int
    start: int
    end: int


def decode(path: str, data: bytes) -> tuple[str, bool]:
    """The characters of a file without its byte order mark, and whether it had one.

    Raises EditRefused for a file over 10 MiB, for anything but UTF-8 text, and for a file with
    merge conflict markers in it.
    """
    if len(data) > MAX_BYTES:
        raise EditRefused(
            f"the file has {len(data)} bytes, the limit is {MAX_BYTES}", where=Where(path)
        )
    if data.startswith(UTF16_MARKS):
        raise EditRefused("the file is UTF-16", hint="save it as UTF-8", where=Where(path))
    if b"\0" in data:
        line = data.count(b"\n", 0, data.index(b"\0")) + 1
        raise EditRefused("the file has a NUL byte: binary or UTF-16", where=Where(path, line))
    bom = data.startswith(_BOM)
    try:
        text = data[len(_BOM) :].decode() if bom else data.decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise EditRefused("the file is not UTF-8", where=Where(path, line)) from error
    _refuse_conflicts(path, text)
    return text, bom


def encode(path: str, text: str, *, bom: bool) -> bytes:
    """The opposite of `decode`. Raises EditRefused for text that UTF-8 cannot write."""
    try:
        return (_BOM if bom else b"") + text.encode()
    except UnicodeEncodeError as error:
        raise EditRefused("the new text is not valid Unicode", where=Where(path)) from error


def _refuse_conflicts(path: str, text: str) -> None:
    if "<<<<<<<" not in text and ">>>>>>>" not in text:
        return
    found = _CONFLICT.search(text)
    if found:
        line = text.count("\n", 0, found.start()) + 1
        raise EditRefused("the file holds merge conflict markers", where=Where(path, line))


def split(text: str) -> list[Part] | None:
    """Cut a text at its `---` lines, or None where that alone does not tell the documents.

    A line that starts with `---` and white space parts documents wherever it stands: YAML allows
    it neither in quotes nor in a block scalar. What is not certain: the end marker `...`,
    directives, line breaks that editors do not count, and a block scalar on the `---` line, whose
    text may start in the first column.
    """
    if text.startswith(("...", "%")) or "\n..." in text or "\n%" in text:
        return None
    if text.count("\r") != text.count("\r\n") or any(odd in text for odd in _ODD_BREAKS):
        return None
    starts = [0]
    for separator in _SEPARATOR.finditer(text):
        if "|" in separator[1] or ">" in separator[1]:
            return None
        if separator.start():
            starts.append(separator.start())
    ends = [*starts[1:], len(text)]
    parts: list[Part] = []
    for start, end in zip(starts, ends, strict=True):
        if parts or start or _CONTENT.search(text, start, end):
            parts.append(Part(len(parts), start, end))
    return parts
