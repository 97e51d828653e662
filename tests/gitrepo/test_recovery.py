"""A broken cache is a slower run, never a failed or a wrong one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from imagebot.errors import EditRefused, GitError
from imagebot.gitrepo.cache import MAX_PACKS
from imagebot.gitrepo.lock import RepositoryLock
from imagebot.gitrepo.mirror import CommitRequest, Mirror
from imagebot.gitrepo.push import RefUpdate
from tests.gitrepo.conftest import BOT, OpenMirror
from tests.gitrepo.test_execution import cycle
from tests.support.gitrepos import RemoteRepo


def packs(place: Path) -> list[Path]:
    return sorted((place / "objects/pack").glob("*.pack"), key=lambda path: path.stat().st_size)


def truncate(place: Path) -> None:
    for pack in packs(place):
        pack.chmod(0o600)
        os.truncate(pack, 20)


def garble(place: Path) -> None:
    for pack in packs(place):
        pack.chmod(0o600)
        data = bytearray(pack.read_bytes())
        data[12:-20] = bytes(len(data) - 32)
        pack.write_bytes(data)


def remove_packs(place: Path) -> None:
    for path in (place / "objects/pack").iterdir():
        path.unlink()


def empty_refs(place: Path) -> None:
    for folder, _, names in os.walk(place / "refs"):
        for name in names:
            (Path(folder) / name).write_text("")


DAMAGE: dict[str, Callable[[Path], object]] = {
    "truncated packs": truncate,
    "garbled packs": garble,
    "no packs": remove_packs,
    "empty refs": empty_refs,
    "bad HEAD": lambda place: (place / "HEAD").write_text("garbage"),
    "no HEAD": lambda place: (place / "HEAD").unlink(),
    "bad config": lambda place: (place / "config").write_bytes(b"\xff[core"),
    "no objects": lambda place: (place / "objects").rename(place / "gone"),
    "stale config lock": lambda place: (place / "config.lock").write_text(""),
    "stale ref lock": lambda place: (place / "refs/imagebot/base.lock").write_text(""),
    "stale packed-refs lock": lambda place: (place / "packed-refs.lock").write_text(""),
    "half a pack": lambda place: (place / "objects/pack/tmp_pack_x").write_text("PACK"),
    "a file in its place": lambda place: (
        place.rename(place.with_name("old")),
        place.write_text(""),
    ),
    "a link in its place": lambda place: (
        place.rename(place.with_name("old")),
        place.symlink_to("old"),
    ),
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE.keys())
def test_a_damaged_cache_is_replaced(
    remote: RemoteRepo, open_mirror: OpenMirror, damage: Callable[[Path], object]
) -> None:
    """Whatever happened to the cache, the next run reaches the same result."""
    with open_mirror() as mirror:
        sha = cycle(mirror)
        place = mirror.directory.git_dir
    damage(place)
    remote.commit({"apps/api.yaml": b"image: api:2\n"}, branch="imagebot/other", parent=sha)
    with open_mirror() as mirror:
        assert cycle(mirror) == sha
        assert not mirror.directory.git_dir.is_symlink()


def test_damage_that_shows_only_while_reading(remote: RemoteRepo, open_mirror: OpenMirror) -> None:
    """A cache that answers the fetch but not the read is replaced in the middle of a run."""
    with open_mirror() as mirror:
        sha = cycle(mirror)
    with open_mirror() as mirror:
        snapshot = mirror.fetch()
        truncate(mirror.directory.git_dir)
        entries = mirror.tree(snapshot.base_sha)
        assert len(mirror.read([entry.sha for entry in entries])) == len(entries)
        assert mirror.commit(
            [CommitRequest(snapshot.base_sha, {"apps/web.yaml": b"image: web:9\n"}, "m", BOT)]
        ) == [sha]


def test_a_remote_that_is_down_costs_no_cache(
    tmp_path: Path, remote: RemoteRepo, open_mirror: OpenMirror
) -> None:
    """When the remote is out of reach the cache stays as it is."""
    with open_mirror() as mirror:
        cycle(mirror)
        before = packs(mirror.directory.git_dir)
    remote.path.rename(tmp_path / "away")
    with open_mirror() as mirror, pytest.raises(GitError, match="ls-remote"):
        mirror.fetch()
    assert packs(mirror.directory.git_dir) == before
    (tmp_path / "away").rename(remote.path)
    with open_mirror() as mirror:
        cycle(mirror)


def test_a_cause_that_is_known_costs_no_cache(open_mirror: OpenMirror) -> None:
    """A base branch that is gone, or too much to read, does not throw a good cache away."""
    with open_mirror() as mirror:
        cycle(mirror)
        before = packs(mirror.directory.git_dir)
    with open_mirror(base="gone") as mirror, pytest.raises(GitError, match="gone"):
        mirror.fetch()
    with open_mirror() as mirror:
        entries = mirror.tree(mirror.fetch().base_sha)
        with pytest.raises(EditRefused):
            mirror.read([entry.sha for entry in entries], max_total=1)
    assert packs(mirror.directory.git_dir) == before


def test_a_worn_cache_is_fetched_anew(open_mirror: OpenMirror) -> None:
    """Packs do not pile up for ever: nothing in the cache is ever repacked in the background."""
    with open_mirror() as mirror:
        base = mirror.fetch().base_sha
        for number in range(MAX_PACKS + 1):
            mirror.commit([CommitRequest(base, {"README.md": str(number).encode()}, "m", BOT)])
        assert len(packs(mirror.directory.git_dir)) > MAX_PACKS
    with open_mirror() as mirror:
        cycle(mirror)
        assert len(packs(mirror.directory.git_dir)) < 5


def test_the_lock_goes_with_its_holder(tmp_path: Path) -> None:
    """A killed run holds nothing: the kernel gives its lock back."""
    path = tmp_path / "lock"
    code = f"import time, pathlib\nfrom imagebot.gitrepo.lock import RepositoryLock\nRepositoryLock(pathlib.Path({str(path)!r})).acquire()\nprint('held', flush=True)\ntime.sleep(300)"
    holder = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, cwd=Path.cwd())
    assert holder.stdout is not None
    with holder.stdout:
        assert holder.stdout.readline() == b"held\n"
        holder.kill()
        holder.wait()
    with RepositoryLock(path):
        assert path.read_text() == f"{os.getpid()}\n"


RUN = """
import sys
from pathlib import Path
from imagebot.gitrepo.mirror import CommitRequest, Mirror
from imagebot.gitrepo.push import RefUpdate
from imagebot.gitrepo.objects import Identity
url, work = sys.argv[1:]
with Mirror.open(url, Path(work), allow_local=True) as mirror:
    s = mirror.fetch()
    mirror.read([e.sha for e in mirror.tree(s.base_sha)])
    who = Identity("imagebot", "imagebot@example.com")
    for branch, path in (("imagebot/a", "apps/web.yaml"), ("imagebot/b", "apps/api.yaml")):
        (sha,) = mirror.commit([CommitRequest(s.base_sha, {path: b"image: new"}, "m", who)])
        if s.branches.get(branch) != sha:
            assert mirror.push([RefUpdate(branch, sha, s.branches.get(branch))])[branch].ok
"""


def start(remote: RemoteRepo, work: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-c", RUN, remote.url, str(work)],
        cwd=Path.cwd(),
        stderr=subprocess.PIPE,
        start_new_session=True,
    )


@pytest.mark.parametrize("moment", [0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.6])
def test_a_killed_run_is_finished_by_the_next(
    tmp_path: Path, remote: RemoteRepo, moment: float
) -> None:
    """Killed at any moment, the next run on the same directory reaches the same branches."""
    process = start(remote, tmp_path / "work")
    time.sleep(moment)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    again = start(remote, tmp_path / "work")
    _, errors = again.communicate(timeout=60)
    assert again.returncode == 0, errors.decode()
    assert sorted(remote.branches()) == ["imagebot/a", "imagebot/b", "main"]
    assert remote.show("imagebot/a", "apps/web.yaml") == b"image: new"
    assert remote.show("imagebot/b", "apps/api.yaml") == b"image: new"


def test_a_full_disk_stops_before_the_remote_is_touched(
    remote: RemoteRepo, open_mirror: OpenMirror
) -> None:
    """When commits cannot be written, an error is raised and no branch is made."""
    mirror = open_mirror()
    base = mirror.fetch().base_sha
    place = mirror.directory.git_dir / "objects" / "pack"
    mirror.read([entry.sha for entry in mirror.tree(base)])
    saved = place.with_name("saved")
    place.rename(saved)
    place.write_text("no directory any more")
    with pytest.raises(GitError):
        mirror.commit([CommitRequest(base, {"README.md": b"x"}, "m", BOT)])
    place.unlink()
    saved.rename(place)
    (sha,) = mirror.commit([CommitRequest(base, {"README.md": b"x"}, "m", BOT)])
    assert mirror.push([RefUpdate("imagebot/x", sha, None)])["imagebot/x"].ok


def test_two_bots_may_share_nothing_but_the_remote(tmp_path: Path, remote: RemoteRepo) -> None:
    """Two mirrors of one repository in two directories do not lock each other out."""
    with (
        Mirror.open(remote.url, tmp_path / "a", allow_local=True) as one,
        Mirror.open(remote.url, tmp_path / "b", allow_local=True) as two,
    ):
        assert one.fetch() == two.fetch()
