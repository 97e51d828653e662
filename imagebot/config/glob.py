"""Globs over paths and image names: `**`, `*`, `?`, `[..]`, anchored at both ends.

`*`, `?` and `[..]` stay within one part of a name; `**` crosses `/` and only ever stands for
whole parts. It refuses to know files: matching is on text alone.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cached_property

from imagebot.errors import ImagebotError

MAX_LENGTH = 512
MAX_STARS = 12


class GlobError(ImagebotError):
    """A text that is no glob. The message says why."""


@dataclass(frozen=True)
class Glob:
    """One pattern, checked when it is made and compiled when it is first used.

    Raises GlobError.
    """

    text: str
    _expression: str = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_expression", _translate(self.text))

    @cached_property
    def _compiled(self) -> re.Pattern[str]:
        return re.compile(self._expression, re.DOTALL)

    def matches(self, name: str) -> bool:
        """Whether the whole of `name` matches. Case counts."""
        return self._compiled.fullmatch(name) is not None

    def __str__(self) -> str:
        return self.text


def _translate(text: str) -> str:
    """The regular expression of a glob. Raises GlobError.

    `a/**` is everything below a, `**/a` is a at any depth, `a/**/b` also matches `a/b`.
    """
    if not text:
        raise GlobError("an empty pattern matches nothing", hint="`**` matches everything")
    if text.startswith("/"):
        raise GlobError("patterns have no leading '/'", hint=f"write {text.lstrip('/') or '**'!r}")
    if len(text) > MAX_LENGTH or text.count("*") > MAX_STARS:
        raise GlobError(f"over {MAX_LENGTH} characters or {MAX_STARS} stars", hint="use a list")
    parts = text.split("/")
    if any(part in {"", ".", ".."} for part in parts):
        raise GlobError("a part of the path is empty, '.' or '..'")
    expression = ""
    for position, part in enumerate(parts):
        last = position == len(parts) - 1
        if part == "**":
            expression += r".+" if last else r"(?:[^/]+/)*"
        elif "**" in part:
            raise GlobError("`**` stands for whole parts of a path", hint="`a/**/b`, `a/**`")
        else:
            expression += _translate_part(part) + ("" if last else "/")
    return expression


def _translate_part(part: str) -> str:
    expression = ""
    position = 0
    while position < len(part):
        character = part[position]
        position += 1
        if character == "*":
            expression += "[^/]*"
        elif character == "?":
            expression += "[^/]"
        elif character == "[":
            end = part.find("]", position + 1 + part.startswith("!", position))
            if end < 0:
                raise GlobError("'[' without ']'", hint="write `[[]` for a plain '['")
            expression += _translate_class(part[position:end])
            position = end + 1
        else:
            expression += re.escape(character)
    return expression


def _translate_class(body: str) -> str:
    """`abc`, `a-z` or, negated, `!abc`. Everything else in it is literal."""
    negated = body.startswith("!")
    members = re.sub(r"([\\\]\[^&~|])", r"\\\1", body[negated:])
    for low, high in re.findall(r"(.)-(.)", body[negated:]):
        if low > high:
            raise GlobError(f"the range {low}-{high} is empty", hint=f"write {high}-{low}")
    return f"[^/{members}]" if negated else f"(?!/)[{members}]"
