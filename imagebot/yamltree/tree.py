"""What a YAML text holds: documents, and for every scalar its key path, text, style and span.

Values only, made by `imagebot.yamltree.source`. Texts are raw: no type is ever resolved, so that
`1.20` stays `1.20`. It refuses to know parsers and files.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, NamedTuple

from imagebot.errors import Where
from imagebot.model import KeyPath

Style = Literal["plain", "single", "double", "literal", "folded"]

COMMENT_WITHIN = 4096
"""How many characters behind a scalar its line's comment is looked for."""

_BEFORE_COMMENT = re.compile(
    r"""(?: (?<=[\s,\[{:]) "(?:[^"\\\n]|\\.)*+"
          | (?<=[\s,\[{:]) '(?:[^'\n]|'')*+'
          | (?<=\S) \#
          | [^\#\n]
        )*+""",
    re.VERBOSE,
)


class Scalar(NamedTuple):
    """One scalar of a document, at the place where it is used.

    `start` and `end` are character indexes into `Source.text` and cover the scalar with its
    quotes, without its anchor and tag. `line` and `column` count from 1. `alias` is the name of
    the alias through which it is reached, else empty: then the span is the anchor's scalar while
    line and column are the alias's. `tag` is an explicit tag in full form, else empty.
    """

    document: int
    keys: KeyPath
    text: str
    style: Style
    start: int
    end: int
    line: int
    column: int
    alias: str
    tag: str


@dataclass(frozen=True)
class Document:
    """One document of a file, its scalars in the order of the text.

    `index` counts from 0 within the file. `duplicates` are the key paths written more than once,
    `shadowed` the scalars (by position in `scalars`) that a later duplicate overrides.
    """

    path: str
    index: int
    scalars: tuple[Scalar, ...]
    duplicates: frozenset[KeyPath] = frozenset()
    shadowed: frozenset[int] = frozenset()

    @cached_property
    def _by_keys(self) -> Mapping[KeyPath, Scalar]:
        if not self.shadowed:
            return {scalar.keys: scalar for scalar in self.scalars}
        shadowed = self.shadowed
        return {s.keys: s for position, s in enumerate(self.scalars) if position not in shadowed}

    def get(self, *keys: str | int) -> Scalar | None:
        """The scalar at a key path, the last one where a key is written twice; None if none is."""
        return self._by_keys.get(keys)

    def text(self, *keys: str | int) -> str:
        """The text of the scalar at a key path, empty when there is none."""
        scalar = self._by_keys.get(keys)
        return scalar.text if scalar else ""

    def is_ambiguous(self, keys: KeyPath) -> bool:
        """Whether the path, or one of its parents, is written more than once."""
        return bool(self.duplicates) and any(
            keys[: length + 1] in self.duplicates for length in range(len(keys))
        )


@dataclass(frozen=True)
class Source:
    """A YAML file as text (without its byte order mark) and the documents that were read.

    `count` is the number of documents in the file; `documents` may hold fewer of them when only
    some were asked for.
    """

    path: str
    text: str
    bom: bool
    count: int
    documents: tuple[Document, ...]

    @cached_property
    def _by_index(self) -> Mapping[int, Document]:
        return {document.index: document for document in self.documents}

    def document(self, index: int) -> Document | None:
        """The document at an index, None when it does not exist or was not asked for."""
        return self._by_index.get(index)

    def where(self, scalar: Scalar) -> Where:
        """The place of a scalar in this file."""
        return Where(self.path, scalar.line, scalar.column)

    def comment(self, scalar: Scalar) -> str:
        """The comment that ends the scalar's line, from its `#` on; empty when there is none.

        For a block scalar that is the line of its `|` or `>`.
        """
        at = scalar.start if scalar.style in ("literal", "folded") else scalar.end
        before = _BEFORE_COMMENT.match(self.text, at, at + COMMENT_WITHIN)
        start = before.end() if before else at
        if not self.text.startswith("#", start):
            return ""
        newline = self.text.find("\n", start)
        return self.text[start : newline if newline >= 0 else None].rstrip()
