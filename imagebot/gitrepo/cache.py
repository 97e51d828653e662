"""The directory of one mirror: private, locked, and thrown away at the first doubt.

Knows files and what a crash leaves behind. It refuses to know remotes and commits: a mirror that
is gone is only a slower next fetch.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import stat
from dataclasses import dataclass
from pathlib import Path

from imagebot.errors import StartError
from imagebot.gitrepo.urls import RepoUrl

MAX_PACKS = 64
"""A mirror with more packs is fetched anew: cheaper than repacking, and it cannot go wrong."""

_CONFIG = """\
[core]
\trepositoryformatversion = 0
\tbare = true
[remote "origin"]
\turl = {url}
[imagebot]
\tblobless = {blobless}
"""
_HEAD = "ref: refs/heads/no-such-branch\n"


@dataclass(frozen=True, slots=True)
class MirrorDirectory:
    """`<workdir>/<name>-<hash>/`: the lock, the password script, and the bare repository."""

    root: Path
    url: RepoUrl

    @property
    def git_dir(self) -> Path:
        """The bare repository."""
        return self.root / "mirror.git"

    def reusable(self) -> bool:
        """Whether a mirror is there that no crash and no stranger has touched.

        What a killed git leaves behind is a `*.lock`; as the caller holds our own lock, none of
        them has an owner.
        """
        try:
            settings = (self.git_dir / "config").read_text("utf-8")
            head = (self.git_dir / "HEAD").read_text("utf-8")
        except (OSError, UnicodeDecodeError):
            return False
        if settings not in {self._config(blobless=yes) for yes in (True, False)} or head != _HEAD:
            return False
        return not (self._foreign() or self._locked() or self._worn())

    def blobless(self) -> bool:
        """Whether the mirror there leaves out blobs until they are asked for."""
        return (self.git_dir / "config").read_text("utf-8") == self._config(blobless=True)

    def create(self, *, blobless: bool) -> None:
        """Make an empty repository, in place of whatever is there."""
        self.discard()
        for folder in ("objects/pack", "objects/info", "refs/heads", "refs/imagebot"):
            (self.git_dir / folder).mkdir(mode=0o700, parents=True)
        (self.git_dir / "config").write_text(self._config(blobless=blobless), "utf-8")
        (self.git_dir / "HEAD").write_text(_HEAD, "utf-8")

    def discard(self) -> None:
        """Remove the mirror, whatever it is. Raises StartError when that fails."""
        trash = self.root / "trash"
        try:
            _remove(trash)
            if self.git_dir.is_symlink() or self.git_dir.exists():
                self.git_dir.rename(trash)
            _remove(trash)
        except OSError as error:
            raise StartError(f"{self.git_dir} cannot be removed: {error.strerror}") from error

    def _config(self, *, blobless: bool) -> str:
        escaped = self.url.text.replace("\\", "\\\\").replace('"', '\\"')
        return _CONFIG.format(url=f'"{escaped}"', blobless=str(blobless).lower())

    def _foreign(self) -> bool:
        names = ("hooks", "info/attributes", "info/grafts", "objects/info/alternates", "worktrees")
        return self.git_dir.is_symlink() or any((self.git_dir / name).exists() for name in names)

    def _locked(self) -> bool:
        if any(self.git_dir.glob("*.lock")):
            return True
        return any(
            name.endswith(".lock") for *_, names in os.walk(self.git_dir / "refs") for name in names
        )

    def _worn(self) -> bool:
        pack = self.git_dir / "objects" / "pack"
        if any(pack.glob("tmp_*")):
            return True
        return sum(1 for _ in pack.glob("*.pack")) > MAX_PACKS


def private_directory(path: Path) -> None:
    """Make `path` a directory that only this user can enter. Raises StartError."""
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = path.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid():
            raise StartError(
                f"{path} is not a directory of this user", hint="give a directory of its own"
            )
        if found.st_mode & 0o077:
            path.chmod(0o700)
    except OSError as error:
        raise StartError(
            f"{path} cannot be used: {error.strerror}", hint="give a writable directory"
        ) from error


def mirror_directory(workdir: Path, url: RepoUrl) -> MirrorDirectory:
    """The directory for `url` under `workdir`, made private. Raises StartError."""
    digest = hashlib.sha256(url.text.encode()).hexdigest()[:16]
    slug = re.sub(r"[^a-z0-9]+", "-", url.name.lower()).strip("-")[:40] or "repository"
    root = workdir.absolute() / f"{slug}-{digest}"
    private_directory(workdir)
    private_directory(root)
    return MirrorDirectory(root, url)


def _remove(path: Path) -> None:
    if path.is_symlink() or path.is_file():
        path.unlink()
    elif path.exists():
        shutil.rmtree(path)
