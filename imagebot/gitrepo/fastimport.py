"""The language of `git fast-import`: look-ups and commits as a stream of bytes.

Knows its grammar. It refuses to know which changes are allowed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

STAGED = "refs/imagebot/staged"
"""The one ref that fast-import leaves behind, outside of every namespace that is pushed."""


@dataclass(frozen=True, slots=True)
class StagedFile:
    """A file to write in a commit: its mode stays what it was."""

    mode: str
    path: str
    content: bytes


@dataclass(frozen=True, slots=True)
class StagedCommit:
    """A commit to write. `by` is a whole `Name <email> seconds zone` line, for both roles."""

    parent: str
    by: str
    message: bytes
    files: Sequence[StagedFile]


def quote(path: str) -> bytes:
    """A path as a quoted string, safe whatever is in it (NUL cannot be: git has no such path)."""
    escaped = bytearray(b'"')
    for byte in path.encode("utf-8", "surrogateescape"):
        if byte in b'"\\':
            escaped += b"\\" + bytes([byte])
        elif byte < 0x20 or byte == 0x7F:  # noqa: PLR2004  # ASCII control characters
            escaped += b"\\%03o" % byte
        else:
            escaped.append(byte)
    return bytes(escaped + b'"')


def lookup_stream(places: Iterable[tuple[str, str]]) -> bytes:
    """Ask what stands at each (commit, path)."""
    lines = [b"ls %s %s\n" % (commit.encode("ascii"), quote(path)) for commit, path in places]
    return b"".join([*lines, b"done\n"])


def parse_lookup(output: bytes) -> list[tuple[str, str, str] | None]:
    """Mode, type and sha for each place asked, in order; None where nothing stands."""
    found: list[tuple[str, str, str] | None] = []
    for line in output.split(b"\n")[:-1]:
        meta = line.partition(b"\t")[0].decode("ascii", "replace").split(" ")
        found.append(None if meta[0] == "missing" else (meta[0], meta[1], meta[2]))
    return found


def commit_stream(commits: Sequence[StagedCommit]) -> bytes:
    """Write commits, and print the sha of each, in order."""
    stream = bytearray()
    for mark, commit in enumerate(commits, start=1):
        by = commit.by.encode()
        stream += b"commit %s\nmark :%d\n" % (STAGED.encode("ascii"), mark)
        stream += b"author %s\ncommitter %s\n" % (by, by)
        stream += _data(commit.message)
        stream += b"from %s\n" % commit.parent.encode("ascii")
        for file in commit.files:
            stream += b"M %s inline %s\n" % (file.mode.encode("ascii"), quote(file.path))
            stream += _data(file.content)
        stream += b"\nget-mark :%d\n" % mark
    return bytes(stream + b"done\n")


def _data(content: bytes) -> bytes:
    return b"data %d\n%s\n" % (len(content), content)
