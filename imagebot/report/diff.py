"""Unified diffs of planned file changes. Knows bytes before and after, nothing of YAML."""

from __future__ import annotations

import difflib
from collections.abc import Iterator

from imagebot.model import FileChange

NO_NEWLINE = "\\ No newline at end of file\n"


def unified(change: FileChange) -> str:
    """One file's change as `git diff` would print it, without colour."""
    old = change.old.decode("utf-8", "replace").splitlines(keepends=True)
    new = change.new.decode("utf-8", "replace").splitlines(keepends=True)
    lines = difflib.unified_diff(old, new, f"a/{change.path}", f"b/{change.path}")
    return "".join(_ended(lines))


def _ended(lines: Iterator[str]) -> Iterator[str]:
    for line in lines:
        yield line if line.endswith("\n") else f"{line}\n{NO_NEWLINE}"
