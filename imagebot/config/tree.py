"""YAML as plain values, with the place of every key and value.

Knows the core schema of YAML 1.2: null, true and false, whole and decimal numbers, text. It
refuses tags and merge keys (a configuration needs neither), and to know what any key means.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from imagebot.errors import ConfigError, EditRefused, Problem, Where
from imagebot.yamltree import source

Plain = None | bool | int | float | str | tuple[Any, ...] | dict[str, Any]
"""A value as pydantic reads it. Lists are tuples: nothing can be changed afterwards."""

_NULL = frozenset({"", "~", "null", "Null", "NULL"})
_BOOLEAN = {
    form: word == "true"
    for word in ("true", "false")
    for form in (word, word.capitalize(), word.upper())
}
_INTEGER = re.compile(r"[-+]?[0-9]{1,18}|0o[0-7]{1,18}|0x[0-9a-fA-F]{1,15}", re.ASCII)
_DECIMAL = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?", re.ASCII)


@dataclass(slots=True)
class Node:
    """One value. A mapping also knows where its keys are; `content` of a collection is nodes."""

    where: Where
    content: bool | int | float | str | list[Node] | dict[str, Node] | None = None
    keys: dict[str, Where] = field(default_factory=dict)

    def plain(self) -> Plain:
        """The value without places."""
        if isinstance(self.content, dict):
            return {key: node.plain() for key, node in self.content.items()}
        if isinstance(self.content, list):
            return tuple(node.plain() for node in self.content)
        return self.content

    def at(self, *path: str | int, key: bool = False) -> Where:
        """The place of the value at a path, or of its key; of the nearest parent that exists."""
        node, where = self, self.where
        for step in path:
            where = node.keys.get(str(step), node.where) if key else node.where
            if isinstance(node.content, dict) and step in node.content:
                node = node.content[str(step)]
            elif isinstance(node.content, list) and isinstance(step, int):
                if step >= len(node.content):
                    return node.where
                node = node.content[step]
            else:
                return where if key else node.where
        return where if key else node.where


def parse(path: str, data: bytes) -> Node:
    """Read a file that holds one mapping; an empty file is an empty mapping. Raises ConfigError."""
    try:
        read = source.load(path, data)
    except EditRefused as error:
        where = error.where or Where(path)
        raise ConfigError([Problem(where, error.message, error.hint)]) from error
    builder = _Builder(path)
    for event in _events(read.text):
        builder.feed(event)
    root = builder.roots[0] if builder.roots else Node(Where(path, 1, 1))
    if root.content is None:
        root.content = {}
    if not isinstance(root.content, dict):
        builder.refuse(root.where, "the file must be a mapping of keys to values")
    for extra in builder.roots[1:]:
        builder.refuse(extra.where, "a second document", "remove '---' and what follows")
    if builder.problems:
        raise ConfigError(builder.problems)
    return root


def _events(text: str) -> list[Any]:
    """The parser events of a text that `source.load` has accepted, with either parser."""
    try:
        return [*source.PARSER(text)]
    except Exception:  # noqa: BLE001 - whatever it was, the other parser did accept the text
        return [*source.pure_events(text)]


class _Builder:
    """Puts nodes together from a parser's events, which `source.load` has found to be sane."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.roots: list[Node] = []
        self.problems: list[Problem] = []
        self._open: list[Node] = []
        self._keys: list[tuple[str, Where] | None] = []
        self._anchors: dict[str, Node] = {}

    def refuse(self, where: Where, message: str, hint: str = "") -> None:
        self.problems.append(Problem(where, message, hint))

    def feed(self, event: Any) -> None:
        """Take one event; those that carry no value say nothing here."""
        kind = type(event).__name__
        if kind in {"MappingEndEvent", "SequenceEndEvent"}:
            self._open.pop()
            self._keys.pop()
        elif kind == "AliasEvent":
            anchored = self._anchors[event.anchor]
            self._add(Node(self._where(event), anchored.content, anchored.keys), event)
        elif kind in {"ScalarEvent", "MappingStartEvent", "SequenceStartEvent"}:
            self._start(kind, event)

    def _start(self, kind: str, event: Any) -> None:
        node = Node(self._where(event))
        if event.tag is not None:
            self.refuse(
                node.where, f"YAML tags such as {event.tag!r} are not supported", "remove it"
            )
        is_key = self._is_key()
        if kind == "ScalarEvent":
            quoted = bool(event.style) or is_key
            node.content = event.value if quoted else _resolve(event.value)
        else:
            node.content = {} if kind == "MappingStartEvent" else []
        self._add(node, event)
        if event.anchor:
            self._anchors[event.anchor] = node
        if kind != "ScalarEvent":
            self._open.append(node)
            self._keys.append(None)

    def _add(self, node: Node, event: Any) -> None:
        """Put a node where it belongs: a root, an item, a key, or the value of the last key."""
        if not self._open:
            self.roots.append(node)
            return
        parent = self._open[-1]
        if isinstance(parent.content, list):
            parent.content.append(node)
        elif isinstance(parent.content, dict):
            key = self._keys[-1]
            if key is None:
                self._keys[-1] = self._key(parent, node, event)
            else:
                parent.content[key[0]] = node
                parent.keys[key[0]] = key[1]
                self._keys[-1] = None

    def _key(self, parent: Node, node: Node, event: Any) -> tuple[str, Where]:
        name = str(node.content)
        if name == "<<" and not getattr(event, "style", None):
            self.refuse(node.where, "merge keys are not supported", "write the keys out")
        elif name in parent.keys:
            first = parent.keys[name]
            self.refuse(node.where, f"{name!r} is written twice", f"first on line {first.line}")
        return name, node.where

    def _is_key(self) -> bool:
        return bool(self._open) and isinstance(self._open[-1].content, dict) and not self._keys[-1]

    def _where(self, event: Any) -> Where:
        mark = event.start_mark
        return Where(self.path, mark.line + 1, mark.column + 1)


def _resolve(text: str) -> bool | int | float | str | None:
    if text in _NULL:
        return None
    if text in _BOOLEAN:
        return _BOOLEAN[text]
    if _INTEGER.fullmatch(text):
        return int(text, 0) if text.startswith("0") and text[1:2] in {"o", "x"} else int(text)
    if _DECIMAL.fullmatch(text):
        return float(text)
    return text
