"""A bare mirror of one repository: look at it, make commits without a working tree, push them.

Knows the order of git's steps and how to recover from a broken cache. It refuses to know images,
pull requests and policies; the remote is the only truth, the mirror a cache.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

from imagebot.errors import EditRefused, GitError, UsageError, Where
from imagebot.gitrepo import fastimport, push
from imagebot.gitrepo.cache import MirrorDirectory, mirror_directory
from imagebot.gitrepo.credentials import GitCredentials, connect
from imagebot.gitrepo.failure import failure
from imagebot.gitrepo.lock import RepositoryLock
from imagebot.gitrepo.objects import (
    MAX_BLOB,
    MAX_LOG,
    MAX_PAST,
    MAX_TOTAL,
    CommitInfo,
    Identity,
    Objects,
    Past,
    TreeEntry,
)
from imagebot.gitrepo.paths import check_editable
from imagebot.gitrepo.push import PushResult, RefUpdate
from imagebot.gitrepo.refnames import is_branch_name
from imagebot.gitrepo.run import DEFAULT_TIMEOUT, GitRunner, preflight
from imagebot.gitrepo.urls import RepoUrl, parse

_T = TypeVar("_T")

BASE_REF = "refs/imagebot/base"
BRANCH_REFS = "refs/imagebot/branches/"
_FETCH = ["fetch", "--no-tags", "--no-write-fetch-head", "--no-recurse-submodules"]
_FETCH += ["--no-auto-maintenance", "--no-show-forced-updates", "--quiet"]
_PROMISOR = {"remote.origin.promisor": "true", "remote.origin.partialclonefilter": "blob:none"}


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What the remote held when we looked: the base branch, and the bot's branches with shas."""

    base: str
    base_sha: str
    branches: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class CommitRequest:
    """A commit to make on `parent`: the new content of existing files, by path.

    Its date is the parent's, so that the same request gives the same sha everywhere.
    """

    parent: str
    files: Mapping[str, bytes]
    message: str
    identity: Identity


class Mirror:
    """One repository, held under a lock from `open` to `close`. Methods raise GitError.

    Not for use by several threads at once.
    """

    def __init__(
        self,
        directory: MirrorDirectory,
        lock: RepositoryLock,
        git: GitRunner,
        prefix: str,
        base: str,
    ) -> None:
        self.directory = directory
        self.git = git
        self._lock = lock
        self._prefix = prefix
        self._wanted_base = base
        self._base = base
        self._trusted = False
        self._objects = Objects(git, self._fetch_blobs)

    @classmethod
    def open(
        cls,
        url: str,
        workdir: Path,
        *,
        credentials: GitCredentials | None = None,
        branch_prefix: str = "imagebot/",
        base: str | None = None,
        allow_local: bool = False,
        timeout: float = DEFAULT_TIMEOUT,
        cancelled: Callable[[], bool] = lambda: False,
    ) -> Mirror:
        """Take the repository's lock and make its directory ready. Talks to no one yet.

        `base` None means the remote's default branch. `allow_local` admits repositories on this
        machine. `timeout` is in seconds for one git command; `cancelled` is asked while one runs.
        Raises UsageError for a bad URL or name, StartError when git, access or the directory is
        not usable, BusyError when another run holds the repository.
        """
        parsed = parse(url, allow_local=allow_local)
        _check_names(branch_prefix, base)
        preflight()
        directory = mirror_directory(workdir, parsed)
        lock = RepositoryLock(directory.root / "lock")
        lock.acquire()
        try:
            remote = connect(parsed, credentials, directory.root)
            git = GitRunner(
                directory=directory.root,
                home=directory.root,
                git_dir=directory.git_dir,
                remote=remote,
                timeout=timeout,
                cancelled=cancelled,
            )
            mirror = cls(directory, lock, git, branch_prefix, base or "")
            if not directory.reusable():
                mirror._recreate(blobless=True)
        except BaseException:
            lock.release()
            raise
        return mirror

    @property
    def url(self) -> RepoUrl:
        """The repository's URL, fit to be shown."""
        return self.directory.url

    def close(self) -> None:
        """Give the lock back. The mirror stays for the next run."""
        self._lock.release()

    def __enter__(self) -> Self:
        """The mirror itself; `open` took the lock already."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close, also after an error."""
        self.close()

    def fetch(self) -> Snapshot:
        """Look at the remote: its base branch and the bot's branches, with their history.

        When it fails on a mirror of an earlier run, and the remote answers, then the mirror is
        at fault: it is discarded and the fetch is done once more.
        """
        self._base = self._wanted_base or self._default_branch()
        return self._recovering(self._fetch_refs)

    def tree(self, commit: str) -> Sequence[TreeEntry]:
        """Every file of a commit."""
        return self._recovering(lambda: self._objects.tree(commit))

    def read(
        self, shas: Sequence[str], *, max_blob: int = MAX_BLOB, max_total: int = MAX_TOTAL
    ) -> Mapping[str, bytes]:
        """The contents of blobs; one over `max_blob` bytes is left out, all else is there.

        Raises EditRefused when all of them together are over `max_total` bytes.
        """
        return self._recovering(
            lambda: self._objects.read(shas, max_blob=max_blob, max_total=max_total)
        )

    def read_past(self, shas: Sequence[str]) -> Mapping[str, bytes]:
        """As `read`, of blobs that can be done without: a failure leaves the mirror as it is."""
        return Objects(self.git, self._ask_for_blobs).read(shas)

    def commits(self, shas: Sequence[str]) -> list[CommitInfo]:
        """Several commits, in the order given."""
        return self._objects.commits(shas)

    def commit_info(self, sha: str) -> CommitInfo:
        """One commit."""
        return self._objects.commits([sha])[0]

    def is_ancestor(self, old: str, new: str) -> bool:
        """Whether `old` is `new` or one of the commits that led to it."""
        return self._objects.is_ancestor(old, new)

    def log(self, base: str, tip: str, *, limit: int = MAX_LOG) -> list[CommitInfo]:
        """What `tip` has and `base` has not, newest first; raises when it is over `limit`."""
        return self._objects.log(base, tip, limit=limit)

    def changed(self, old: str, new: str) -> Sequence[TreeEntry]:
        """The files that differ between two commits, as they are in `new`."""
        return self._objects.changed(old, new)

    def changed_by(self, commits: Sequence[str]) -> Mapping[str, Sequence[TreeEntry]]:
        """What each of several commits changed of its one parent, in one process."""
        return self._objects.changed_by(commits)

    def past(
        self, commit: str, paths: Sequence[str], *, limit: int = MAX_LOG, each: int = MAX_PAST
    ) -> Mapping[str, Sequence[Past]]:
        """What stood at each path before, newest first, along the first parents of a commit."""
        return self._objects.past(commit, paths, limit=limit, each=each)

    def outside(self, shas: Sequence[str], tip: str) -> set[str]:
        """Those commits that are neither `tip` nor led to it, in one process."""
        return self._objects.outside(shas, tip)

    def lookup(self, places: Sequence[tuple[str, str]]) -> list[TreeEntry | None]:
        """What stands at each (commit, path), in one process."""
        return self._objects.lookup(places)

    def diff(self, old: str, new: str) -> str:
        """What differs between two commits, as a unified diff for people."""
        return self._objects.diff(old, new)

    def blob_shas(self, commit: str, paths: Sequence[str]) -> Mapping[str, str | None]:
        """The blob of each path at a commit, None where no regular file stands."""
        found = self._objects.lookup([(commit, path) for path in paths])
        return {
            path: entry.sha if entry and entry.regular else None
            for path, entry in zip(paths, found, strict=True)
        }

    def commit(self, requests: Sequence[CommitRequest]) -> list[str]:
        """Make commits, all in one process, and give their shas in order.

        Nothing is pushed, and no branch moves. Raises EditRefused for a file that may not be
        changed, does not exist in the parent, or is no regular file; then no commit is made.
        """
        if not requests:
            return []
        staged = self._recovering(lambda: self._stage(requests))
        args = ["fast-import", "--quiet", "--done", "--force", "--date-format=raw-permissive"]
        output = self.git.run(args, stdin=fastimport.commit_stream(staged))
        shas = output.decode("ascii").split()
        if len(shas) != len(requests):
            raise GitError(f"git made {len(shas)} of {len(requests)} commits")
        return shas

    def push(self, updates: Sequence[RefUpdate]) -> Mapping[str, PushResult]:
        """Set or delete bot branches, all in one push, each only if it is where we think.

        One refused branch does not stop the others: a server that refuses the push as a whole
        gets it in parts. A lost or refused answer is checked against the remote: a branch that is
        where it was to go counts as done. Raises GitError when the push failed and the remote
        cannot be asked.
        """
        push.check_updates(updates, self._prefix, self._base)
        return push.in_parts(updates, self._push) if updates else {}

    def _push(self, updates: Sequence[RefUpdate]) -> Mapping[str, PushResult]:
        finished = self.git.attempt(push.arguments(updates), network=True)
        secrets = self.git.remote.secrets if self.git.remote else ()
        reported = push.parse(finished.stdout, finished.stderr, secrets)
        if all(u.branch in reported and reported[u.branch].ok for u in updates):
            return {u.branch: reported[u.branch] for u in updates}
        now = self._remote_branches()
        lost = failure("push", finished, secrets)
        return {u.branch: _outcome(u, reported.get(u.branch), now, lost) for u in updates}

    def _default_branch(self) -> str:
        output = self.git.run(["ls-remote", "--symref", "origin", "HEAD"], network=True)
        for line in output.decode("utf-8", "surrogateescape").splitlines():
            target, _, name = line.partition("\t")
            branch = target.removeprefix("ref: refs/heads/")
            if name == "HEAD" and branch != target:
                _check_names(self._prefix, branch)
                return branch
        raise GitError(
            f"{self.url} does not say which branch is its default",
            hint="is it empty? else name the base branch in the configuration",
        )

    def _remote_branches(self) -> Mapping[str, str]:
        pattern = f"refs/heads/{self._prefix}*"
        output = self.git.run(["ls-remote", "--heads", "origin", pattern], network=True)
        rows = (line.split("\t") for line in output.decode("utf-8", "replace").splitlines())
        return {name.removeprefix("refs/heads/"): sha for sha, name in rows}

    def _fetch_refs(self) -> Snapshot:
        specs = [
            f"+refs/heads/{self._base}:{BASE_REF}",
            f"+refs/heads/{self._prefix}*:{BRANCH_REFS}*",
        ]
        blobless = self.directory.blobless()
        filters = ["--filter=blob:none"] if blobless else []
        args = [*_FETCH, "--prune", *filters, "--end-of-options", "origin", *specs]
        self.git.run(args, network=True, settings=_PROMISOR if blobless else None)
        output = self.git.run(
            ["for-each-ref", "--format=%(objectname) %(refname)", "refs/imagebot/"]
        )
        rows = (line.split(" ", 1) for line in output.decode("utf-8", "replace").splitlines())
        found = {name: sha for sha, name in rows}
        branches = {
            self._prefix + name.removeprefix(BRANCH_REFS): sha
            for name, sha in found.items()
            if name.startswith(BRANCH_REFS)
        }
        return Snapshot(self._base, found[BASE_REF], branches)

    def _fetch_blobs(self, shas: Sequence[str]) -> None:
        """Bring missing blobs in one batch; from a server that refuses that, bring everything."""
        try:
            self._ask_for_blobs(shas)
        except GitError as error:
            if error.retryable or not self.directory.blobless():
                raise
            self._recreate(blobless=False)
            self._fetch_refs()

    def _ask_for_blobs(self, shas: Sequence[str]) -> None:
        stdin = "".join(f"{sha}\n" for sha in shas).encode("ascii")
        settings = {**_PROMISOR, "fetch.negotiationAlgorithm": "noop"}
        args = [*_FETCH, "--filter=blob:none", "--stdin", "origin"]
        self.git.run(args, stdin=stdin, network=True, settings=settings)

    def _recovering(self, step: Callable[[], _T]) -> _T:
        """Do a step; when it fails on the mirror of an earlier run, once more on a new one."""
        try:
            return step()
        except GitError as error:
            # A hint names a cause, and no cause with a name is a broken mirror.
            if self._trusted or error.retryable or error.hint:
                raise
            self._remote_branches()
            self._recreate(blobless=True)
            self._fetch_refs()
            return step()

    def _recreate(self, *, blobless: bool) -> None:
        self.directory.create(blobless=blobless)
        self._trusted = True

    def _stage(self, requests: Sequence[CommitRequest]) -> list[fastimport.StagedCommit]:
        places = [(r.parent, path) for r in requests for path in sorted(r.files)]
        for _, path in places:
            check_editable(path)
        entries = dict(zip(places, self._objects.lookup(places), strict=True))
        parents = list(dict.fromkeys(r.parent for r in requests))
        dates = {
            info.sha: f"{info.committer.time} {info.committer.offset}"
            for info in self._objects.commits(parents)
        }
        return [_staged(request, dates[request.parent], entries) for request in requests]


def _check_names(prefix: str, base: str | None) -> None:
    if not prefix.endswith("/") or not is_branch_name(f"{prefix}x"):
        raise UsageError(f"{prefix!r} is no prefix of branch names", hint="imagebot/")
    if base is not None and (not is_branch_name(base) or base.startswith(prefix)):
        raise UsageError(f"{base!r} cannot be the base branch")


def _staged(
    request: CommitRequest, date: str, entries: Mapping[tuple[str, str], TreeEntry | None]
) -> fastimport.StagedCommit:
    if not request.files or not request.message.strip() or "\0" in request.message:
        raise UsageError("a commit needs a file and a message")
    files = []
    for path in sorted(request.files):
        entry = entries[request.parent, path]
        if entry is None or not entry.regular:
            what = "is no regular file" if entry else "does not exist"
            raise EditRefused(f"it {what} in {request.parent[:12]}", where=Where(path))
        files.append(fastimport.StagedFile(entry.mode, path, request.files[path]))
    by = f"{request.identity.name} <{request.identity.email}> {date}"
    message = request.message.rstrip("\n").encode() + b"\n"
    return fastimport.StagedCommit(request.parent, by, message, files)


def _outcome(
    update: RefUpdate, reported: PushResult | None, now: Mapping[str, str], lost: GitError
) -> PushResult:
    """What became of one branch, by the remote's own word."""
    found = now.get(update.branch)
    if found == update.new_sha or (reported is not None and reported.ok):
        return PushResult(ok=True)
    result = reported or PushResult(ok=False, reason=lost.message)
    return replace(result, stale=result.stale or found != update.expected_sha)
