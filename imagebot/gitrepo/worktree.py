"""A directory of files on this machine: list, read, and replace single files in place.

Knows directories, links and atomic renames; in a git repository it lists what git would. It
refuses to follow links, to leave its root, and to run anything that the directory holds.
"""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from imagebot.errors import EditRefused, StartError, Where
from imagebot.gitrepo.objects import MAX_BLOB, MAX_TOTAL, TreeEntry
from imagebot.gitrepo.paths import check_editable
from imagebot.gitrepo.run import GitRunner, preflight
from imagebot.model import FileChange

MAX_FILES = 500_000
UNREADABLE = "000000"
"""The mode of an entry that may not be read: a file, or a folder, whose path ends in a slash."""

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


class WorkingTree:
    """The files under `root`. Paths are relative to it, with forward slashes.

    `timeout` is in seconds for the one git command that is run.
    """

    def __init__(self, root: Path, *, timeout: float = 60.0) -> None:
        self.root = root.absolute()
        self._timeout = timeout
        if not self.root.is_dir():
            raise StartError(f"{root} is not a directory")

    def entries(self) -> Sequence[TreeEntry]:
        """Every file, sorted by path, with git's modes: links are named, never followed.

        In a git repository these are the tracked files, and the untracked that are not ignored;
        elsewhere, all files. `sha` is empty. A file or folder that this user may not read has the
        mode UNREADABLE. Raises StartError when the directory itself cannot be read, GitError when
        git cannot read the repository.
        """
        paths = self._git_paths() if self._in_repository() else None
        found = _walk(self.root) if paths is None else _stat_all(self.root, paths)
        return sorted(found, key=lambda entry: entry.path)

    def read(
        self, paths: Iterable[str], *, max_file: int = MAX_BLOB, max_total: int = MAX_TOTAL
    ) -> Mapping[str, bytes]:
        """The bytes of files. One over `max_file` bytes is left out; all else is there.

        Raises EditRefused for a path that is no regular file, or is reached through a link, and
        when all of them together are over `max_total` bytes.
        """
        found: dict[str, bytes] = {}
        total = 0
        with _Folders(self.root) as folders:
            for path in paths:
                content = _read(folders, path, max_file)
                if content is not None:
                    found[path] = content
                    total += len(content)
                if total > max_total:
                    raise EditRefused(
                        f"the files hold more than {max_total} bytes", hint="narrow `paths`"
                    )
        return found

    def write(self, changes: Sequence[FileChange]) -> Mapping[str, EditRefused]:
        """Replace the content of files, each atomically, and give those that were refused.

        A file is refused when it is not editable, no regular file, reached through a link, or
        holds something else than `old`. The others are written; their modes stay.
        """
        refused = {}
        for change in changes:
            try:
                self._replace(change)
            except EditRefused as error:
                refused[change.path] = error
        return refused

    def _replace(self, change: FileChange) -> None:
        check_editable(change.path)
        with _Folders(self.root) as folders:
            if _read(folders, change.path, len(change.old)) != change.old:
                raise EditRefused("the file changed while it was read", where=Where(change.path))
            try:
                with folders.holding(change.path) as (folder, name):
                    _swap(folder, name, change.new)
            except OSError as error:
                raise _refused(change.path, error) from error

    def _in_repository(self) -> bool:
        return any((folder / ".git").exists() for folder in (self.root, *self.root.parents))

    def _git_paths(self) -> list[str]:
        """What git lists. Another user's repository is fine here: nothing in it is run."""
        preflight()
        git = GitRunner(directory=self.root, home=Path("/nonexistent"), timeout=self._timeout)
        args = ["ls-files", "-z", "--cached", "--others", "--exclude-standard"]
        output = git.run(args, settings={"safe.directory": "*"})
        names = dict.fromkeys(output.split(b"\0")[:-1])
        return [name.decode("utf-8", "surrogateescape") for name in names]


class _Folders:
    """Opens folders below a root, one name at a time and never through a link.

    The chain of the last folder stays open, so that neighbours cost one system call.
    """

    def __init__(self, root: Path) -> None:
        self._root = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self._chain: list[tuple[str, int]] = []

    def __enter__(self) -> _Folders:  # noqa: PYI034  # private and final: Self says no more
        return self

    def __exit__(self, *_: object) -> None:
        self._shrink(0)
        os.close(self._root)

    @contextmanager
    def holding(self, path: str) -> Iterator[tuple[int, str]]:
        """The open folder that holds `path`, and the name in it. OSError passes through."""
        parts = path.split("/")
        if any(part in {"", ".", ".."} for part in parts):
            raise EditRefused("the path is not plain", where=Where(path))
        yield self._folder(parts[:-1]), parts[-1]

    def _folder(self, parts: Sequence[str]) -> int:
        shared = 0
        for (name, _), part in zip(self._chain, parts, strict=False):
            if name != part:
                break
            shared += 1
        self._shrink(shared)
        for part in parts[shared:]:
            above = self._chain[-1][1] if self._chain else self._root
            self._chain.append((part, os.open(part, _FOLDER, dir_fd=above)))
        return self._chain[-1][1] if self._chain else self._root

    def _shrink(self, length: int) -> None:
        while len(self._chain) > length:
            os.close(self._chain.pop()[1])


def _read(folders: _Folders, path: str, limit: int) -> bytes | None:
    """The content of a file, or None when it is over `limit` bytes."""
    try:
        with folders.holding(path) as (folder, name):
            descriptor = os.open(name, _FILE, dir_fd=folder)
        try:
            return _drain(descriptor, path, limit)
        finally:
            os.close(descriptor)
    except (OSError, ValueError) as error:
        raise _refused(path, error) from error


def _drain(descriptor: int, path: str, limit: int) -> bytes | None:
    """Read a regular file to its end. It may grow meanwhile: reading stops over `limit`."""
    found = os.fstat(descriptor)
    if not stat.S_ISREG(found.st_mode):
        raise EditRefused("it is no regular file", where=Where(path))
    if found.st_size > limit:
        return None
    parts: list[bytes] = []
    left = limit + 1
    while left > 0 and (part := os.read(descriptor, left)):
        parts.append(part)
        left -= len(part)
    return b"".join(parts) if left > 0 else None


def _swap(folder: int, name: str, content: bytes) -> None:
    """Write a new file beside `name` and rename it over it: old or new, never a part."""
    mode = stat.S_IMODE(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode)
    fresh = f".{secrets.token_hex(8)}.imagebot"
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(fresh, flags, 0o600, dir_fd=folder)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fchmod(descriptor, mode)
            os.fsync(descriptor)
        os.rename(fresh, name, src_dir_fd=folder, dst_dir_fd=folder)
    except BaseException:
        os.unlink(fresh, dir_fd=folder)
        raise
    os.fsync(folder)


def _refused(path: str, error: OSError | ValueError) -> EditRefused:
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return EditRefused(f"the file cannot be used: {reason.lower()}", where=Where(path))


def _walk(root: Path) -> list[TreeEntry]:
    """Every file under a plain directory, without the `.git` of repositories inside it."""
    found: list[TreeEntry] = []
    folders = [("", str(root))]
    while folders:
        prefix, folder = folders.pop()
        try:
            with os.scandir(folder) as listing:
                items = list(listing)
        except OSError as error:
            if prefix and isinstance(error, PermissionError):
                found.append(TreeEntry(UNREADABLE, "tree", "", prefix))
                continue
            raise StartError(f"{folder} cannot be read: {error.strerror}") from error
        for item in items:
            path = prefix + item.name
            if item.is_dir(follow_symlinks=False):
                if item.name != ".git":
                    folders.append((f"{path}/", item.path))
            elif item.is_symlink():
                found.append(TreeEntry("120000", "blob", "", path))
            elif item.is_file(follow_symlinks=False):
                mode = item.stat(follow_symlinks=False).st_mode
                found.append(_entry(path, mode, readable=_may_read(item.path)))
        if len(found) > MAX_FILES:
            raise StartError(
                f"{root} has more than {MAX_FILES} files", hint="give a smaller folder"
            )
    return found


def _stat_all(root: Path, paths: Sequence[str]) -> list[TreeEntry]:
    """What stands at the paths git lists. A file behind a linked folder is left out with it."""
    found: list[TreeEntry] = []
    with _Folders(root) as folders:
        for path in paths:
            if path.endswith("/"):
                found.append(TreeEntry("160000", "commit", "", path.rstrip("/")))
                continue
            try:
                with folders.holding(path) as (folder, name):
                    mode = os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode
                    readable = _may_read(name, folder)
            except PermissionError:
                found.append(TreeEntry(UNREADABLE, "blob", "", path))
                continue
            except OSError:
                # Tracked, but deleted or behind a link in this working tree: not there to read.
                continue
            if stat.S_ISDIR(mode):
                found.append(TreeEntry("160000", "commit", "", path))
            elif stat.S_ISLNK(mode):
                found.append(TreeEntry("120000", "blob", "", path))
            elif stat.S_ISREG(mode):
                found.append(_entry(path, mode, readable=readable))
    return found


def _may_read(name: str, folder: int | None = None) -> bool:
    return os.access(name, os.R_OK, dir_fd=folder, effective_ids=True)


def _entry(path: str, mode: int, *, readable: bool) -> TreeEntry:
    if not readable:
        return TreeEntry(UNREADABLE, "blob", "", path)
    return TreeEntry("100755" if mode & stat.S_IXUSR else "100644", "blob", "", path)
