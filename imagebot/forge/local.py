"""Pull requests beside a bare repository: a forge that is a folder and nothing more.

Each request is `<bare>/imagebot/pulls/<number>.json` with its body in `<number>.md`; its head is
the branch itself. Knows files and locks; asks git only by the two functions it is given.
"""

from __future__ import annotations

import fcntl
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from http import HTTPStatus
from pathlib import Path

from imagebot.errors import DuplicatePullRequest, ForgeError, GitError, NoCommits
from imagebot.forge.pages import newest_first
from imagebot.forge.port import Limits, PullRequest
from imagebot.forge.records import (
    PENDING,
    Record,
    finish,
    read_body,
    read_record,
    write_body,
    write_both,
    write_record,
)

_UNPROCESSABLE = HTTPStatus.UNPROCESSABLE_ENTITY


@dataclass(frozen=True, slots=True)
class Branches:
    """What the forge asks of git. Both may raise GitError.

    `head_of(branch)` is the branch's commit, '' when there is none. `is_ancestor(sha, branch)`
    says whether a commit is in a branch, False when either is unknown.
    """

    head_of: Callable[[str], str]
    is_ancestor: Callable[[str, str], bool]


class LocalForge:
    """The requests of one bare repository. Safe in several threads and processes.

    A person merges with git, and closes by writing `"state": "closed"` into the record; after a
    squash, which git cannot tell from nothing, `"state": "merged"`.
    """

    limits = Limits(title=255, body=1_000_000, collapsible=False)

    def __init__(self, bare: Path, *, branches: Branches) -> None:
        self._folder = bare / "imagebot" / "pulls"
        self._branches = branches
        self._read: dict[Path, tuple[tuple[int, int, int], Record]] = {}

    def open_pulls(self, prefix: str) -> Sequence[PullRequest]:
        """Every open request whose head starts with `prefix`."""
        found = self._chosen(lambda r: r.state == "open" and r.head.startswith(prefix))
        return [pull for pull in found if pull.state == "open"]

    def history(self, head: str, base: str) -> Sequence[PullRequest]:
        """Requests in any state from `head` to `base`, newest first."""
        return self._chosen(lambda record: (record.head, record.base) == (head, base))

    def get(self, number: int) -> PullRequest | None:
        """One request by number, or None."""
        if not self._path(number).exists():
            return None
        with self._locked():
            return self._shown(self._current(self._record(self._path(number))))

    def create(self, *, head: str, base: str, title: str, body: str) -> PullRequest:
        """Open a request under the next free number, whatever other processes do."""
        with self._locked():
            tip = self._check(head, base)
            number = max((int(path.stem) for path in self._paths()), default=0) + 1
            record = Record(number, "open", head, base, title, tip)
            # The record makes the request: what is half done without it is nothing yet.
            write_body(self._path(number), body)
            write_record(self._path(number), record)
            return self._shown(record)

    def update(
        self, number: int, *, title: str | None = None, body: str | None = None, close: bool = False
    ) -> PullRequest:
        """Change what is given."""
        with self._changing(number) as record:
            changed = replace(
                record,
                title=record.title if title is None else title,
                state="closed" if close and record.state == "open" else record.state,
            )
            if body is None:
                write_record(self._path(number), changed)
            else:
                write_both(self._path(number), changed, body)
            return self._shown(changed)

    def label(self, number: int, labels: Sequence[str]) -> None:
        """Add labels to the record."""
        with self._changing(number) as record:
            merged = tuple(dict.fromkeys((*record.labels, *labels)))
            write_record(self._path(number), replace(record, labels=merged))

    def comment(self, number: int, text: str) -> None:
        """Add one comment to the record."""
        with self._changing(number) as record:
            comments = (*record.comments, text)
            write_record(self._path(number), replace(record, comments=comments))

    def file_url(self, commit: str, path: str, line: int = 0) -> str:  # noqa: ARG002 - the port's
        """Always '': a folder has no web page."""
        return ""

    def _chosen(self, wanted: Callable[[Record], bool]) -> list[PullRequest]:
        """The wanted requests as they are now. Git is asked about these alone."""
        if not self._folder.is_dir():
            return []
        with self._locked():
            records = [self._record(path) for path in self._paths()]
            return newest_first(self._shown(self._current(r)) for r in records if wanted(r))

    def _check(self, head: str, base: str) -> str:
        """The head's commit when a request may be opened; raises what a forge would."""
        tip = self._branches.head_of(head)
        for branch in (head, base):
            if not self._branches.head_of(branch):
                raise ForgeError(f"there is no branch {branch}", status=_UNPROCESSABLE)
        known = (self._record(path) for path in self._paths())
        same = [r for r in known if (r.head, r.base, r.state) == (head, base, "open")]
        if any(self._current(record).state == "open" for record in same):
            told = f"a pull request from {head} to {base} is open already"
            raise DuplicatePullRequest(told, status=HTTPStatus.CONFLICT)
        if self._branches.is_ancestor(tip, base):
            raise NoCommits(f"{base} has every commit of {head}", status=_UNPROCESSABLE)
        return tip

    def _current(self, record: Record) -> Record:
        """The record, brought up to what git says now."""
        if record.state != "open":
            return record
        tip = self._branches.head_of(record.head)
        now = record
        # The head last seen is asked first: the branch may have been used again after the merge.
        if record.head_sha and self._branches.is_ancestor(record.head_sha, record.base):
            now = replace(record, state="merged")
        elif not tip:
            now = replace(record, state="closed")
        elif tip != record.head_sha:
            merged = self._branches.is_ancestor(tip, record.base)
            now = replace(record, head_sha=tip, state="merged" if merged else "open")
        if now != record:
            write_record(self._path(record.number), now)
        return now

    def _shown(self, record: Record) -> PullRequest:
        path = self._path(record.number)
        return PullRequest(
            number=record.number,
            state=record.state,
            head=record.head,
            base=record.base,
            title=record.title,
            body=read_body(path),
            url=path.with_suffix(".md").absolute().as_uri(),
            head_sha=record.head_sha,
            labels=record.labels,
        )

    def _record(self, path: Path) -> Record:
        """The record in a file, parsed once for as long as the file stays the same one."""
        seen = path.stat()
        version = (seen.st_ino, seen.st_mtime_ns, seen.st_size)
        known = self._read.get(path)
        if known is None or known[0] != version:
            known = self._read[path] = (version, read_record(path))
        return known[1]

    def _path(self, number: int) -> Path:
        return self._folder / f"{number}.json"

    def _paths(self) -> list[Path]:
        return [path for path in self._folder.glob("*.json") if path.stem.isdecimal()]

    @contextmanager
    def _changing(self, number: int) -> Iterator[Record]:
        if not self._path(number).exists():
            raise ForgeError(f"there is no pull request {number}", status=HTTPStatus.NOT_FOUND)
        with self._locked():
            yield self._current(self._record(self._path(number)))

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Alone with the folder, in this process and all others."""
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            with (self._folder / ".lock").open("a") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX)
                for begun in self._folder.glob(f"*{PENDING}"):
                    finish(begun.with_suffix(".json"))
                yield
        except OSError as error:
            told = f"{error.filename or self._folder}: {error.strerror or error}"
            raise ForgeError(f"the local forge cannot be used: {told}") from error
        except GitError as error:
            raise ForgeError(error.message, hint=error.hint, retryable=error.retryable) from error
