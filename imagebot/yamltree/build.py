"""Turns a parser's events into documents of scalars with key paths and spans.

Knows the shape of events (start and end marks, value, anchor, tag, style) and YAML's rules for
keys, duplicates and aliases. It refuses to know which parser made them.
"""

from __future__ import annotations

import re
from typing import Any, Final, NoReturn

from imagebot.errors import EditRefused, Where
from imagebot.model import KeyPath
from imagebot.yamltree import template
from imagebot.yamltree.tree import Document, Scalar, Style

MAX_DEPTH = 100
MAX_EVENTS = 2_000_000
MAX_STEPS = 20_000_000
"""How many keys and indexes the key paths of a file may have together: what they cost in memory."""

MAX_COPIES = 100_000
"""How many scalars aliases may repeat in one file: what an alias bomb runs into."""

STYLES: Final[dict[str | None, Style]] = {
    None: "plain",
    "": "plain",
    "'": "single",
    '"': "double",
    "|": "literal",
    ">": "folded",
}
_TOO_MANY = "the file has too many YAML nodes"
_PROPERTY = re.compile(r"!<[^>\s]*>|[&!][^\s,\[\]{}]*")
_SPACE = re.compile(r"(?:\s+(?:#[^\n]*)?)*")


class _Frame:
    """An open collection: where it is, the key or index of the next value, and its anchor."""

    __slots__ = ("anchor", "first", "index", "is_key", "key", "mapping", "path", "seen")

    def __init__(self, path: KeyPath, anchor: str | None, first: int, *, mapping: bool) -> None:
        self.path = path
        self.anchor = anchor
        self.first = first
        self.mapping = mapping
        self.is_key = False
        self.key: str | None = None
        self.index = 0
        self.seen: dict[str, int] = {}


class Builder:
    """Collects the documents of one file. Feed it the events of one part after another.

    `at` and `line` are the character and the line (both from 0) where the part being fed starts,
    `document` is the number of the next document. Every method raises EditRefused.
    """

    def __init__(self, path: str, text: str) -> None:
        self.path = path
        self.text = text
        self.at = 0
        self.line = 0
        self.document = 0
        self.documents: list[Document] = []
        self._templated = template.MARK in text
        self._events = 0
        self._steps = 0
        self._copies = 0
        self._last = 0
        self._reset()

    def _reset(self) -> None:
        self._brace = -1
        self._stack: list[_Frame] = []
        self._scalars: list[Scalar] = []
        self._anchors: dict[str, tuple[int, int, int]] = {}
        self._key_anchors: dict[str, Scalar] = {}
        self._duplicates: set[KeyPath] = set()
        self._shadowed: set[int] = set()

    def begin(self, document: int, at: int) -> None:
        """The events to come are those of the text from `at` on, whose first document is this.

        Documents from that number on are forgotten, so that a part can be read again.
        """
        if at > self.at:
            self.line += self.text.count("\n", self.at, at)
            self.at = at
        while self.documents and self.documents[-1].index >= document:
            self.documents.pop()
        self.document = document
        self._reset()

    def start_document(self, event: Any) -> None:
        """A document begins."""
        self._events += 1
        if self._events > MAX_EVENTS:
            self._refuse(_TOO_MANY, event)
        self._last = event.end_mark.index

    def end_document(self, _event: Any) -> None:
        """A document ends: keep it, forget its anchors."""
        self.documents.append(
            Document(
                self.path,
                self.document,
                tuple(self._scalars),
                frozenset(self._duplicates),
                frozenset(self._shadowed),
            )
        )
        self.document += 1
        self._reset()

    def scalar(self, event: Any) -> None:
        """A scalar: a mapping key, or a value with a place."""
        keys = self._place(event)
        if self._templated and event.style in ("", None) and template.in_plain(event.value):
            self._refuse(template.REASON, event)
        if keys is None:
            self._set_key(event.value)
            if event.anchor:
                self._key_anchors[event.anchor] = self._scalar(event, ())
                self._anchors.pop(event.anchor, None)
        else:
            self._scalars.append(self._scalar(event, keys))
            if event.anchor:
                self._anchor(event.anchor, len(keys), len(self._scalars) - 1)
        self._last = event.end_mark.index

    def alias(self, event: Any) -> None:
        """An alias: a key with the anchor's text, or copies of all the anchor's scalars."""
        keys = self._place(event)
        name = event.anchor
        self._last = event.end_mark.index
        if name in self._key_anchors:
            copies, depth, first = [self._key_anchors[name]], 0, -1
        elif name in self._anchors:
            depth, first, stop = self._anchors[name]
            copies = self._scalars[first:stop]
        else:
            self._refuse(f"the alias *{name} has no anchor &{name} before it", event)
        if keys is None:
            whole = len(copies) == 1 and len(copies[0].keys) == depth
            self._set_key(copies[0].text if whole else f"*{name}")
            return
        self._copies += len(copies)
        if self._copies > MAX_COPIES:
            self._refuse(f"aliases repeat more than {MAX_COPIES} scalars", event)
        line, column = self.line + event.start_mark.line + 1, event.start_mark.column + 1
        for position, copy in enumerate(copies, first):
            if position in self._shadowed:
                self._shadowed.add(len(self._scalars))
            place = (*keys, *copy.keys[depth:])
            self._steps += len(place)
            self._scalars.append(copy._replace(keys=place, line=line, column=column, alias=name))

    def open_mapping(self, event: Any) -> None:
        """A mapping opens."""
        start = event.start_mark.index
        if self._templated and event.flow_style:
            if start == self._brace + 1 and start:
                self._refuse(template.REASON, event)
            self._brace = start
        frame = self._open(event, mapping=True)
        if frame.path == ("sops",):
            self._refuse("the file is encrypted with SOPS; an edit would break its seal", event)

    def open_sequence(self, event: Any) -> None:
        """A sequence opens."""
        self._open(event, mapping=False)

    def close(self, event: Any) -> None:
        """A collection ends."""
        frame = self._stack.pop()
        if frame.anchor:
            self._anchor(frame.anchor, len(frame.path), frame.first)
        if frame.is_key:
            self._set_key(str(frame.path[-1]))
        self._last = event.end_mark.index

    def _open(self, event: Any, *, mapping: bool) -> _Frame:
        if len(self._stack) >= MAX_DEPTH:
            self._refuse(f"the file is nested deeper than {MAX_DEPTH} levels", event)
        keys = self._place(event)
        is_key = keys is None
        if keys is None:
            parent = self._stack[-1]
            keys = (*parent.path, f"?{len(parent.seen)}")
        if event.anchor:
            self._anchors.pop(event.anchor, None)
            self._key_anchors.pop(event.anchor, None)
        frame = _Frame(keys, event.anchor, len(self._scalars), mapping=mapping)
        frame.is_key = is_key
        self._stack.append(frame)
        self._last = event.end_mark.index
        return frame

    def _place(self, event: Any) -> KeyPath | None:
        """The key path of the node that comes now, or None when it is a mapping's key."""
        self._events += 1
        self._steps += len(self._stack)
        if self._events > MAX_EVENTS or self._steps > MAX_STEPS:
            self._refuse(_TOO_MANY, event)
        if not self._stack:
            return ()
        frame = self._stack[-1]
        if not frame.mapping:
            frame.index += 1
            return (*frame.path, frame.index - 1)
        key = frame.key
        if key is None:
            return None
        frame.key = None
        return (*frame.path, key)

    def _set_key(self, key: str) -> None:
        frame = self._stack[-1]
        if key in frame.seen:
            self._shadow((*frame.path, key), frame.seen[key])
        frame.seen[key] = len(self._scalars)
        frame.key = key

    def _shadow(self, path: KeyPath, first: int) -> None:
        """Mark an earlier value of a key that is written again: its scalars lie in one run."""
        self._duplicates.add(path)
        for position in range(first, len(self._scalars)):
            if self._scalars[position].keys[: len(path)] != path:
                break
            self._shadowed.add(position)

    def _anchor(self, name: str, depth: int, first: int) -> None:
        self._anchors[name] = (depth, first, len(self._scalars))
        self._key_anchors.pop(name, None)

    def _scalar(self, event: Any, keys: KeyPath) -> Scalar:
        mark = event.start_mark
        start, end = self.at + mark.index, self.at + event.end_mark.index
        line, column = self.line + mark.line + 1, mark.column + 1
        if event.anchor or event.tag:
            start = _skip_properties(self.text, start, end)
        elif start == end:
            start = end = self._empty(start)
        if start != self.at + mark.index:
            line, column = self._moved(self.at + mark.index, start, line, column)
        style = STYLES[event.style]
        tag = event.tag or ""
        return Scalar(self.document, keys, event.value, style, start, end, line, column, "", tag)

    def _moved(self, was: int, now: int, line: int, column: int) -> tuple[int, int]:
        """The line and column of `now`, from those of `was`, without a walk over a whole line."""
        lines = self.text.count("\n", min(was, now), max(was, now))
        if not lines:
            return line, column + now - was
        return line + (lines if now > was else -lines), now - self.text.rfind("\n", 0, now)

    def _empty(self, at: int) -> int:
        """Where an empty scalar is: right behind its `:`, `-` or `?`, as libyaml has it.

        The pure parser puts it before the next token, maybe lines below.
        """
        before = self.at + self._last
        found = _SPACE.match(self.text, before, at)
        if found and found.end() < at and self.text[found.end()] in ":-?":
            return found.end() + 1
        return at

    def _refuse(self, message: str, event: Any) -> NoReturn:
        mark = event.start_mark
        raise EditRefused(
            message, where=Where(self.path, self.line + mark.line + 1, mark.column + 1)
        )


def _skip_properties(text: str, start: int, end: int) -> int:
    """The start of a scalar behind its anchor and tag; `end` when there is nothing else."""
    while start < end:
        found = _PROPERTY.match(text, start, end)
        if not found:
            return start
        after = found.end()
        space = _SPACE.match(text, after, end)
        start = space.end() if space else after
    return end
