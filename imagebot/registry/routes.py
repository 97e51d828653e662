"""Sends each repository to what serves it: a registry over the network, or a Docker Engine.

Neither is connected before it is asked for the first time: most runs need one of them, and a
repository without images needs none.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from imagebot.imageref import Repository
from imagebot.model import ImageDetails
from imagebot.registry.port import Registry


class Routes:
    """A Registry that is made of two. Safe in several threads."""

    def __init__(self, network: Callable[[], Registry], engine: Callable[[], Registry]) -> None:
        self._makers = {False: network, True: engine}
        self._made: dict[bool, Registry] = {}
        self._lock = threading.Lock()

    def tags(self, repository: Repository) -> tuple[str, ...]:
        """Every tag of the repository."""
        return self._of(repository).tags(repository)

    def digest(self, repository: Repository, reference: str) -> str:
        """The digest that a tag resolves to now."""
        return self._of(repository).digest(repository, reference)

    def details(self, repository: Repository, reference: str) -> ImageDetails:
        """Digest, platforms, created time and labels."""
        return self._of(repository).details(repository, reference)

    def _of(self, repository: Repository) -> Registry:
        with self._lock:
            if repository.engine not in self._made:
                self._made[repository.engine] = self._makers[repository.engine]()
            return self._made[repository.engine]
