"""What a kind of document must know so that its image uses can be found.

A new kind is one new module with these three functions and one line in
`imagebot.manifests.kinds`. It refuses to know any one kind.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from imagebot.model import ImageUse, Skipped
from imagebot.yamltree.tree import Document, Scalar, Source

Place = tuple[Scalar, ...]
"""The scalars that make one image use together, in the order of the text; never empty."""


class Kind(Protocol):
    """One kind of document. A module with these functions is one."""

    def claims(self, document: Document) -> bool:
        """Whether this kind alone speaks for the document."""
        ...

    def places(self, document: Document) -> Iterator[Place]:
        """Every place in a claimed document that looks like an image use."""
        ...

    def read(self, source: Source, document: Document, place: Place) -> ImageUse | Skipped:
        """The use at a place, or why there is none that can be changed."""
        ...


def skip(source: Source, scalar: Scalar, label: str, reason: str) -> Skipped:
    """A place that is left alone, named the way people call it."""
    return Skipped(source.where(scalar), f"{label}: {reason}")


def holds_variable(text: str) -> bool:
    """Whether a text has `$NAME`, `${NAME}` or `$(NAME)` in it, filled in by another tool."""
    return "$" in text
