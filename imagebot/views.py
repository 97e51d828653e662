"""A repository at one moment, as the scanner wants it: a commit of a mirror, or a folder.

Knows which entries may be read at all. It refuses to know what is in them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from imagebot.gitrepo.mirror import Mirror
    from imagebot.gitrepo.objects import TreeEntry
    from imagebot.gitrepo.worktree import WorkingTree

LINK, SUBMODULE, UNREADABLE = "120000", "160000", "000000"


@dataclass(frozen=True, slots=True)
class Entry:
    """One file of a repository. `blob` names its content, empty when nothing names it.

    `refusal` says why it is neither read nor written, such as a symbolic link. A folder is an
    entry only when nobody can say what is in it; its path ends in a slash.
    """

    path: str
    blob: str = ""
    refusal: str = ""


class View(Protocol):
    """Files that do not change while they are looked at."""

    def entries(self) -> Iterable[Entry]:
        """Every file, by path."""
        ...

    def read(self, entries: Sequence[Entry]) -> Mapping[str, bytes]:
        """The bytes of these files by path; one over the size cap is left out."""
        ...


@dataclass
class CommitView:
    """One commit of a mirror."""

    mirror: Mirror
    commit: str

    def entries(self) -> Iterable[Entry]:
        """Every file of the commit."""
        return self._entries

    @cached_property
    def _entries(self) -> list[Entry]:
        return [_entry(entry) for entry in self.mirror.tree(self.commit)]

    def read(self, entries: Sequence[Entry]) -> Mapping[str, bytes]:
        """The blobs of these files, in one batch."""
        blobs = self.mirror.read([entry.blob for entry in entries])
        return {entry.path: blobs[entry.blob] for entry in entries if entry.blob in blobs}


@dataclass
class FolderView:
    """A folder on this machine."""

    folder: WorkingTree

    def entries(self) -> Iterable[Entry]:
        """Every file of the folder; in a git repository, those that git would list."""
        return self._entries

    @cached_property
    def _entries(self) -> list[Entry]:
        return [_entry(entry) for entry in self.folder.entries()]

    def read(self, entries: Sequence[Entry]) -> Mapping[str, bytes]:
        """The files' bytes."""
        return self.folder.read([entry.path for entry in entries])


def _entry(entry: TreeEntry) -> Entry:
    if entry.regular:
        return Entry(entry.path, entry.sha)
    if entry.mode == UNREADABLE:
        what = "the folder" if entry.path.endswith("/") else "the file"
        return Entry(entry.path, entry.sha, f"{what} cannot be read: permission denied")
    kinds = {LINK: "a symbolic link", SUBMODULE: "a submodule"}
    what = kinds.get(entry.mode, "no regular file")
    return Entry(entry.path, entry.sha, f"{what}: it is neither read nor written")
