"""Reads commits, trees and blobs out of a repository, many at once, each kind in one process.

Knows git's object formats. It refuses to know remotes: what is missing here is asked of `fetch`,
a function that brings blobs in one batch.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from imagebot.errors import EditRefused, GitError, UsageError
from imagebot.gitrepo.fastimport import lookup_stream, parse_lookup
from imagebot.gitrepo.run import GitRunner

REGULAR_MODES = frozenset({"100644", "100755"})
MAX_BLOB = 8 * 1024 * 1024
MAX_TOTAL = 512 * 1024 * 1024
MAX_LOG = 500
MAX_PAST = 20
MAX_HISTORY = 64 * 1024 * 1024
MAX_DIFF = 32 * 1024 * 1024

_DIFF_TREE = ["diff-tree", "-r", "-z", "--raw", "--no-abbrev", "--no-renames"]
_SHA = re.compile(r"(?:[0-9a-f]{40}|[0-9a-f]{64})", re.ASCII)
_WHEN = re.compile(rb"(\d{1,18}) ([+-]\d{4})")


class Past(NamedTuple):
    """A file's earlier content, and the commit that brought it; empty when that was not read."""

    blob: str
    commit: str


class TreeEntry(NamedTuple):
    """One file of a tree. `mode` is git's: `100644`, `120000` for a link, `160000` a submodule.

    Bytes of `path` that are no UTF-8 are kept as surrogate escapes. `sha` is empty for a file
    that git does not hold yet.
    """

    mode: str
    type: str
    sha: str
    path: str

    @property
    def regular(self) -> bool:
        """Whether this is a plain file: no link, no submodule."""
        return self.mode in REGULAR_MODES


@dataclass(frozen=True, slots=True)
class Identity:
    """Who a commit is by. Raises UsageError for what git would cut out or choke on."""

    name: str
    email: str

    def __post_init__(self) -> None:
        """Refuse what git would cut out or choke on."""
        if not self.name.strip() or not (self.name + self.email).isprintable():
            raise UsageError("an identity needs a name, and no control characters")
        if set("<>") & set(self.name + self.email):
            raise UsageError("an identity has no '<' and no '>'")


@dataclass(frozen=True, slots=True)
class Signature:
    """A name, an e-mail address and a time as a commit records them, whatever they are.

    `time` is in epoch seconds, `offset` the zone as written (`+0200`).
    """

    name: str
    email: str
    time: int
    offset: str


@dataclass(frozen=True, slots=True)
class CommitInfo:
    """One commit. Text that is no UTF-8 has replacement characters."""

    sha: str
    parents: tuple[str, ...]
    tree: str
    author: Signature
    committer: Signature
    message: str


def check_sha(sha: str) -> str:
    """Give `sha` back when it is a whole object name; raises UsageError otherwise."""
    if not _SHA.fullmatch(sha):
        raise UsageError(f"{sha[:80]!r} is no commit or object name")
    return sha


def no_fetch(_: Sequence[str]) -> None:
    """For a repository that has everything: there is nothing to ask for."""


@dataclass(frozen=True, slots=True)
class Objects:
    """The objects of one repository. Every method raises GitError, and UsageError for a bad sha."""

    git: GitRunner
    fetch: Callable[[Sequence[str]], None] = no_fetch

    def tree(self, commit: str) -> Sequence[TreeEntry]:
        """Every file of a commit (or tree), in git's order, folders entered."""
        output = self.git.run(["ls-tree", "-r", "-z", "--full-tree", check_sha(commit)])
        return [_tree_entry(record) for record in output.split(b"\0") if record]

    def read(
        self, shas: Iterable[str], *, max_blob: int = MAX_BLOB, max_total: int = MAX_TOTAL
    ) -> Mapping[str, bytes]:
        """The contents of blobs. A blob over `max_blob` bytes is left out; all else is there.

        Raises EditRefused when all of them together are over `max_total` bytes.
        """
        wanted = list(dict.fromkeys(check_sha(sha) for sha in shas))
        sizes = self._present(wanted)
        chosen = [sha for sha in wanted if sizes[sha] <= max_blob]
        total = sum(sizes[sha] for sha in chosen)
        if total > max_total:
            raise EditRefused(
                f"{len(chosen)} files hold {total} bytes, over the limit of {max_total}",
                hint="narrow `paths` in the configuration",
            )
        return dict(self._contents(chosen, total + 128 * len(chosen)))

    def commits(self, shas: Sequence[str]) -> list[CommitInfo]:
        """Several commits, in the order given."""
        for sha in shas:
            check_sha(sha)
        return [_commit(sha, content) for sha, content in self._contents(shas, MAX_TOTAL)]

    def lookup(self, places: Sequence[tuple[str, str]]) -> list[TreeEntry | None]:
        """What stands at each (commit, path), or None; thousands of places in one process."""
        if not places:
            return []
        stream = lookup_stream([(check_sha(commit), path) for commit, path in places])
        output = self.git.run(["fast-import", "--quiet", "--done"], stdin=stream)
        found = parse_lookup(output)
        if len(found) != len(places):
            raise GitError(f"git answered {len(found)} of {len(places)} look-ups")
        return [
            TreeEntry(*entry, path) if entry else None
            for entry, (_, path) in zip(found, places, strict=True)
        ]

    def is_ancestor(self, old: str, new: str) -> bool:
        """Whether `old` is `new` or one of the commits that led to it."""
        args = ["rev-list", "--max-count=1", check_sha(old), f"^{check_sha(new)}", "--"]
        return not self.git.run(args)

    def log(self, base: str, tip: str, *, limit: int = MAX_LOG) -> list[CommitInfo]:
        """The commits that `tip` has and `base` has not, newest first.

        Raises GitError when there are more than `limit`: part of an answer would be none.
        """
        args = ["rev-list", f"--max-count={limit + 1}", check_sha(tip), f"^{check_sha(base)}", "--"]
        shas = self.git.run(args).decode("ascii").split()
        if len(shas) > limit:
            raise GitError(f"{tip} has more than {limit} commits that {base} has not")
        return self.commits(shas)

    def changed(self, old: str, new: str) -> Sequence[TreeEntry]:
        """The files that differ between two commits, as they are in `new`.

        A file that is gone has mode `000000` and an all-zero sha. A rename is two changes.
        """
        return [entry for _, entry in self._changes(old, new)]

    def changed_by(self, commits: Sequence[str]) -> Mapping[str, Sequence[TreeEntry]]:
        """What each commit changed of its one parent; of a merge, nothing."""
        changes: dict[str, list[TreeEntry]] = {check_sha(sha): [] for sha in commits}
        output = self.git.run([*_DIFF_TREE, "--stdin"], stdin=_lines(list(changes)))
        fields = iter(output.split(b"\0")[:-1])
        sha = ""
        for word in fields:
            if word.startswith(b":"):
                changes[sha].append(_change(word, next(fields))[1])
            else:
                sha = word.decode("ascii")
        return changes

    def past(
        self, commit: str, paths: Iterable[str], *, limit: int = MAX_LOG, each: int = MAX_PAST
    ) -> Mapping[str, Sequence[Past]]:
        """What stood at each path before, newest first, along the first parents of a commit.

        At most `each` contents a path, out of at most `limit` commits; a merge counts as what it
        brought to its first parent. A time in which no regular file stood there is passed over.
        """
        steps: dict[str, list[tuple[str, str, str]]] = {path: [] for path in paths}
        args = ["log", "--first-parent", "-m", f"--max-count={limit}", "--format=%H", "--raw"]
        args += ["-z", "--no-abbrev", "--no-renames", "--no-ext-diff", "--no-textconv"]
        args += ["--no-color", "--end-of-options", check_sha(commit), "--"]
        # The first commit of all has nothing before it, and often every file.
        output = self.git.run(args, settings={"log.showRoot": "false"}, cap=MAX_HISTORY)
        fields = iter(output.split(b"\0")[:-1])
        sha = ""
        for word in fields:
            meta = word.lstrip(b"\n")
            if not meta.startswith(b":"):
                sha = meta.decode("ascii")
                continue
            (old_mode, old_sha), entry = _change(meta, next(fields))
            known = steps.get(entry.path)
            if known is not None and len(known) <= each:
                known.append((sha, old_mode, old_sha))
        return {path: _earlier(known)[:each] for path, known in steps.items()}

    def outside(self, shas: Sequence[str], tip: str) -> set[str]:
        """Those of several commits that are neither `tip` nor among the commits that led to it."""
        stdin = _lines([*map(check_sha, shas), f"^{check_sha(tip)}"])
        found = self.git.run(["rev-list", "--stdin"], stdin=stdin).decode("ascii").split()
        return set(shas).intersection(found)

    def diff(self, old: str, new: str) -> str:
        """What differs between two commits, as a unified diff for people."""
        blobs = [
            sha
            for old_entry, new_entry in self._changes(old, new)
            for mode, sha in (old_entry, (new_entry.mode, new_entry.sha))
            if mode not in {"000000", "160000"}
        ]
        self._present(list(dict.fromkeys(blobs)))
        args = ["diff-tree", "-r", "-p", "--no-ext-diff", "--no-textconv", "--no-color"]
        args += ["--no-renames", "--src-prefix=a/", "--dst-prefix=b/"]
        output = self.git.run([*args, check_sha(old), check_sha(new), "--"], cap=MAX_DIFF)
        return output.decode("utf-8", "replace")

    def _changes(self, old: str, new: str) -> list[tuple[tuple[str, str], TreeEntry]]:
        output = self.git.run([*_DIFF_TREE, check_sha(old), check_sha(new), "--"])
        fields = output.split(b"\0")[:-1]
        return [_change(*pair) for pair in zip(fields[::2], fields[1::2], strict=True)]

    def _present(self, shas: Sequence[str]) -> dict[str, int]:
        """The size of every object in bytes; missing ones are fetched first, in one batch."""
        sizes = self._sizes(shas)
        missing = [sha for sha in shas if sha not in sizes]
        if missing:
            self.fetch(missing)
            sizes |= self._sizes(missing)
        absent = [sha for sha in shas if sha not in sizes]
        if absent:
            raise GitError(f"{len(absent)} objects are missing, {absent[0]} for one")
        return sizes

    def _sizes(self, shas: Sequence[str]) -> dict[str, int]:
        output = self.git.run(["cat-file", "--batch-check", "--buffer"], stdin=_lines(shas))
        rows = (line.split() for line in output.decode("ascii").splitlines())
        return {row[0]: int(row[2]) for row in rows if len(row) == len(("sha", "type", "size"))}

    def _contents(self, shas: Sequence[str], cap: int) -> Iterator[tuple[str, bytes]]:
        output = self.git.run(["cat-file", "--batch", "--buffer"], stdin=_lines(shas), cap=cap)
        position = 0
        for sha in shas:
            end = output.find(b"\n", position)
            header = output[position:end].split()
            if len(header) != len(("sha", "type", "size")) or header[0] != sha.encode():
                raise GitError(f"object {sha} is missing")
            start, size = end + 1, int(header[2])
            yield sha, output[start : start + size]
            position = start + size + 1


def _lines(shas: Sequence[str]) -> bytes:
    return "".join(f"{sha}\n" for sha in shas).encode("ascii")


def _path(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogateescape")


def _tree_entry(record: bytes) -> TreeEntry:
    meta, _, path = record.partition(b"\t")
    mode, kind, sha = meta.decode("ascii").split(" ")
    return TreeEntry(mode, kind, sha, _path(path))


def _change(meta: bytes, path: bytes) -> tuple[tuple[str, str], TreeEntry]:
    old_mode, new_mode, old_sha, new_sha, _ = meta.decode("ascii").removeprefix(":").split(" ")
    kind = "commit" if new_mode == "160000" else "blob"
    return (old_mode, old_sha), TreeEntry(new_mode, kind, new_sha, _path(path))


def _earlier(steps: Sequence[tuple[str, str, str]]) -> list[Past]:
    """The contents before each step of a file: each came with the step before that one."""
    brought_by = [*(sha for sha, _, _ in steps[1:]), ""]
    return [
        Past(blob, brought)
        for (_, mode, blob), brought in zip(steps, brought_by, strict=False)
        if mode in REGULAR_MODES
    ]


def _commit(sha: str, content: bytes) -> CommitInfo:
    head, _, message = content.partition(b"\n\n")
    rows = [line.partition(b" ")[::2] for line in head.split(b"\n") if not line.startswith(b" ")]
    first = dict(reversed(rows))
    if b"tree" not in first:
        raise GitError(f"object {sha} is no commit")
    return CommitInfo(
        sha=sha,
        parents=tuple(value.decode("ascii") for key, value in rows if key == b"parent"),
        tree=first[b"tree"].decode("ascii"),
        author=_signature(first.get(b"author", b"")),
        committer=_signature(first.get(b"committer", b"")),
        message=message.decode("utf-8", "replace"),
    )


def _signature(line: bytes) -> Signature:
    who, _, when = line.rpartition(b"> ")
    name, _, email = who.partition(b"<")
    match = _WHEN.fullmatch(when.strip())
    return Signature(
        name=name.strip().decode("utf-8", "replace"),
        email=email.decode("utf-8", "replace"),
        time=int(match[1]) if match else 0,
        offset=match[2].decode("ascii") if match else "+0000",
    )
