"""What a plain scalar reads as, and how a text is written so that it reads as a string.

Knows the rules of YAML 1.1, YAML 1.2 and Go's YAML packages together: a text is a string only
where all of them say so. It refuses to know files; everything here is a pure function of text.
"""

from __future__ import annotations

import re
from typing import Literal

from imagebot.yamltree.tree import Style

Reading = Literal["string", "null", "boolean", "number", "timestamp", "other"]


def _spellings(*words: str) -> frozenset[str]:
    return frozenset(form for word in words for form in (word, word.capitalize(), word.upper()))


_NULL = _spellings("null") | {"", "~"}
_BOOLEAN = _spellings("y", "yes", "on", "true", "n", "no", "off", "false")
_OTHER = frozenset({"=", "<<"})
_NUMBER = re.compile(
    r"""[-+]?(?:
        [0-9]+                                              # 10, 0755, 08
      | 0b[01]+ | 0o[0-7]+ | 0x[0-9a-f]+                    # 0x1F
      | (?:\.[0-9]+ | [0-9]+(?:\.[0-9]*)?)(?:e[-+]?[0-9]+)? # .5, 1., 1.10, 12345e7
      | [0-9]+(?::[0-5]?[0-9])+(?:\.[0-9]*)?                # 1:30, base 60
      | \.inf
    ) | \.nan""",
    re.VERBOSE | re.ASCII | re.IGNORECASE,
)
_TIMESTAMP = re.compile(
    r"\d{4}-\d{1,2}-\d{1,2}"
    r"(?:(?:[Tt]|[ \t]+)\d{1,2}:\d{1,2}:\d{1,2}(?:\.\d*)?"
    r"(?:[ \t]*(?:Z|[-+]\d{1,2}(?::?\d{2})?))?)?",
    re.ASCII,
)
_ILLEGAL = re.compile(
    r"""^[\s?:,\[\]{}\#&*!|>'"%@`-]     # indicators that open something else
      | ^\.\.\.                         # a document's end
      | [\[\]{},?]                      # would end it inside a flow collection, for some parsers
      | :(?:\s|$) | \s\#                # a mapping key; a comment
      | \s$
      | [^\x20-\x7e\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]
      | [\u2028\u2029\ufeff]""",
    re.VERBOSE,
)
_ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t", "\0": "\\0"}
_UNPRINTABLE = r"[^\x20-\x7e\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]|[\u2028\u2029\ufeff]"
_NOT_SINGLE = re.compile(_UNPRINTABLE)
_ESCAPED = re.compile(rf'[\\"]|{_UNPRINTABLE}')


def reads_as(text: str) -> Reading:
    """What an unquoted, untagged `text` may be to a YAML parser.

    `string` only when YAML 1.1, YAML 1.2 and Go's packages agree on it; `other` is the merge key
    `<<` and the value key `=`.
    """
    if text in _NULL:
        return "null"
    if text in _BOOLEAN:
        return "boolean"
    if text in _OTHER:
        return "other"
    if text[0] in "+-.0123456789":
        # Some parsers drop underscores, some take them for digits (`._`, `0x_`).
        if any(_NUMBER.fullmatch(text.replace("_", digit)) for digit in ("", "0")):
            return "number"
        if _TIMESTAMP.fullmatch(text):
            return "timestamp"
    return "string"


def is_plain(text: str) -> bool:
    """Whether `text` can stand unquoted anywhere on one line, also in a flow collection."""
    return bool(text) and _ILLEGAL.search(text) is None


def needs_quotes(text: str) -> bool:
    """Whether `text` must be quoted to be the same string for every YAML parser.

    True also for a few texts that could stand plain, such as a leading `-`: where rules of
    parsers differ, quotes are right for all of them.
    """
    return reads_as(text) != "string" or not is_plain(text)


def quote(text: str) -> str:
    """`text` in double quotes on one line, with what cannot be printed escaped."""
    return f'"{_ESCAPED.sub(_escape, text)}"'


def write(text: str, style: Style, *, string_tag: bool = False) -> str:
    """The source of a scalar that reads as the string `text`, in a flow style, on one line.

    Keeps single and double quotes; a plain scalar gets double quotes where it needs some.
    `string_tag` says that `!!str` stands before it, so that only its syntax matters.
    """
    if style == "plain":
        plain = is_plain(text) if string_tag else not needs_quotes(text)
        return text if plain else quote(text)
    if style == "single" and _NOT_SINGLE.search(text) is None:
        return "'" + text.replace("'", "''") + "'"
    return quote(text)


def _escape(found: re.Match[str]) -> str:
    character = found[0]
    if character in _ESCAPES:
        return _ESCAPES[character]
    return f"\\u{ord(character):04x}"
