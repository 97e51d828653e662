"""Templates in the manner of Go's `Regexp.Expand`: `$name`, `${name}`, `$1`, `$$`.

Knows the template language only. An unknown group gives nothing, as in Go.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

_MAX_INDEX_DIGITS = 8
_REFERENCE = re.compile(r"\$(?:(\$)|\{(\w+)\}|(\w+))")

Template = tuple[bytes | int, ...]
"""A compiled template: literal texts as UTF-8, and the numbers of groups."""


def compile_template(template: str, names: Mapping[str, int], groups: int) -> Template:
    """Read a template for a pattern with these named groups and this many groups in all.

    `$name` takes the longest run of letters, digits and underscores, so that `$1x` is the group
    named `1x`; `${1}x` is the first group, then an x. A `$` that starts no reference is itself.
    """
    pieces: list[str | int | None] = []
    end = 0
    for reference in _REFERENCE.finditer(template):
        pieces.append(template[end : reference.start()])
        end = reference.end()
        name = reference[2] or reference[3]
        pieces.append("$" if name is None else _group(name, names, groups))
    pieces.append(template[end:])
    return tuple(
        piece.encode("utf-8", "surrogatepass") if isinstance(piece, str) else piece
        for piece in pieces
        if piece is not None and piece != ""
    )


def _group(name: str, names: Mapping[str, int], groups: int) -> int | None:
    leading_zero = name[0] == "0" and len(name) > 1
    if name.isascii() and name.isdigit() and not leading_zero and len(name) <= _MAX_INDEX_DIGITS:
        return int(name) if int(name) <= groups else None
    return names.get(name)
