"""The kinds of documents that are known, in the order in which they may claim a document."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from imagebot.manifests import kustomize, workloads
from imagebot.manifests.kind import Kind, Place
from imagebot.yamltree.tree import Document, Source

KINDS: Final[tuple[Kind, ...]] = (
    kustomize,
    workloads,
)


def places(source: Source) -> Iterator[tuple[Kind, Document, Place]]:
    """Every place of a file that looks like an image use, with the kind that claims it."""
    for document in source.documents:
        kind = next((kind for kind in KINDS if kind.claims(document)), None)
        if kind:
            for place in kind.places(document):
                yield kind, document, place
