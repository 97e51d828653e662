"""A Registry that asks for an image's details once: what a digest names never changes.

Knows which answers may be kept (details, by digest) and which may not (tags, and what a tag
resolves to). A HEAD a cycle is all that an unchanged image costs, and Docker Hub does not count it.
"""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from typing import Protocol

from imagebot.imageref import Repository, is_digest
from imagebot.model import ImageDetails
from imagebot.registry.port import Registry

FORMAT = 1


class Images(Protocol):
    """Where details are kept between runs."""

    def recall_image(self, repository: str, digest: str) -> str | None:
        """The payload kept for an image, or None."""
        ...

    def remember_image(self, repository: str, digest: str, payload: str) -> None:
        """Keep a payload for an image."""
        ...


class Remembering:
    """A Registry in front of another. Safe in several threads when both its parts are."""

    def __init__(self, inner: Registry, images: Images) -> None:
        self._inner = inner
        self._images = images

    def tags(self, repository: Repository) -> tuple[str, ...]:
        """Always asked: the list is what changes."""
        return self._inner.tags(repository)

    def digest(self, repository: Repository, reference: str) -> str:
        """Always asked: tags move."""
        return self._inner.digest(repository, reference)

    def details(self, repository: Repository, reference: str) -> ImageDetails:
        """From memory when the digest is known there, else asked by digest and kept."""
        if repository.engine:
            return self._inner.details(repository, reference)
        digest = reference if is_digest(reference) else self.digest(repository, reference)
        kept = _decode(self._images.recall_image(str(repository), digest))
        if kept is not None:
            return replace(kept, digest=digest)
        found = self._inner.details(repository, digest)
        self._images.remember_image(str(repository), digest, _encode(found))
        return found


def _encode(details: ImageDetails) -> str:
    values = {**asdict(details), "format": FORMAT}
    return json.dumps(values, separators=(",", ":"), sort_keys=True)


def _decode(payload: str | None) -> ImageDetails | None:
    """The details in a payload; one that is damaged, or of another format, is no memory."""
    if payload is None:
        return None
    try:
        values = json.loads(payload)
        if values.pop("format", 0) != FORMAT:
            return None
        return ImageDetails(**{**values, "platforms": tuple(values["platforms"])})
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None
