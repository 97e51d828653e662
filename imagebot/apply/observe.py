"""What git and the forge show for each group: its branch, its requests, whose commits.

Reads only. It refuses to judge: `pulls.decide` does that.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from imagebot.apply.reading import Reading
from imagebot.apply.target import Target
from imagebot.forge.port import PullRequest
from imagebot.gitrepo.mirror import Mirror, Snapshot
from imagebot.gitrepo.objects import CommitInfo, Signature, TreeEntry
from imagebot.pulls.decide import BranchFacts, Observed
from imagebot.pulls.marker import decode
from imagebot.pulls.message import CommitFacts, is_own, read_trailers
from imagebot.pulls.naming import BRANCH_PREFIX, branch_name


@dataclass
class Observer:
    """Looks at one repository after a fetch. Makes one list request, and one more a new group."""

    target: Target
    snapshot: Snapshot
    _open: dict[str, list[PullRequest]] = field(default_factory=dict)
    _reading: Reading = field(init=False)

    def __post_init__(self) -> None:
        """Ask the forge for every open request of ours."""
        self._reading = Reading(self._mirror, self.snapshot.base_sha)
        for pull in self.target.forge.open_pulls(BRANCH_PREFIX):
            self._open.setdefault(pull.head, []).append(pull)

    @property
    def _mirror(self) -> Mirror:
        return self.target.mirror

    @property
    def open_requests(self) -> int:
        """How many requests of ours are open towards this base branch."""
        base = self.snapshot.base
        return sum(pull.base == base for pulls in self._open.values() for pull in pulls)

    def leftover_keys(self, wanted: Collection[str]) -> dict[str, str]:
        """Keys of branches and open requests that no wanted group has, with their branches.

        Only names that this base branch and key would give are ours to judge: another bot, or
        one for another base branch, may share the prefix.
        """
        heads = {branch_name(self.snapshot.base, key) for key in wanted}
        rest = sorted((set(self.snapshot.branches) | set(self._open)) - heads)
        tips = [self.snapshot.branches[head] for head in rest if head in self.snapshot.branches]
        commits = {commit.sha: commit for commit in self._mirror.commits(tips)}
        found = {}
        for head in rest:
            for key in self._keys_of(head, commits):
                if branch_name(self.snapshot.base, key) == head:
                    found[key] = head
        return found

    def _keys_of(self, head: str, commits: Mapping[str, CommitInfo]) -> list[str]:
        tip = commits.get(self.snapshot.branches.get(head, ""))
        trailers = read_trailers(tip.message) if tip else None
        markers = [decode(pull.body) for pull in self._open.get(head, [])]
        keys = [marker.key for marker in markers if marker]
        return [trailers.key, *keys] if trailers else keys

    def observe(self, key: str, *, undecided: bool, wanted: bool) -> Observed:
        """Everything `decide` needs for one key."""
        base, head = self.snapshot.base, branch_name(self.snapshot.base, key)
        pulls = list(self._open.get(head, ()))
        if wanted and not any(pull.base == base for pull in pulls) and not undecided:
            pulls += self._history(head, {pull.number for pull in pulls})
        sha = self.snapshot.branches.get(head)
        return Observed(
            key=key,
            head=head,
            base=base,
            base_sha=self.snapshot.base_sha,
            branch=self._branch(key, sha) if sha else None,
            pulls=tuple(pulls),
            undecided=undecided,
        )

    def look_ahead(self, keys: Iterable[str]) -> None:
        """Read the branches of these keys together, before each is observed."""
        heads = (branch_name(self.snapshot.base, key) for key in keys)
        tips = (self.snapshot.branches.get(head, "") for head in heads)
        self._reading.ahead(tip for tip in tips if tip)

    def touched(self, sha: str) -> list[str]:
        """The paths that a branch's tip changes."""
        commit = self._reading.commit(sha)
        if len(commit.parents) != 1:
            return []
        return [entry.path for entry in self._reading.changed(commit.parents[0], sha)]

    def _history(self, head: str, known: set[int]) -> list[PullRequest]:
        """Past requests, and one that only our memory knows: lists of a forge may lag behind."""
        past = self.target.forge.history(head, self.snapshot.base)
        found = [pull for pull in past if pull.number not in known]
        number = self.target.known_pull(head)
        if number is not None and number not in known | {pull.number for pull in found}:
            remembered = self.target.forge.get(number)
            if remembered is not None and remembered.head == head:
                found.append(remembered)
        return found

    def _branch(self, key: str, sha: str) -> BranchFacts:
        base_sha = self.snapshot.base_sha
        commit = self._reading.commit(sha)
        if len(commit.parents) != 1:
            return BranchFacts(sha, own=False, merged=self._reading.in_base(sha))
        parent = commit.parents[0]
        changed = self._reading.changed(parent, sha)
        paths = [entry.path for entry in changed]
        in_base = self._reading.blobs(base_sha, paths)
        in_parent = self._reading.blobs(parent, paths) if parent != base_sha else in_base
        trailers = read_trailers(commit.message)
        return BranchFacts(
            sha,
            own=is_own(self._commit_facts(commit, parent, changed), self._identity, key),
            fingerprint=trailers.fingerprint if trailers else "",
            behind=parent != base_sha,
            conflicts=in_base != in_parent,
            merged=self._merged(sha),
        )

    def _commit_facts(
        self, commit: CommitInfo, parent: str, changed: Sequence[TreeEntry]
    ) -> CommitFacts:
        texts = self._reading.texts([entry.sha for entry in changed if entry.regular])
        return CommitFacts(
            sha=commit.sha,
            parents=commit.parents,
            author=_person(commit.author),
            committer=_person(commit.committer),
            message=commit.message,
            files={
                entry.path: _sha256(texts.get(entry.sha)) if entry.regular else ""
                for entry in changed
            },
            parent_on_base=self._reading.in_base(parent),
        )

    def _merged(self, sha: str) -> bool:
        """Whether the base branch holds all that the branch ever changed, also after a squash.

        Every file that differs between fork and tip must read the same in the base branch, and
        there must be one: a commit that undoes the bot's is a wish, not a merge.
        """
        base_sha = self.snapshot.base_sha
        if self._reading.in_base(sha):
            return True
        commits = self._reading.since_base(sha)
        if any(len(commit.parents) != 1 for commit in commits):
            return False
        changed = self._reading.changed(commits[-1].parents[0], sha)
        in_base = self._reading.blobs(base_sha, [entry.path for entry in changed])
        return bool(changed) and all(
            entry.regular and in_base[entry.path] == entry.sha for entry in changed
        )

    @property
    def _identity(self) -> str:
        return f"{self.target.identity.name} <{self.target.identity.email}>"


def _person(signature: Signature) -> str:
    return f"{signature.name} <{signature.email}>"


def _sha256(text: bytes | None) -> str:
    return hashlib.sha256(text).hexdigest() if text is not None else ""
