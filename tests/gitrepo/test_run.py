from __future__ import annotations

import os
import signal
import stat
import subprocess
import threading
import time
from pathlib import Path

import git.cmd  # noqa: F401 -- GitPython asks git for its version once: now, while git is real
import pytest

from imagebot.errors import GitError, StartError
from imagebot.gitrepo import environment
from imagebot.gitrepo.credentials import ASKPASS, HttpsCredentials, SshCredentials, connect
from imagebot.gitrepo.failure import MAX_MESSAGE, sanitise
from imagebot.gitrepo.mirror import Mirror
from imagebot.gitrepo.process import STDERR_CAP
from imagebot.gitrepo.run import GitRunner, preflight
from imagebot.gitrepo.urls import parse


def fake_git(folder: Path, script: str, monkeypatch: pytest.MonkeyPatch, name: str = "git") -> None:
    """Put a program called git before the real one on PATH."""
    folder.mkdir(exist_ok=True)
    (folder / name).write_text(f"#!/bin/sh\n{script}\n")
    (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")


@pytest.fixture
def runner(tmp_path: Path) -> GitRunner:
    return GitRunner(directory=tmp_path, home=tmp_path, timeout=20)


def test_every_variable_and_setting_has_its_reason() -> None:
    """Both tables give a reason for each row."""
    assert all(environment.INHERITED.values())
    assert all(
        reason
        for table in (environment.FIXED, environment.SETTINGS)
        for _, reason in table.values()
    )


def test_a_process_sees_the_table_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, runner: GitRunner
) -> None:
    """The environment of a git process is exactly what the tables name."""
    fake_git(tmp_path / "bin", "env -0", monkeypatch)
    for name in ("REGISTRY_PASSWORD", "GIT_DIR", "WEIRD NAME", "-u", "BASH_FUNC_x%%"):
        monkeypatch.setenv(name, "S3CRET")
    monkeypatch.setenv("https_proxy", "http://proxy:3128")
    monkeypatch.setenv("SSL_CERT_FILE", "/etc/ca.pem")
    found = dict(row.split("=", 1) for row in runner.run(["version"]).decode().split("\0") if row)
    for added_by_sh in ("PWD", "OLDPWD", "SHLVL", "_"):
        found.pop(added_by_sh, None)
    # GitPython sets this one for every process it starts.
    assert found.pop("LANGUAGE") == "C"
    assert found == environment.variables(os.environ, tmp_path)
    assert set(found) <= {
        *environment.INHERITED,
        *environment.FIXED,
        "GIT_SSL_CAINFO",
        "HOME",
        "TMPDIR",
    }
    assert (found["https_proxy"], found["GIT_SSL_CAINFO"]) == ("http://proxy:3128", "/etc/ca.pem")


def test_a_command_that_hangs_is_killed_with_its_children(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After the timeout the whole process group is gone, and the error may be tried again."""
    fake_git(tmp_path / "bin", f"sleep 300 & echo $! > {tmp_path}/child; sleep 300", monkeypatch)
    started = time.monotonic()
    with pytest.raises(GitError, match="took too long") as caught:
        GitRunner(directory=tmp_path, home=tmp_path, timeout=0.5).run(["fetch"])
    assert caught.value.retryable
    assert time.monotonic() - started < 5
    child = int((tmp_path / "child").read_text())
    deadline = time.monotonic() + 5
    while _alive(child) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not _alive(child)


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_a_shutdown_stops_a_running_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A command ends within a second when its owner is told to stop."""
    fake_git(tmp_path / "bin", "sleep 300", monkeypatch)
    stop = threading.Event()
    timer = threading.Timer(0.3, stop.set)
    timer.start()
    started = time.monotonic()
    with pytest.raises(GitError, match="shutting down"):
        GitRunner(directory=tmp_path, home=tmp_path, cancelled=stop.is_set).run(["fetch"])
    timer.join()
    assert time.monotonic() - started < 1.5


def test_an_interrupt_leaves_no_process_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C while git runs ends git, too, though it has no terminal."""
    fake_git(
        tmp_path / "bin",
        f"echo $$ > {tmp_path}/pid; sleep 0.5; kill -INT {os.getpid()}; sleep 300",
        monkeypatch,
    )
    previous = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            GitRunner(directory=tmp_path, home=tmp_path).run(["fetch"])
    finally:
        signal.signal(signal.SIGINT, previous)
    assert not _alive(int((tmp_path / "pid").read_text()))


def test_output_is_capped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, runner: GitRunner
) -> None:
    """Endless output ends the command; endless errors are cut, and the command goes on."""
    fake_git(tmp_path / "bin", "exec yes", monkeypatch)
    with pytest.raises(GitError, match="printed more") as caught:
        runner.run(["ls-tree"], cap=100_000)
    assert not caught.value.retryable
    fake_git(tmp_path / "bin", "yes | head -c 1000000 >&2; echo fine", monkeypatch)
    finished = runner.attempt(["ls-tree"])
    assert (finished.stdout, len(finished.stderr)) == (b"fine\n", STDERR_CAP)


def test_large_input_and_output_do_not_block_each_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, runner: GitRunner
) -> None:
    """Megabytes in and out at once go through; a process that reads none of it is no error."""
    fake_git(tmp_path / "bin", "exec cat", monkeypatch)
    data = os.urandom(3_000_000)
    assert runner.run(["x"], stdin=data) == data
    fake_git(tmp_path / "bin", "echo done", monkeypatch)
    assert runner.run(["x"], stdin=data) == b"done\n"


def test_errors_say_what_git_said_and_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, runner: GitRunner
) -> None:
    """The message carries git's words and status, the hint a next step, and whether to try again."""
    fake_git(
        tmp_path / "bin",
        "echo \"fatal: unable to access 'https://h/': The requested URL returned error: 503\" >&2; exit 128",
        monkeypatch,
    )
    with pytest.raises(GitError, match="git fetch failed with status 128: fatal: unable") as caught:
        runner.run(["fetch"])
    assert (caught.value.status, caught.value.retryable, caught.value.hint) == (
        503,
        True,
        "the server has a problem",
    )


@pytest.mark.parametrize(
    ("raw", "clean"),
    [
        ("fatal: https://user:pw@host/x", "fatal: https://***@host/x"),
        ("ssh://git@host", "ssh://***@host"),
        ("proxy http://a:b%40c@p:1/", "proxy http://***@p:1/"),
        ("\x1b[31mred\x1b[0m\rline\n\n  \n", "red\nline"),
        ("a\x00b\x07c\u202ed", "a?b?c?d"),
        ("token T0KEN and dG9rZW4=", "token *** and ***"),
        ("x" * 5000, "x" * MAX_MESSAGE),
    ],
)
def test_output_is_cleaned(raw: str, clean: str) -> None:
    """Userinfo, secrets, escapes and controls do not reach a message."""
    assert sanitise(raw, ("T0KEN", "dG9rZW4=")) == clean


def test_git_missing_old_or_broken_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each has its own StartError with a hint; the real one passes."""
    assert preflight() >= (2, 30)
    for script, words in (
        ("echo git version 2.29.9", "too old"),
        ("echo hello", "does not say"),
        ("exit 1", "does not say"),
    ):
        fake_git(tmp_path / "bin", script, monkeypatch)
        with pytest.raises(StartError, match=words) as caught:
            preflight()
        assert caught.value.hint
    fake_git(tmp_path / "bin", "echo 'git version 2.50.1 (Apple Git-155)'", monkeypatch)
    assert preflight() == (2, 50, 1)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(StartError, match="not installed"):
        Mirror.open("https://host/r", tmp_path / "w")


def test_importing_the_room_imports_no_gitpython() -> None:
    """Start-up pays for GitPython only when a git command runs."""
    code = "import sys, imagebot.gitrepo.mirror, imagebot.gitrepo.worktree; sys.exit('git' in sys.modules)"
    assert subprocess.run([os.sys.executable, "-c", code], check=False).returncode == 0


def ask(script: Path, environ: dict[str, str], question: str) -> tuple[int, str]:
    found = subprocess.run(
        [script, question], env=environ, capture_output=True, text=True, check=False
    )
    return found.returncode, found.stdout


def test_the_password_script_answers_one_origin_alone(tmp_path: Path) -> None:
    """Git's question about any other scheme, host or port gets no answer."""
    remote = connect(
        parse("https://git.example.com:8443/a"), HttpsCredentials("T0K*N $(id)", "me@x"), tmp_path
    )
    environ, script = dict(remote.environment), Path(remote.environment["GIT_ASKPASS"])
    assert ask(script, environ, "Username for 'https://git.example.com:8443': ") == (0, "me@x\n")
    assert ask(script, environ, "Password for 'https://me@x@git.example.com:8443': ") == (
        0,
        "T0K*N $(id)\n",
    )
    for other in (
        "https://git.example.com",
        "http://git.example.com:8443",
        "https://evil/https://git.example.com:8443x",
        "https://git.example.com:84430",
    ):
        assert ask(script, environ, f"Username for '{other}': ") == (1, "")
        assert ask(script, environ, f"Password for 'https://me@{other[8:]}': ") == (1, "")
    assert ask(script, environ, "Password for 'https://a@evil.com': ") == (1, "")


def test_the_password_script_holds_no_secret_and_is_private(tmp_path: Path) -> None:
    """Secrets are in the process's environment only; a planted script or link is replaced."""
    script = tmp_path / "askpass"
    script.symlink_to(tmp_path / "victim")
    remote = connect(parse("https://host/a"), HttpsCredentials("T0KEN"), tmp_path)
    assert not script.is_symlink()
    assert (script.read_text(), stat.S_IMODE(script.stat().st_mode)) == (ASKPASS, 0o700)
    assert not (tmp_path / "victim").exists()
    assert "T0KEN" not in f"{remote} {remote!r} {HttpsCredentials('T0KEN')!r}"


@pytest.mark.parametrize("token", ["", "a\nb", "a\0b", "tok\r"])
def test_a_token_with_a_line_break_is_told(tmp_path: Path, token: str) -> None:
    """A token that cannot be one is refused without being repeated."""
    with pytest.raises(StartError, match="token"):
        connect(parse("https://host/a"), HttpsCredentials(token), tmp_path)


def test_ssh_needs_a_key_and_known_hosts(tmp_path: Path) -> None:
    """Without both files, or with paths that a shell would read, ssh is refused."""
    url, key, hosts = parse("git@host:a/b"), tmp_path / "key", tmp_path / "known_hosts"
    key.write_text("k")
    with pytest.raises(StartError, match="known_hosts"):
        connect(url, None, tmp_path)
    with pytest.raises(StartError, match="known_hosts"):
        connect(url, HttpsCredentials("t"), tmp_path)
    with pytest.raises(StartError, match="does not exist"):
        connect(url, SshCredentials(key, hosts), tmp_path)
    for bad in ("relative", "/a b", "/a;touch x", "/a$(id)", "/a'b", "/a\nb", "/a%h"):
        with pytest.raises(StartError, match="unusual"):
            connect(url, SshCredentials(Path(bad), hosts), tmp_path)
    with pytest.raises(StartError, match="https"):
        connect(parse("https://host/a"), SshCredentials(key, hosts), tmp_path)


def test_ssh_is_told_to_trust_nothing_else(tmp_path: Path) -> None:
    """The real ssh client takes every option as it is meant."""
    (tmp_path / "key").write_text("k")
    (tmp_path / "known_hosts").write_text("")
    remote = connect(
        parse("git@host:a/b"), SshCredentials(tmp_path / "key", tmp_path / "known_hosts"), tmp_path
    )
    words = remote.environment["GIT_SSH_COMMAND"].split(" ")
    shown = subprocess.run(
        [words[0], "-G", *words[1:], "git@host"], capture_output=True, text=True, check=True
    ).stdout
    options = dict(line.split(" ", 1) for line in shown.splitlines() if " " in line)
    assert options["stricthostkeychecking"] in {"true", "yes"}
    assert options["userknownhostsfile"] == str(tmp_path / "known_hosts")
    assert options["globalknownhostsfile"] == "/dev/null"
    assert options["identityfile"] == str(tmp_path / "key")
    assert (options["batchmode"], options["identitiesonly"], options["forwardagent"]) == (
        "yes",
        "yes",
        "no",
    )
