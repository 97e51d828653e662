"""The commit message of a group, and how the bot knows its own commit again.

Knows trailers and digests. It refuses to know git: the caller fills in a commit's facts.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote, unquote

from imagebot.model import Group, Update
from imagebot.pulls.group import version_move
from imagebot.pulls.markdown import cut, plain_message
from imagebot.pulls.naming import fingerprint

SUBJECT_LIMIT = 72
MAX_LINES = 200
_KEY, _FINGERPRINT, _FILES = "Imagebot-Key", "Imagebot-Fingerprint", "Imagebot-Files"
_TRAILER = re.compile(r"(Imagebot-[A-Za-z]+): (\S{1,2000})")
_ADDRESS = re.compile(r"<([^<>]*)>\s*\Z")


@dataclass(frozen=True, slots=True)
class Trailers:
    """What the bot wrote under its commit: group key, wanted end state, digest of the files."""

    key: str
    fingerprint: str
    files: str


@dataclass(frozen=True, slots=True)
class CommitFacts:
    """The tip of a bot branch as git shows it.

    `author` and `committer` are `Name <address>`. `files` maps each path that differs from the
    first parent to the SHA-256 (hex) of its content now; an empty text stands for a file that is
    gone, or whose mode or type changed. `parent_on_base` says that the only parent is the tip of
    the base branch or one of its ancestors.
    """

    sha: str
    parents: tuple[str, ...]
    author: str
    committer: str
    message: str
    files: Mapping[str, str]
    parent_on_base: bool


def commit_message(group: Group) -> str:
    """Subject of at most 72 characters, what changes in each file and why, then the trailers.

    The same group gives the same bytes, so that a commit made twice is the same commit.
    """
    contents = {change.path: hashlib.sha256(change.new).hexdigest() for change in group.files}
    trailers = (
        f"{_KEY}: {quote(group.key, safe='/:+,=~', errors='surrogatepass')}",
        f"{_FINGERPRINT}: {group_fingerprint(group)}",
        f"{_FILES}: {files_digest(contents)}",
    )
    subject = cut(plain_message(group.title) or "Update images", SUBJECT_LIMIT)
    parts = [subject, "\n".join(_listing(group.updates)), "\n".join(trailers)]
    return "\n\n".join(part for part in parts if part) + "\n"


def group_fingerprint(group: Group) -> str:
    """The fingerprint of everything the group edits."""
    return fingerprint([edit for change in group.files for edit in change.edits])


def files_digest(contents: Mapping[str, str]) -> str:
    """One SHA-256 (hex) over sorted pairs of a path and its content's SHA-256."""
    pairs = sorted([path, digest] for path, digest in contents.items())
    return hashlib.sha256(json.dumps(pairs).encode("ascii")).hexdigest()


def read_trailers(message: str) -> Trailers | None:
    """The trailers of the last paragraph; None when one is missing, doubled or malformed."""
    paragraph = message.replace("\r\n", "\n").rstrip().rpartition("\n\n")[2]
    found: defaultdict[str, list[str]] = defaultdict(list)
    for line in paragraph.split("\n"):
        if match := _TRAILER.fullmatch(line.rstrip()):
            found[match[1]].append(match[2])
    if any(len(found[name]) != 1 for name in (_KEY, _FINGERPRINT, _FILES)):
        return None
    key = unquote(found[_KEY][0], errors="replace")
    return Trailers(key, found[_FINGERPRINT][0], found[_FILES][0])


def is_own(commit: CommitFacts, identity: str, key: str) -> bool:
    """Whether the tip is the bot's commit for `key`, untouched, alone on top of the base branch.

    `identity` is `Name <address>` or an address; addresses are compared, so that the bot may be
    renamed. An amended, merged, rebased or added commit is somebody else's.
    """
    trailers = read_trailers(commit.message)
    return (
        len(commit.parents) == 1
        and commit.parent_on_base
        and _address(commit.author) == _address(commit.committer) == _address(identity) != ""
        and trailers is not None
        and trailers.key == _round_trip(key)
        and trailers.files == files_digest(commit.files)
    )


def _round_trip(key: str) -> str:
    """The key as `read_trailers` gives it back: a lone surrogate does not survive."""
    return unquote(quote(key, errors="surrogatepass"), errors="replace")


def _listing(updates: tuple[Update, ...]) -> list[str]:
    lines: list[str] = []
    path = None
    for update in sorted(updates, key=lambda u: u.use.path):
        if update.use.path != path:
            path = update.use.path
            lines.append(plain_message(path))
        old, new = version_move(update.old, update.new)
        image = update.new.repository.familiar
        why = f": {plain_message(update.why)}" if update.why else ""
        lines.append(f"  {image} {old} -> {new}{why}")
    if len(lines) > MAX_LINES:
        lines[MAX_LINES:] = [f"... and {len(lines) - MAX_LINES} more lines"]
    return lines


def _address(person: str) -> str:
    match = _ADDRESS.search(person)
    return (match[1] if match else person).strip().casefold()
