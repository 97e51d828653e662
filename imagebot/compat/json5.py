"""Reads JSON5, the JSON that people write: comments, trailing commas, bare keys, single quotes.

Knows the grammar as far as configuration files go, and tells the line of a mistake. It refuses
what is no value of JSON, such as NaN, and nesting that no person writes.
"""

from __future__ import annotations

import re
from typing import Any

from imagebot.errors import ConfigError, Problem, Where

MAX_DEPTH = 100

_SPACE = re.compile(r"(?:\s+|//[^\n]*|/\*.*?\*/)*", re.DOTALL)
_KEY = re.compile(r"[A-Za-z_$][\w$-]*")
_NUMBER = re.compile(r"[-+]?(?:0[xX][0-9a-fA-F]+|(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)")
_STRING = re.compile(r'"((?:[^"\\\n]|\\.)*)"|\'((?:[^\'\\\n]|\\.)*)\'', re.DOTALL)
_ESCAPE = re.compile(r"\\(u[0-9a-fA-F]{4}|x[0-9a-fA-F]{2}|\r\n|.)", re.DOTALL)
_ESCAPES = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v", "0": "\0"}
_WORDS = {"true": True, "false": False, "null": None}
_BREAKS = frozenset({"\n", "\r\n", "\r"})


def parse(path: str, text: str) -> Any:
    """The value that a text holds. Raises ConfigError with the place of the first mistake."""
    reader = _Reader(path, text.removeprefix("\ufeff"))
    value = reader.value(0)
    reader.skip()
    if reader.at != len(reader.text):
        raise reader.mistake("there is more behind the value")
    return value


class _Reader:
    def __init__(self, path: str, text: str) -> None:
        self.path, self.text, self.at = path, text, 0

    def mistake(self, problem: str) -> ConfigError:
        line = self.text.count("\n", 0, self.at) + 1
        column = self.at - self.text.rfind("\n", 0, self.at)
        return ConfigError([Problem(Where(self.path, line, column), f"not valid JSON5: {problem}")])

    def skip(self) -> None:
        space = _SPACE.match(self.text, self.at)
        self.at = space.end() if space else self.at

    def take(self, character: str) -> bool:
        self.skip()
        found = self.text.startswith(character, self.at)
        self.at += found
        return found

    def value(self, depth: int) -> Any:
        if depth > MAX_DEPTH:
            raise self.mistake("it is nested too deeply")
        if self.take("{"):
            return self._mapping(depth)
        if self.take("["):
            return self._list(depth)
        string = self._string()
        if string is not None:
            return string
        if number := _NUMBER.match(self.text, self.at):
            self.at = number.end()
            return _number(number[0])
        if (word := _KEY.match(self.text, self.at)) and word[0] in _WORDS:
            self.at = word.end()
            return _WORDS[word[0]]
        raise self.mistake("a value was expected")

    def _mapping(self, depth: int) -> dict[str, Any]:
        held: dict[str, Any] = {}
        while not self.take("}"):
            if held and not self._comma("}"):
                break
            self.skip()
            key = self._string()
            if key is None:
                bare = _KEY.match(self.text, self.at)
                if bare is None:
                    raise self.mistake("a key was expected")
                self.at, key = bare.end(), bare[0]
            if not self.take(":"):
                raise self.mistake("a colon was expected")
            held[key] = self.value(depth + 1)
        return held

    def _list(self, depth: int) -> list[Any]:
        held: list[Any] = []
        while not self.take("]"):
            if held and not self._comma("]"):
                break
            held.append(self.value(depth + 1))
        return held

    def _comma(self, end: str) -> bool:
        """Whether another item follows; False when the end came behind a last comma."""
        if not self.take(","):
            raise self.mistake(f"a comma or {end!r} was expected")
        return not self.take(end)

    def _string(self) -> str | None:
        found = _STRING.match(self.text, self.at)
        if found is None:
            return None
        self.at = found.end()
        text = _ESCAPE.sub(_unescaped, found[1] if found[1] is not None else found[2])
        # Two escapes may make one character; half of a pair alone makes none.
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _unescaped(found: re.Match[str]) -> str:
    escape = found[1]
    if escape[0] in "ux" and len(escape) > 1:
        return chr(int(escape[1:], 16))
    return "" if escape in _BREAKS else _ESCAPES.get(escape, escape)


def _number(text: str) -> int | float:
    sign = -1 if text.startswith("-") else 1
    bare = text.lstrip("+-")
    if bare[:2] in ("0x", "0X"):
        return sign * int(bare, 16)
    return sign * (int(bare) if bare.isdigit() and len(bare) < 20 else float(bare))  # noqa: PLR2004 - what fits in 64 bits
