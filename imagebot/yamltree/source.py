"""Reads YAML into documents and scalars, from parser events only.

The one owner of ruamel.yaml: libyaml's events where its C parser is installed, else the pure
parser's. Nothing is composed, resolved or constructed, so that no tag, type or alias can run
away; size, depth, nodes and alias copies are capped. It refuses to know what any key means.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

from ruamel.yaml import YAML, events
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from imagebot.errors import EditRefused, Where
from imagebot.yamltree import template
from imagebot.yamltree.build import Builder
from imagebot.yamltree.text import Part, decode, split
from imagebot.yamltree.tree import Document, Source

try:
    from _ruamel_yaml import CParser  # type: ignore[import-not-found]
except ImportError:  # pragma: no cover - only where ruamel.yaml.clib has no wheel
    CParser = None

SPLIT_OVER = 64 * 1024
"""Texts longer than this many characters are read document by document, only those wanted."""

_OLD_FLOW_PROBLEMS = ("found unexpected ':'", "did not find expected ',' or")
_INNER = re.compile(r"(?<=[^\s\[\]{},\"'])[:?](?=[^\s\[\]{},])")
_STAND_INS = {":": "\ue000", "?": "\ue001"}
_BACK = str.maketrans({stand_in: character for character, stand_in in _STAND_INS.items()})
_PARSER_ERRORS = (YAMLError, ValueError, OverflowError)

Wanted = Callable[[int, str], bool]
"""Whether a document is needed, by its index and its text."""

Parser = Callable[[str], Iterator[Any]]


def load(path: str, data: bytes, wanted: Wanted | None = None) -> Source:
    """Read a YAML file. Raises EditRefused, with the place, for what cannot be edited safely.

    That is: no UTF-8, a NUL byte, invalid YAML, a template, SOPS encryption, merge conflict
    markers, or a file over a cap. With `wanted`, documents of a large file that nobody wants may
    be left out, and mistakes in them go unseen.
    """
    text, bom = decode(path, data)
    parts = split(text) if wanted and len(text) > SPLIT_OVER else None
    if wanted and parts is not None:
        documents = _read_parts(_Reader(path, text), parts, wanted)
        if documents is not None:
            return Source(path, text, bom, len(parts), tuple(documents))
    reader = _Reader(path, text)
    reader.read(Part(0, 0, len(text)))
    documents = reader.builder.documents
    return Source(path, text, bom, len(documents), tuple(documents))


def _read_parts(reader: _Reader, parts: list[Part], wanted: Wanted) -> list[Document] | None:
    """The wanted documents; None when a part turns out not to be exactly one document."""
    builder = reader.builder
    for part in parts:
        share = builder.text[part.start : part.end]
        if wanted(part.document, share) or template.MARK in share or "sops:" in share:
            reader.read(part)
            if builder.document != part.document + 1:
                return None
    return builder.documents


class _Reader:
    """Reads parts of one text, from the first to the last."""

    def __init__(self, path: str, text: str) -> None:
        self.builder = Builder(path, text)
        builder = self.builder
        self._handlers: dict[type[Any], Callable[[Any], None]] = {
            events.StreamStartEvent: _nothing,
            events.StreamEndEvent: _nothing,
            events.DocumentStartEvent: builder.start_document,
            events.DocumentEndEvent: builder.end_document,
            events.ScalarEvent: builder.scalar,
            events.AliasEvent: builder.alias,
            events.MappingStartEvent: builder.open_mapping,
            events.SequenceStartEvent: builder.open_sequence,
            events.MappingEndEvent: builder.close,
            events.SequenceEndEvent: builder.close,
        }

    def read(self, part: Part) -> None:
        """Add the documents of a part to the builder. Raises EditRefused."""
        text = self.builder.text[part.start : part.end]
        try:
            self._feed(part, PARSER, text)
        except _PARSER_ERRORS as error:
            if PARSER is pure_events or not _may_be_new_flow(error):
                raise _refusal(self.builder, text, error) from error
            try:
                self._feed(part, c_events_of_new_flow, text)
            except _PARSER_ERRORS:
                raise _refusal(self.builder, text, error) from error

    def _feed(self, part: Part, parser: Parser, text: str) -> None:
        self.builder.begin(part.document, part.start)
        handlers = self._handlers
        for event in parser(text):
            handlers[type(event)](event)


def _may_be_new_flow(error: Exception) -> bool:
    """Whether a refusal may come from libyaml's age: see `c_events_of_new_flow`."""
    problem = str(error.problem) if isinstance(error, MarkedYAMLError) else ""
    return problem.startswith(_OLD_FLOW_PROBLEMS)


def _nothing(_event: Any) -> None:
    """The start and the end of a stream say nothing."""


def _refusal(builder: Builder, text: str, error: Exception) -> EditRefused:
    """What a parser's error is to a reader: a template that was taken for YAML, or bad YAML."""
    line = template.first_line(text)
    if line:
        return EditRefused(template.REASON, where=Where(builder.path, builder.line + line))
    where, problem = Where(builder.path), str(error).partition("\n")[0]
    if isinstance(error, MarkedYAMLError):
        problem = ", ".join(part for part in (error.context, error.problem) if part)
        mark = error.problem_mark or error.context_mark
        if mark:
            where = Where(builder.path, builder.line + mark.line + 1, mark.column + 1)
    return EditRefused(f"not valid YAML: {problem}", where=where)


def c_events(text: str) -> Iterator[Any]:
    """The events of libyaml. Its `compose` would recurse without a limit; its events do not."""
    return iter(CParser(text).get_event, None)


def c_events_of_new_flow(text: str) -> Iterator[Any]:
    """The events of libyaml for a text like `{image: nginx:1.2}`, legal since YAML 1.2.

    The libyaml that ruamel.yaml.clib brings knows YAML 1.1 only, where `:` and `?` inside a word
    of a flow collection are mistakes; kustomize and kubectl read them. Such characters, which
    never mean anything but themselves, are replaced one for one while libyaml reads.
    """
    if any(stand_in in text for stand_in in _STAND_INS.values()):
        raise ValueError("the text uses characters that imagebot needs itself")
    for event in c_events(_INNER.sub(lambda found: _STAND_INS[found[0]], text)):
        if isinstance(event, events.ScalarEvent):
            event.value = event.value.translate(_BACK)
        yield event


def pure_events(text: str) -> Iterator[Any]:
    """The events of ruamel.yaml's own parser: the same spans, some thirty times slower."""
    found: Iterator[Any] = YAML(typ="safe", pure=True).parse(text)
    return found


PARSER: Parser = pure_events if CParser is None else c_events
