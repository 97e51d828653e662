"""The machine under imagebot: disks, memory of earlier runs, users, signals, environments.

Whatever it lacks is said with a code that means it, before anything is written elsewhere.
"""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from imagebot.registry.server import EmbeddedRegistry
from imagebot.registry.server_routes import Answer, Request
from tests.support.crash import Zygote
from tests.support.gitrepos import RemoteRepo
from tests.support.worlds import Front, World

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount and change users")
THREE = ("created", "created", "created")
SAME = ("unchanged", "unchanged", "unchanged")


def test_a_workdir_that_cannot_be_used_is_said(world: World) -> None:
    """A file where the folder should be: exit 4 with a hint, and nothing was written anywhere."""
    world.workdir.write_text("in the way")
    ran = world.run()
    assert ran.code == 4
    assert str(world.workdir) in ran.err + ran.out
    assert world.remote.branches().keys() == {"main"}
    world.workdir.unlink()
    world.settle(*THREE)


@as_root
@pytest.mark.parametrize("limit", ["size=16k", "nr_inodes=6", "ro"])
def test_a_full_disk_writes_nothing_remote(world: World, limit: str) -> None:
    """No space, no inodes, or read-only: a clean error before any branch or request."""
    world.workdir.mkdir()
    mount = f'mount -t tmpfs -o {limit} none "{world.workdir}" && exec "$@"'
    ran = world.cold("unshare", "-m", "sh", "-c", mount, "sh")
    assert ran.code in {3, 4}, (ran.out, ran.err)
    assert "Traceback" not in ran.err
    assert ran.err + ran.out
    assert world.remote.branches().keys() == {"main"}
    assert world.pulls == {}
    world.settle(*THREE)


@as_root
def test_a_disk_that_fills_up_in_the_middle_converges(world: World) -> None:
    """Enough room for a part of the work only, at many sizes: a clean end, and the next run fits."""
    world.workdir.mkdir()
    for pages in range(12, 44, 8):
        mount = f'mount -t tmpfs -o size={pages * 4}k none "{world.workdir}" && exec "$@"'
        ran = world.cold("unshare", "-m", "sh", "-c", mount, "sh")
        assert ran.code in {0, 3, 4}, (pages, ran.code, ran.out, ran.err)
        assert "Traceback" not in ran.err
    world.settle()
    assert len(world.open_pulls()) == 3
    world.settle(*SAME)


def test_a_state_of_rubbish_is_begun_anew(world: World) -> None:
    """The state is a memory, not the truth: rubbish is moved aside with a warning."""
    world.settle(*THREE)
    state = world.workdir / "state.db"
    state.write_bytes(b"not a database at all\n" * 400)
    ran = world.settle(*SAME)
    assert "state" in ran.err
    with sqlite3.connect(state) as healthy:
        assert healthy.execute("pragma integrity_check").fetchone() == ("ok",)
    healthy.close()


def test_a_state_of_a_newer_version_is_left_alone(world: World) -> None:
    """A newer imagebot's state is refused, whole, with a hint: it is not ours to rewrite."""
    world.settle(*THREE)
    state = world.workdir / "state.db"
    database = sqlite3.connect(state)
    with database:
        (before,) = database.execute("select number from imagebot_about").fetchone()
        database.execute("update imagebot_about set number = ?", (before + 98,))
    database.close()
    ran = world.run()
    assert ran.code == 4, (ran.out, ran.err)
    assert "newer" in ran.err + ran.cycle["problem"]
    database = sqlite3.connect(state)
    assert database.execute("select number from imagebot_about").fetchone() == (before + 98,)
    database.close()


def test_a_closed_stdout_is_no_bug(world: World) -> None:
    """Started without a standard output: the requests are opened, and the code says so."""
    command = 'exec "$@" >&-'
    ran = world.cold("sh", "-c", command, "sh")
    assert len(world.open_pulls()) == 3
    assert ran.code == 0, ran.err
    assert "Traceback" not in ran.err


def test_a_reader_that_goes_away_stops_no_work(world: World) -> None:
    """Stdout is a pipe without a reader: the requests are opened all the same."""
    world.release("1.2.0")
    reader, writer = os.pipe()
    os.close(reader)
    try:
        gone = world.cold(capture_output=False, stdout=writer, stderr=subprocess.PIPE)
    finally:
        os.close(writer)
    assert all(pull["title"].endswith("1.2.0") for pull in world.open_pulls())
    assert gone.code == 0, gone.err
    assert gone.err == ""


@pytest.mark.parametrize(
    "change",
    [{"HOME": None}, {"HOME": "/proc"}, {"LC_ALL": "C"}, {"LC_ALL": None, "TERM": "dumb"}],
    ids=["no home", "a read-only home", "ASCII", "no locale"],
)
def test_a_bare_environment_is_enough(world: World, change: dict[str, str | None]) -> None:
    """Neither a home nor a locale is needed."""
    env = {name: value for name, value in (world.env | change).items() if value is not None}
    ran = world.cold(env=env)
    assert ran.code == 0, ran.err
    assert len(world.open_pulls()) == 3


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user can enter, which pytest's own are not."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder)
        path.chmod(0o755)
        yield path


@as_root
def test_a_user_without_an_account_is_enough(
    open_folder: Path, zygote: Zygote, registry: EmbeddedRegistry
) -> None:
    """Containers run under a number that no passwd file knows."""
    world = World(open_folder / "world", registry, zygote)
    world.release("1.0.0", "1.1.0")
    for path in (world.folder, *world.folder.rglob("*")):
        os.chown(path, 54321, 54321)
    ran = world.run(uid=54321, env=world.env | {"HOME": "/nonexistent"})
    assert ran.code == 0, ran.out + ran.err
    assert len(world.open_pulls()) == 3
    assert {path.stat().st_uid for path in world.workdir.rglob("*")} == {54321}


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)], ids=["TERM", "INT"]
)
def test_a_signal_ends_the_run_at_once(
    tmp_path: Path, zygote: Zygote, registry: EmbeddedRegistry, number: int, code: int
) -> None:
    """Evicted in the middle: the code says so within five seconds, and the lock is free."""
    waiting, go = threading.Event(), threading.Event()

    def hang(request: Request, reply: Answer) -> Answer:
        if "/tags/" in request.target:
            waiting.set()
            go.wait(30)
        return reply

    with Front(registry) as front:
        world = World(tmp_path / "world", registry, zygote, host=front.host)
        world.release("1.0.0", "1.1.0")
        front.spoil = hang
        process = world.start()
        try:
            assert waiting.wait(30)
            begun = time.monotonic()
            process.signal(number)
            ran = process.wait(30)
        finally:
            go.set()
        assert time.monotonic() - begun < 5
        assert ran.code == code, ran.err
        assert world.pulls == {}
        front.spoil = lambda request, reply: reply
        world.settle(*THREE)


def test_a_signal_during_a_push_takes_git_along(world: World) -> None:
    """Evicted while a server's hook sleeps: no git of ours stays behind, and the lock is free."""
    began = world.folder / "began"
    world.remote.hook("pre-receive", f'touch "{began}"; exec sleep 30')
    process = world.start()
    deadline = time.monotonic() + 30
    while not began.exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    begun = time.monotonic()
    process.signal(signal.SIGTERM)
    ran = process.wait(30)
    assert ran.code == 143, ran.err
    assert time.monotonic() - begun < 5
    assert world.pulls == {}
    (world.remote.path / "hooks" / "pre-receive").unlink()
    world.settle(*THREE)


@pytest.mark.parametrize("verb", ["rev-parse", "merge-base", "cat-file", "for-each-ref", "push"])
def test_a_git_that_dies_is_no_answer(world: World, tmp_path: Path, verb: str) -> None:
    """Git is killed at one thing, by the machine: no branch seems gone, no request refused."""
    world.settle(*THREE)
    world.release("1.2.0")
    shim = tmp_path / "bin" / "git"
    shim.parent.mkdir()
    shim.write_text(
        f'#!/bin/sh\ncase " $* " in *" {verb} "*) kill -9 $$;; esac\n'
        f'exec {shutil.which("git")} "$@"\n'
    )
    shim.chmod(0o755)
    ran = world.run(env=world.env | {"PATH": f"{shim.parent}:{os.environ['PATH']}"})
    assert ran.code in {3, 4}, ran.reasons
    assert len(world.open_pulls()) == 3
    assert len(world.pulls) == 3
    world.settle("updated", "updated", "updated")
    world.settle(*SAME)


def test_a_missing_git_is_said_before_anything_else(world: World, tmp_path: Path) -> None:
    """No git on PATH, or a too old one: exit 4 and what to install."""
    empty = tmp_path / "bin"
    empty.mkdir()
    ran = world.cold(env=world.env | {"PATH": str(empty)})
    assert ran.code == 4
    assert "install git" in ran.out + ran.err
    assert "Traceback" not in ran.err
    (empty / "git").write_text("#!/bin/sh\necho git version 1.8.3.1\n")
    (empty / "git").chmod(0o755)
    ran = world.cold(env=world.env | {"PATH": f"{empty}:{os.environ['PATH']}"})
    assert ran.code == 4
    assert "too old" in ran.out + ran.err


def test_a_poisoned_environment_has_no_effect(world: World, tmp_path: Path) -> None:
    """GIT_* variables and a home full of traps: nothing runs, nothing moves elsewhere."""
    marker = tmp_path / "ran"
    trap = tmp_path / "trap.sh"
    trap.write_text(f"#!/bin/sh\ntouch {marker}\n")
    trap.chmod(0o755)
    elsewhere = RemoteRepo(tmp_path / "elsewhere.git")
    (world.home / ".gitconfig").write_text(
        f"[core]\n\thooksPath = {tmp_path}\n\tfsmonitor = {trap}\n[credential]\n\thelper = {trap}\n"
        f'[url "{elsewhere.path}"]\n\tinsteadOf = {world.remote.path}\n[alias]\n\tpush = !{trap}\n'
    )
    poison = {
        "GIT_DIR": str(elsewhere.path),
        "GIT_WORK_TREE": "/",
        "GIT_INDEX_FILE": str(tmp_path / "index"),
        "GIT_OBJECT_DIRECTORY": str(tmp_path / "objects"),
        "GIT_ALTERNATE_OBJECT_DIRECTORIES": "/nonexistent",
        "GIT_CEILING_DIRECTORIES": "/",
        "GIT_NAMESPACE": "evil",
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "core.fsmonitor",
        "GIT_CONFIG_VALUE_0": str(trap),
        "GIT_CONFIG_PARAMETERS": f"'core.sshcommand={trap}'",
        "GIT_SSH_COMMAND": str(trap),
        "GIT_ASKPASS": str(trap),
        "GIT_EXTERNAL_DIFF": str(trap),
        "GIT_PAGER": str(trap),
        "GIT_EDITOR": str(trap),
        "GIT_PROXY_COMMAND": str(trap),
        "GIT_TEMPLATE_DIR": str(tmp_path),
        "GIT_EXEC_PATH": str(tmp_path),
        "GIT_TRACE": str(tmp_path / "trace"),
        "GIT_TRACE2": str(tmp_path / "trace"),
        "GIT_AUTHOR_NAME": "Mallory",
        "GIT_COMMITTER_EMAIL": "mallory@example.com",
        "LANGUAGE": "de",
        "LC_ALL": "de_DE.UTF-8",
    }
    ran = world.run(env=world.env | poison)
    assert ran.code == 0, ran.out
    assert not marker.exists()
    assert not (tmp_path / "trace").exists()
    assert not (tmp_path / "index").exists()
    assert elsewhere.branches() == {}
    clean = world.picture()
    world.settle(*SAME)
    assert world.picture() == clean
