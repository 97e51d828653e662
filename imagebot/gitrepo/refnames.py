"""Which strings git accepts as branch names, by the rules of `git check-ref-format`.

Knows text only. It refuses to know which branches exist, or what they are called for.
"""

from __future__ import annotations

import re

MAX_COMPONENT = 240
"""Bytes in one part of a branch name: a file system takes 255, and git appends `.lock`."""

_FORBIDDEN = re.compile(r"[\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{|//|/\.|\.lock(?:/|\Z)")


def is_ref_name(name: str) -> bool:
    """Whether `name` is a full ref name such as `refs/heads/main`, as git itself decides.

    A string that cannot be written as UTF-8 is none.
    """
    if not _encodable(name) or "/" not in name:
        return False
    if name.startswith(("/", ".")) or name.endswith(("/", ".")):
        return False
    return _FORBIDDEN.search(name) is None


def is_branch_name(name: str) -> bool:
    """Whether `name` can be a branch: no leading dash, not HEAD, every part at most 240 bytes."""
    if name.startswith("-") or name == "HEAD" or not is_ref_name(f"refs/heads/{name}"):
        return False
    return all(len(part.encode()) <= MAX_COMPONENT for part in name.split("/"))


def _encodable(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
