"""The SQLite file on disk: who may read it, and how a bad one leaves the way.

Knows paths and permissions. It refuses to know what is inside.
"""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from pathlib import Path

from imagebot.errors import StartError

COMPANIONS = ("", "-wal", "-shm", "-journal")
"""SQLite's own files beside the database; they belong together."""


def prepare(path: Path) -> str:
    """Make the file and its folder, for the owner only. Gives a warning, or an empty string.

    A file that belongs to somebody else is moved aside: what it says cannot be trusted. Raises
    StartError when the place cannot be written, or is no regular file.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        warning = _clear(path)
        descriptor = os.open(path, os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise StartError(
            f"state file {path}: {error.strerror}",
            hint="give imagebot a folder that it can write, or another state URL",
        ) from error
    try:
        os.fchmod(descriptor, 0o600)
    finally:
        os.close(descriptor)
    return warning


def move_aside(path: Path) -> Path:
    """Rename a database and its companions; gives its new name. A later one replaces it.

    One old copy is kept for whoever wants to look; a crash loop must not fill the disk.
    """
    aside = path.with_name(f"{path.name}.damaged")
    for suffix in COMPANIONS:
        old, kept = Path(f"{path}{suffix}"), Path(f"{aside}{suffix}")
        kept.unlink(missing_ok=True)
        with suppress(FileNotFoundError):
            old.replace(kept)
    return aside


def _clear(path: Path) -> str:
    try:
        found = path.lstat()
    except FileNotFoundError:
        return ""
    if not stat.S_ISREG(found.st_mode):
        raise StartError(f"state file {path} is no regular file", hint="choose another state URL")
    if found.st_uid == os.geteuid():
        return ""
    aside = move_aside(path)
    return f"state file {path} belonged to user {found.st_uid}: moved to {aside.name}, begun anew"
