"""Finds another updater's objects by folder, without a look at each of them.

Knows how files lie below folders. It refuses to know what the objects say.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from imagebot.compat.values import Values


def above(path: str) -> Iterator[str]:
    """The folders that hold a file, the innermost first; the root, an empty text, is last."""
    folder = path
    while folder:
        folder = folder.rpartition("/")[0]
        yield folder


class Nearest:
    """Objects of one name, asked which of them are nearest to a file."""

    def __init__(self, found: Iterable[Values]) -> None:
        """Keep the objects by every folder above them, in the order given."""
        self._below: dict[str, list[Values]] = {}
        for item in found:
            for folder in above(item.path):
                self._below.setdefault(folder, []).append(item)

    def folder(self, path: str) -> str:
        """The innermost folder that holds a file and any of the objects; else the root."""
        return next((folder for folder in above(path) if folder in self._below), "")

    def below(self, folder: str) -> Sequence[Values]:
        """The objects in a folder and in those below it."""
        return self._below.get(folder, ())
