"""What the rest of imagebot asks of a place where images live, whatever serves it.

A Registry reads. It never pulls layers, never writes, and never returns part of an answer.
"""

from __future__ import annotations

from typing import Protocol

from imagebot.imageref import Repository
from imagebot.model import ImageDetails


class Registry(Protocol):
    """A source of tags. Safe to call from several threads. Every method raises RegistryError."""

    def tags(self, repository: Repository) -> tuple[str, ...]:
        """Every tag of the repository, complete, without duplicates, in the order served.

        An empty repository gives an empty tuple; a missing one, a failed page or a truncated
        list raises. Strings that are no tags are left out.
        """
        ...

    def digest(self, repository: Repository, reference: str) -> str:
        """The digest that a tag (or digest) resolves to now, by HEAD where the server can."""
        ...

    def details(self, repository: Repository, reference: str) -> ImageDetails:
        """Digest, platforms, created time and labels of a tag or digest."""
        ...
