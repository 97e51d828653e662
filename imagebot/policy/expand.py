"""Templates in the manner of Go's `Regexp.Expand`: `$name`, `${name}`, `$1`, `$$`.

Knows the template language only. An unknown group gives nothing, as in Go.
"""

from __future__ import annotations

from collections.abc import Mapping

_MAX_INDEX_DIGITS = 9

Template = tuple[bytes | int, ...]
"""A compiled template: literal texts as UTF-8, and the numbers of groups."""


def compile_template(template: str, names: Mapping[str, int], groups: int) -> Template:
    """Read a template for a pattern with these named groups and this many groups in all.

    `$name` takes the longest run of letters, decimal digits and underscores, so that `$1x` is the
    group named `1x`; `${1}x` is the first group, then an x. A `$` that starts no reference is
    itself.
    """
    pieces: list[str | int | None] = []
    rest = template
    while rest:
        literal, dollar, rest = rest.partition("$")
        pieces.append(literal)
        name, length = _reference(rest)
        if name:
            pieces.append(_group(name, names, groups))
        else:
            pieces.append(dollar)
        rest = rest[length:]
    return tuple(
        piece.encode("utf-8", "surrogatepass") if isinstance(piece, str) else piece
        for piece in pieces
        if piece is not None and piece != ""
    )


def _reference(text: str) -> tuple[str, int]:
    """The group's name right behind a `$`, empty for none, and how much of `text` is used up."""
    if text.startswith("$"):
        return "", 1
    brace = text.startswith("{")
    start = end = int(brace)
    while end < len(text) and _in_name(text[end]):
        end += 1
    if brace and not (end > start and text.startswith("}", end)):
        return "", 0
    return text[start:end], end + brace


def _in_name(char: str) -> bool:
    # Not `\w`, which has numerals such as `²` as well.
    return char == "_" or char.isalpha() or char.isdecimal()


def _group(name: str, names: Mapping[str, int], groups: int) -> int | None:
    leading_zero = name[0] == "0" and len(name) > 1
    if name.isascii() and name.isdigit() and not leading_zero and len(name) <= _MAX_INDEX_DIGITS:
        return int(name) if int(name) <= groups else None
    return names.get(name)
