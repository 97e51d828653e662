"""Against `git http-backend` on loopback: credentials, refusals, redirects and lost answers."""

from __future__ import annotations

import base64
import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from imagebot.errors import GitError
from imagebot.gitrepo.credentials import HttpsCredentials, SshCredentials
from imagebot.gitrepo.mirror import CommitRequest, Mirror
from imagebot.gitrepo.push import RefUpdate
from tests.gitrepo.conftest import BOT
from tests.gitrepo.test_execution import cycle
from tests.support.gitrepos import RemoteRepo
from tests.support.gitserver import GitServer

pytestmark = pytest.mark.e2e

TOKEN = "S3CRET/t0ken+with=odd&chars%41"


@pytest.fixture
def server(remote: RemoteRepo) -> Iterator[GitServer]:
    with GitServer(remote.path.parent, token=TOKEN).running() as running:
        yield running


@pytest.fixture
def open_http(tmp_path: Path, server: GitServer, remote: RemoteRepo) -> Iterator:
    """Open mirrors over http, with the right token unless told otherwise."""
    with ExitStack() as stack:

        def opened(token: str | None = TOKEN, name: str = "remote.git") -> Mirror:
            credentials = HttpsCredentials(token) if token else None
            mirror = Mirror.open(
                server.url(name), tmp_path / "work", credentials=credentials, allow_local=True
            )
            return stack.enter_context(mirror)

        yield opened


def test_a_whole_cycle_with_a_token(server: GitServer, remote: RemoteRepo, open_http) -> None:
    """Fetch, read in one batch, commit, and push megabytes, each with the token."""
    mirror = open_http()
    sha = cycle(mirror)
    assert remote.sha("imagebot/x") == sha
    (big,) = mirror.commit(
        [CommitRequest(remote.sha("main"), {"README.md": os.urandom(2_500_000)}, "big", BOT)]
    )
    assert mirror.push([RefUpdate("imagebot/big", big, None)])["imagebot/big"].ok
    assert remote.sha("imagebot/big") == big
    assert all(seen.authorization for seen in server.seen if seen.method == "POST")


def test_a_blobless_mirror_asks_for_contents_once(
    server: GitServer, remote: RemoteRepo, open_http
) -> None:
    """Reading every file of a fresh mirror is one more fetch, however many files there are."""
    sha = remote.commit({f"d/{n}.yaml": f"n: {n}\n".encode() for n in range(200)})
    mirror = open_http()
    entries = [entry for entry in (mirror.fetch(), mirror.tree(sha))[1] if entry.regular]
    before = [seen.path for seen in server.seen].count("/remote.git/git-upload-pack")
    assert len(mirror.read([entry.sha for entry in entries])) == len(
        {entry.sha for entry in entries}
    )
    after = [seen.path for seen in server.seen].count("/remote.git/git-upload-pack")
    assert after - before == 1


@pytest.mark.parametrize("token", ["WR0NG-T0KEN", None])
def test_a_wrong_or_missing_token_is_told_without_a_prompt(open_http, token: str | None) -> None:
    """The error has a hint, is not retried, and has no secret in it."""
    with pytest.raises(GitError) as caught:
        open_http(token).fetch()
    assert "token" in caught.value.hint
    assert not caught.value.retryable
    assert "WR0NG" not in f"{caught.value} {caught.value!r}"


@pytest.mark.parametrize(
    ("status", "hint", "retryable"),
    [
        (403, "right", False),
        (404, "no such repository", False),
        (429, "fewer", True),
        (500, "server", True),
        (503, "server", True),
    ],
)
def test_refusals_are_told_apart(
    server: GitServer, open_http, status: int, hint: str, *, retryable: bool
) -> None:
    """Each status has its own hint, and only those that pass are retryable."""
    server.status = status
    with pytest.raises(GitError) as caught:
        open_http().fetch()
    assert hint in caught.value.hint
    assert caught.value.retryable == retryable
    # Git words a 404 as "not found", without its number.
    assert caught.value.status == (0 if status == 404 else status)


def test_a_server_that_is_down_is_retryable(server: GitServer, open_http, tmp_path: Path) -> None:
    """A closed port is an error of the moment."""
    mirror = Mirror.open("http://127.0.0.1:9/x.git", tmp_path / "w", allow_local=True)
    with mirror, pytest.raises(GitError) as caught:
        mirror.fetch()
    assert caught.value.retryable


def test_a_redirect_is_never_followed(server: GitServer, remote: RemoteRepo, open_http) -> None:
    """The place a redirect points to is not contacted at all, by any command."""
    with GitServer(remote.path.parent).running() as other:
        server.redirect = f"http://127.0.0.1:{other.port}"
        mirror = open_http()
        with pytest.raises(GitError) as caught:
            mirror.fetch()
        assert "moved" in caught.value.hint
        server.redirect = ""
        snapshot = mirror.fetch()
        (sha,) = mirror.commit([CommitRequest(snapshot.base_sha, {"README.md": b"x"}, "m", BOT)])
        server.redirect = f"http://127.0.0.1:{other.port}"
        with pytest.raises(GitError):
            mirror.push([RefUpdate("imagebot/x", sha, None)])
        assert other.seen == []


def test_a_push_refused_by_rights_raises(server: GitServer, remote: RemoteRepo, open_http) -> None:
    """When the server forbids the push and the check, no branch counts as pushed."""
    mirror = open_http()
    (sha,) = mirror.commit([CommitRequest(mirror.fetch().base_sha, {"README.md": b"x"}, "m", BOT)])
    server.status = 403
    with pytest.raises(GitError, match="403"):
        mirror.push([RefUpdate("imagebot/x", sha, None)])
    assert remote.sha("imagebot/x") == ""


def test_a_lost_answer_is_asked_for(server: GitServer, remote: RemoteRepo, open_http) -> None:
    """The server did the work and the connection broke: the branch counts as pushed."""
    server.lose_push_reply = True
    mirror = open_http()
    (sha,) = mirror.commit([CommitRequest(mirror.fetch().base_sha, {"README.md": b"x"}, "m", BOT)])
    assert mirror.push([RefUpdate("imagebot/x", sha, None)])["imagebot/x"].ok
    assert remote.sha("imagebot/x") == sha


def test_the_token_stays_in_the_environment_of_network_commands(
    server: GitServer, open_http, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No command line of any process, and no file, ever holds the token in any form."""
    real = shutil.which("git")
    wrapper = tmp_path / "bin" / "git"
    wrapper.parent.mkdir()
    wrapper.write_text(
        f'#!/bin/sh\nlast=none\nfor a; do case "$a" in fetch|push|ls-remote|ls-tree|cat-file|fast-import|diff-tree|rev-list) last=$a;; esac; done\necho "$last ${{IMAGEBOT_TOKEN:+token}} $*" >> {tmp_path}/argv.log\nexec {real} "$@"\n'
    )
    wrapper.chmod(0o755)
    monkeypatch.setenv("PATH", f"{wrapper.parent}:{os.environ['PATH']}")
    pair = base64.b64encode(f"x-access-token:{TOKEN}".encode())
    forms = (TOKEN.encode(), pair, base64.b64encode(TOKEN.encode()), b"S3CRET")
    stop, hits = threading.Event(), []

    def watch() -> None:
        while not stop.is_set():
            for place in Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    line = place.read_bytes()
                except OSError:
                    # The process ended while the list was read.
                    continue
                hits.extend(form for form in forms if form in line)

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        mirror = open_http()
        cycle(mirror)
    finally:
        stop.set()
        watcher.join()
    assert hits == []
    lines = (tmp_path / "argv.log").read_text().splitlines()
    with_token = {line.split()[0] for line in lines if line.split()[1] == "token"}
    without = {line.split()[0] for line in lines if line.split()[1] != "token"}
    assert with_token == {"fetch", "push", "ls-remote"}
    assert {"ls-tree", "cat-file", "fast-import", "diff-tree"} <= without
    held = [
        path
        for path in tmp_path.rglob("*")
        if path.is_file() and any(form in path.read_bytes() for form in forms)
    ]
    assert held == []


def test_an_ssh_url_runs_the_ssh_client_with_our_words(
    tmp_path: Path, remote: RemoteRepo, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A whole cycle through a stand-in for ssh that runs the far command here and notes its words."""
    stand_in = tmp_path / "bin" / "ssh"
    stand_in.parent.mkdir()
    stand_in.write_text(
        f'#!/bin/sh\necho "$*" >> {tmp_path}/ssh.log\nfor last; do :; done\neval "exec $last"\n'
    )
    stand_in.chmod(0o755)
    monkeypatch.setenv("PATH", f"{stand_in.parent}:{os.environ['PATH']}")
    (tmp_path / "key").write_text("k")
    (tmp_path / "known_hosts").write_text("h")
    credentials = SshCredentials(tmp_path / "key", tmp_path / "known_hosts")
    with Mirror.open(
        f"git@host.example:{remote.path}", tmp_path / "w", credentials=credentials
    ) as mirror:
        cycle(mirror)
    lines = (tmp_path / "ssh.log").read_text().splitlines()
    assert any("git-receive-pack" in line for line in lines)
    assert all(
        line.startswith(
            f"-F /dev/null -i {tmp_path}/key -o BatchMode=yes -o StrictHostKeyChecking=yes"
        )
        for line in lines
    )
    assert all("git@host.example" in line for line in lines)
