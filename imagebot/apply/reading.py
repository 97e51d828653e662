"""Reads about commits, asked ahead for many branches: a few processes, not a few for each.

What is read never changes, so it may be kept. Knows which questions an observer will have. It
refuses to judge, and to be the only way: what was not read ahead is asked when it is needed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from imagebot.errors import EditRefused, GitError
from imagebot.gitrepo.mirror import Mirror
from imagebot.gitrepo.objects import CommitInfo, TreeEntry
from imagebot.pulls.message import read_trailers

BRANCHES_AT_ONCE = 250
"""How many branches are read together: the changed files of all of them are held in memory."""


@dataclass
class Reading:
    """A mirror as seen from one base commit. Errors are the mirror's."""

    mirror: Mirror
    base: str
    _commits: dict[str, CommitInfo] = field(default_factory=dict)
    _changes: dict[tuple[str, str], Sequence[TreeEntry]] = field(default_factory=dict)
    _in_base: dict[str, bool] = field(default_factory=dict)
    _blobs: dict[tuple[str, str], str | None] = field(default_factory=dict)
    _texts: dict[str, bytes] = field(default_factory=dict)

    def ahead(self, tips: Iterable[str]) -> None:
        """Read all that is usually asked about these commits.

        One broken branch must not cost the others: when they cannot be read together, each is
        read, and fails, when it is asked about.
        """
        wanted = list(dict.fromkeys(tips))
        try:
            for start in range(0, len(wanted), BRANCHES_AT_ONCE):
                self._ahead(wanted[start : start + BRANCHES_AT_ONCE])
        except (GitError, EditRefused):
            return

    def _ahead(self, tips: Sequence[str]) -> None:
        commits = self.mirror.commits(tips)
        self._commits |= {commit.sha: commit for commit in commits}
        single = [commit for commit in commits if len(commit.parents) == 1]
        asked = dict.fromkeys([*tips, *(commit.parents[0] for commit in single)])
        outside = self.mirror.outside(list(asked), self.base)
        self._in_base |= {sha: sha not in outside for sha in asked}
        changes = self.mirror.changed_by([commit.sha for commit in single])
        self._changes |= {(c.parents[0], c.sha): changes[c.sha] for c in single}
        self._look_up(
            (at, entry.path)
            for commit in single
            for entry in changes[commit.sha]
            for at in (self.base, commit.parents[0])
        )
        ours = [commit.sha for commit in single if read_trailers(commit.message)]
        regular = [entry.sha for sha in ours for entry in changes[sha] if entry.regular]
        self._texts |= self.mirror.read(regular)

    def commit(self, sha: str) -> CommitInfo:
        """One commit."""
        return self._commits.get(sha) or self.mirror.commit_info(sha)

    def changed(self, old: str, new: str) -> Sequence[TreeEntry]:
        """The files that differ between two commits, as they are in `new`."""
        known = self._changes.get((old, new))
        return self.mirror.changed(old, new) if known is None else known

    def in_base(self, sha: str) -> bool:
        """Whether a commit is the base commit or one of those that led to it."""
        known = self._in_base.get(sha)
        return self.mirror.is_ancestor(sha, self.base) if known is None else known

    def since_base(self, tip: str) -> list[CommitInfo]:
        """The commits that `tip` has and the base has not, newest first."""
        commit = self._commits.get(tip)
        if commit and len(commit.parents) == 1 and self._in_base.get(commit.parents[0]):
            return [] if self._in_base[tip] else [commit]
        return self.mirror.log(self.base, tip)

    def blobs(self, commit: str, paths: Sequence[str]) -> Mapping[str, str | None]:
        """The blob of each path at a commit, None where no regular file stands."""
        self._look_up((commit, path) for path in paths if (commit, path) not in self._blobs)
        return {path: self._blobs[commit, path] for path in paths}

    def texts(self, shas: Sequence[str]) -> Mapping[str, bytes]:
        """The contents of blobs; one that is too large is left out."""
        if self._texts.keys() >= set(shas):
            return {sha: self._texts[sha] for sha in shas}
        return self.mirror.read(shas)

    def _look_up(self, places: Iterable[tuple[str, str]]) -> None:
        wanted = list(dict.fromkeys(places))
        found = self.mirror.lookup(wanted)
        for place, entry in zip(wanted, found, strict=True):
            self._blobs[place] = entry.sha if entry and entry.regular else None
