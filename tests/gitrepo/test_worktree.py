from __future__ import annotations

import os
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from imagebot.config import Config
from imagebot.errors import EditRefused, StartError
from imagebot.gather import scan_repository
from imagebot.gitrepo.worktree import UNREADABLE, WorkingTree
from imagebot.model import FileChange
from imagebot.views import FolderView
from tests.support.gitrepos import git


def change(path: str, old: bytes, new: bytes) -> FileChange:
    return FileChange(path, old, new, ())


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A plain directory with files, links inside and out, a pipe and a nested repository."""
    folder = tmp_path / "tree"
    (folder / "a/b").mkdir(parents=True)
    (folder / "a/b/x.yaml").write_bytes(b"x: 1\r\n")
    (folder / "a/run.sh").write_bytes(b"#!/bin/sh\n")
    (folder / "a/run.sh").chmod(0o755)
    (folder / "top.yaml").write_bytes(b"\xef\xbb\xbftop: 1")
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/secret.yaml").write_text("secret")
    (folder / "file-link.yaml").symlink_to(tmp_path / "outside/secret.yaml")
    (folder / "dir-link").symlink_to(tmp_path / "outside")
    (folder / "loop").symlink_to(folder)
    os.mkfifo(folder / "pipe.yaml")
    return folder


def test_a_plain_directory_is_listed_without_following_links(root: Path) -> None:
    """Files and links are named with their modes; pipes are not; no link is entered."""
    found = {entry.path: entry.mode for entry in WorkingTree(root).entries()}
    assert found == {
        "a/b/x.yaml": "100644",
        "a/run.sh": "100755",
        "top.yaml": "100644",
        "file-link.yaml": "120000",
        "dir-link": "120000",
        "loop": "120000",
    }


@pytest.fixture
def locked() -> Iterator[Path]:
    """A folder of an ordinary user, with a file and a folder that this user may not read."""
    above = Path(tempfile.mkdtemp())
    folder = above / "tree"
    (folder / "closed").mkdir(parents=True)
    (folder / "open.yaml").write_text("open: 1")
    (folder / "closed/x.yaml").write_text("x: 1")
    (folder / "secret.yaml").write_text("secret: 1")
    git(folder, "init", "-q")
    git(folder, "add", ".")
    user = os.geteuid() or 65_534
    for path in (above, *above.rglob("*")):
        os.chown(path, user, -1)
    (folder / "closed").chmod(0)
    (folder / "secret.yaml").chmod(0)
    # Modules that are imported on first use are imported by who may read them.
    WorkingTree(folder).entries()
    before = os.geteuid()
    os.seteuid(user)
    try:
        yield folder
    finally:
        os.seteuid(before)
        (folder / "closed").chmod(0o700)
        shutil.rmtree(above)


def test_what_may_not_be_read_is_named_and_stops_nothing(locked: Path) -> None:
    """In a plain folder and in a repository: the rest is listed, and read."""
    tracked = {entry.path: entry.mode for entry in WorkingTree(locked).entries()}
    shutil.rmtree(locked / ".git")
    plain = {entry.path: entry.mode for entry in WorkingTree(locked).entries()}
    known = {"open.yaml": "100644", "secret.yaml": UNREADABLE}
    assert tracked == {**known, "closed/x.yaml": UNREADABLE}
    assert plain == {**known, "closed/": UNREADABLE}
    assert WorkingTree(locked).read(["open.yaml"]) == {"open.yaml": b"open: 1"}


def test_a_scan_goes_on_beside_what_may_not_be_read(locked: Path) -> None:
    """Each is told as skipped, with the reason; the view never tries to read them."""
    shutil.rmtree(locked / ".git")
    scans = scan_repository(FolderView(WorkingTree(locked)), Config.default())
    told = {path: [skip.reason for skip in scan.skipped] for path, scan in scans.items()}
    assert told == {
        "closed/": ["the folder cannot be read: permission denied"],
        "secret.yaml": ["the file cannot be read: permission denied"],
    }


def test_a_git_repository_is_listed_as_git_lists_it(root: Path) -> None:
    """Tracked and new files are listed, ignored and deleted ones are not; submodules are named."""
    git(root, "init", "-q")
    (root / ".gitignore").write_text("ignored/\n*.tmp\n")
    (root / "ignored").mkdir()
    (root / "ignored/x.yaml").write_text("")
    (root / "y.tmp").write_text("")
    (root / "gone.yaml").write_text("")
    git(root, "add", "top.yaml", "gone.yaml", "a")
    (root / "gone.yaml").unlink()
    (root / "new.yaml").write_text("")
    (root / "nested").mkdir()
    git(root / "nested", "init", "-q")
    (root / "nested/n.yaml").write_text("")
    found = {entry.path: entry.mode for entry in WorkingTree(root).entries()}
    assert found == {
        ".gitignore": "100644",
        "a/b/x.yaml": "100644",
        "a/run.sh": "100755",
        "top.yaml": "100644",
        "new.yaml": "100644",
        "file-link.yaml": "120000",
        "dir-link": "120000",
        "loop": "120000",
        "nested": "160000",
    }
    assert {entry.path for entry in WorkingTree(root / "a").entries()} == {"b/x.yaml", "run.sh"}


def test_a_tracked_folder_that_became_a_link_is_not_entered(root: Path, tmp_path: Path) -> None:
    """Git still tracks what was in the folder; what the link leads to is not it."""
    git(root, "init", "-q")
    git(root, "add", "a")
    (root / "a/b").rename(tmp_path / "outside/b")
    (root / "a/b").symlink_to(tmp_path / "outside/b")
    assert "a/b/x.yaml" not in {entry.path for entry in WorkingTree(root).entries()}
    with pytest.raises(EditRefused):
        WorkingTree(root).read(["a/b/x.yaml"])


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_a_checkout_of_another_user_is_listed(root: Path) -> None:
    """A CI checkout owned by another user id can be read."""
    git(root, "init", "-q")
    for folder, names, files in os.walk(root):
        for name in [".", *names, *files]:
            os.chown(Path(folder) / name, 12345, 12345, follow_symlinks=False)
    assert "top.yaml" in {entry.path for entry in WorkingTree(root).entries()}


def test_bytes_are_read_as_they_are(root: Path) -> None:
    """No decoding, no line-end conversion, no BOM removal; a large file is left out."""
    tree = WorkingTree(root)
    assert tree.read(["a/b/x.yaml", "top.yaml"]) == {
        "a/b/x.yaml": b"x: 1\r\n",
        "top.yaml": b"\xef\xbb\xbftop: 1",
    }
    assert list(tree.read(["a/b/x.yaml", "top.yaml"], max_file=6)) == ["a/b/x.yaml"]
    with pytest.raises(EditRefused, match="more than 7"):
        tree.read(["a/b/x.yaml", "top.yaml"], max_total=7)


OUT_OF_BOUNDS = [
    "file-link.yaml",
    "dir-link/secret.yaml",
    "loop/top.yaml",
    "pipe.yaml",
    "a",
    "a/b",
    "missing.yaml",
    "../outside/secret.yaml",
    "a/../top.yaml",
    "/etc/passwd",
    "a//b/x.yaml",
    "./top.yaml",
    "",
    "top.yaml/x",
    "a\0b",
    "x" * 300,
]


@pytest.mark.parametrize("path", OUT_OF_BOUNDS)
def test_nothing_is_read_or_written_through_links_or_out_of_the_root(
    root: Path, tmp_path: Path, path: str
) -> None:
    """Reading raises EditRefused, writing reports it, and no byte anywhere changes."""
    tree = WorkingTree(root)
    with pytest.raises(EditRefused):
        tree.read([path])
    before = names(root)
    refused = tree.write([change(path, b"secret", b"overwritten")])
    assert list(refused) == [path]
    assert (tmp_path / "outside/secret.yaml").read_text() == "secret"
    assert names(root) == before


def test_files_are_replaced_whole_with_their_mode(root: Path) -> None:
    """Content is exact, the mode stays, nothing else is left in the folder."""
    (root / "top.yaml").chmod(0o640)
    refused = WorkingTree(root).write(
        [
            change("top.yaml", b"\xef\xbb\xbftop: 1", b"\r\n\x00new"),
            change("a/run.sh", b"#!/bin/sh\n", b""),
        ]
    )
    assert refused == {}
    assert (root / "top.yaml").read_bytes() == b"\r\n\x00new"
    assert stat.S_IMODE((root / "top.yaml").stat().st_mode) == 0o640
    assert stat.S_IMODE((root / "a/run.sh").stat().st_mode) == 0o755
    assert names(root / "a") == ["b", "run.sh"]


def test_a_file_that_changed_since_is_left_alone_and_the_others_are_written(root: Path) -> None:
    """Someone's edit wins over ours; other files are not held up."""
    refused = WorkingTree(root).write(
        [change("top.yaml", b"what it was", b"new"), change("a/b/x.yaml", b"x: 1\r\n", b"x: 2\r\n")]
    )
    assert list(refused) == ["top.yaml"]
    assert "changed" in refused["top.yaml"].message
    assert (root / "top.yaml").read_bytes() == b"\xef\xbb\xbftop: 1"
    assert (root / "a/b/x.yaml").read_bytes() == b"x: 2\r\n"


def test_git_and_ci_files_are_not_written(root: Path) -> None:
    """The rule of commits holds for a working tree, too."""
    (root / ".github/workflows").mkdir(parents=True)
    (root / ".github/workflows/ci.yaml").write_bytes(b"on: push\n")
    refused = WorkingTree(root).write([change(".github/workflows/ci.yaml", b"on: push\n", b"x")])
    assert list(refused) == [".github/workflows/ci.yaml"]


def test_a_write_that_fails_leaves_the_old_file_and_no_litter(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the disk gives up before the rename, the file is as it was."""

    def broken(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", broken)
    refused = WorkingTree(root).write([change("a/b/x.yaml", b"x: 1\r\n", b"x: 2\r\n")])
    assert "no space" in refused["a/b/x.yaml"].message
    assert (root / "a/b/x.yaml").read_bytes() == b"x: 1\r\n"
    assert names(root / "a/b") == ["x.yaml"]


def test_no_descriptor_is_leaked(root: Path) -> None:
    """Reading, listing and refusals give every descriptor back."""
    tree = WorkingTree(root)
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(3):
        tree.entries()
        tree.read(["a/b/x.yaml", "top.yaml"])
        tree.write([change(path, b"", b"") for path in OUT_OF_BOUNDS])
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_a_root_that_is_no_directory(tmp_path: Path) -> None:
    """A missing root is told at once."""
    with pytest.raises(StartError):
        WorkingTree(tmp_path / "nowhere")


def test_ten_thousand_files_are_listed_and_read_quickly(tmp_path: Path) -> None:
    """10,000 files in 100 folders: less than two seconds of processor time for list and read."""
    for number in range(100):
        folder = tmp_path / f"tree/{number:03}"
        folder.mkdir(parents=True)
        for name in range(100):
            (folder / f"{name}.yaml").write_bytes(b"a: 1\n")
    tree = WorkingTree(tmp_path / "tree")
    started = time.process_time()
    paths = [entry.path for entry in tree.entries()]
    contents = tree.read(paths)
    elapsed = time.process_time() - started
    assert len(contents) == 10_000
    assert elapsed < 2
