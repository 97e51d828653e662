"""Git over HTTP in the loop: refused pushes, half-done runs, several repositories, secrets."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from imagebot.pulls.marker import decode
from tests.support.fakegithub import FakeGitHub
from tests.support.gitrepos import git
from tests.support.gitserver import GitServer
from tests.support.loop import LABELS, LOGINS, THREE, Loop, Ran, open_loop

PROTECTED = {
    "pre-receive": "while read old new ref; do REFUSE; done",
    "update": "ref=$1; REFUSE",
}
REFUSE = (
    'case "$ref" in *imagebot/production*)'
    ' echo "production branches are protected" >&2; exit 1;; esac'
)
"""What a server runs before it moves branches: once a push, or once a branch."""


@pytest.fixture
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Loop]:
    """A loop without a repository yet."""
    with open_loop(tmp_path / "loop", monkeypatch) as made:
        yield made


@pytest.fixture(params=LOGINS)
def loop(request: pytest.FixtureRequest, empty: Loop) -> Loop:
    """Three environments that want a request."""
    empty.add(request.param)
    return empty


@pytest.mark.parametrize("hook", ["pre-receive", "update"])
def test_a_protected_branch_costs_its_own_group(empty: Loop, hook: str) -> None:
    """The server's words are passed on, the others get their requests, and the run ends with 3.

    A pre-receive hook, which forges use to protect branches, refuses the push as a whole.
    """
    site = empty.add("gitlab")
    site.remote.hook(hook, PROTECTED[hook].replace("REFUSE", REFUSE))
    ran = empty.run(code=3)
    assert ran.actions == {"dev": "created", "staging": "created", "production": "failed"}
    assert "production branches are protected" in ran["production"]["reason"]
    assert ran["production"]["failed"]
    assert {pull.head for pull in site.fake.pulls.values()} == {
        site.branch("dev"),
        site.branch("staging"),
    }
    (site.remote.path / "hooks" / hook).unlink()
    assert empty.run().actions == dict.fromkeys(THREE[:2], "unchanged") | {"production": "created"}
    empty.settled()


def test_a_branch_without_a_request_gets_one(loop: Loop) -> None:
    """Killed between push and create: the next run opens the requests, and pushes nothing."""
    site = loop.site
    site.fake.faults.status("create", 403, message="no", times=3)
    assert loop.run(code=3).actions == dict.fromkeys(THREE, "failed")
    tips = site.remote.branches()
    assert len(site.bot_branches()) == 3
    assert loop.run().actions == dict.fromkeys(THREE, "created")
    assert site.pushes == 0
    assert site.remote.branches() == tips
    loop.settled()


def test_requests_are_adopted_without_memory(loop: Loop) -> None:
    """The database or the whole work folder is gone: nothing is written, no label twice."""
    site = loop.site
    loop.run()
    before = {number: repr(pull) for number, pull in site.fake.pulls.items()}
    if loop.site.login in {"github", "gitea"}:
        loop.forget()
    else:
        shutil.rmtree(loop.workdir)
    loop.settled()
    assert {number: repr(pull) for number, pull in site.fake.pulls.items()} == before
    assert all(pull.labels == LABELS for pull in site.fake.pulls.values())


def test_a_push_whose_reply_was_lost_is_known(empty: Loop) -> None:
    """The connection died after the server had moved the branches: asked, it says so."""
    site = empty.add("gitea")
    site.git.lose_push_reply = True
    assert empty.run().actions == dict.fromkeys(THREE, "created")
    site.git.lose_push_reply = False
    empty.settled()


BROKEN = {
    "forge": (3, "answered 500"),
    "git": (3, "error: 503"),
    "token": (3, "401"),
}


@pytest.mark.parametrize("broken", BROKEN)
def test_a_broken_repository_stops_itself_alone(empty: Loop, broken: str) -> None:
    """The first of two repositories cannot be served; the second is, and the exit code is 3."""
    bad, good = empty.add("github", "broken"), empty.add("gitea", "whole")
    code, told = BROKEN[broken]
    if broken == "forge":
        bad.fake.faults.status("*", 500, times=20)
    elif broken == "git":
        bad.git.status = 503
    else:
        bad.fake.tokens.clear()
    ran = empty.run(code=code)
    first, second = ran.cycles
    assert (first["repository"], second["repository"]) == (bad.url, good.url)
    assert told in first["problem"]
    assert first["failed"]
    assert [o["action"] for o in second["outcomes"]] == ["created"] * 3
    assert (bad.pushes, bad.fake.pulls) == (0, {})
    assert [pull.labels for pull in good.fake.pulls.values()] == [LABELS] * 3
    bad.fake.faults.queue.clear()
    bad.fake.tokens.add(bad.secret)
    bad.git.status = 0
    first, second = empty.run().cycles
    assert [o["action"] for o in first["outcomes"]] == ["created"] * 3
    assert [o["action"] for o in second["outcomes"]] == ["unchanged"] * 3


def test_git_that_refuses_the_token_is_said(empty: Loop) -> None:
    """The forge takes the token and git does not: exit code 4, what to do, and no prompt."""
    site = empty.add("github", environments=("dev",))
    site.git.token = "another"
    ran = empty.run(code=4)
    assert "the token is wrong, expired or lacks access" in ran.cycle["problem"]
    assert site.writes == []


def test_a_git_redirect_is_not_followed(loop: Loop, tmp_path: Path) -> None:
    """A server that sends git elsewhere: the other origin gets no request at all."""
    other = GitServer(tmp_path)
    with other.running():
        loop.site.git.redirect = other.url("").rstrip("/")
        ran = loop.run(code=4)
    assert other.seen == []
    assert "the repository moved" in ran.cycle["problem"]
    assert loop.site.writes == []
    assert loop.site.fake.pulls == {}


def test_an_api_redirect_takes_no_token_along(empty: Loop) -> None:
    """A forge that sends its API elsewhere: the other forge never sees the first one's token."""
    site, other = empty.add("gitlab", "deploy", ("dev",)), empty.add("gitlab", "other", ("dev",))
    for operation in ("list", "create"):
        target = f"{other.fake.url}/api/v4/projects/acme%2Fother/merge_requests"
        site.fake.faults.status(operation, 307, headers={"Location": target}, times=2)
    first, second = empty.run(code=3).cycles
    assert first["failed"]
    assert not second["failed"]
    assert site.fake.pulls == {}
    assert len(other.fake.pulls) == 1


def test_hundreds_of_places_fit_into_a_body(empty: Loop) -> None:
    """What does not fit is counted; the marker stays whole, so that the next run writes nothing."""
    site = empty.add("github", environments=("dev",))
    text = site.overlay("1.0.0")
    site.remote.commit({f"dev/{n:03}/kustomization.yaml": text for n in range(700)})
    assert empty.run().actions == {"dev": "created"}
    pull = site.pull("dev")
    assert 50_000 < len(pull.body) <= 58_000
    shown = pull.body.count("kustomization.yaml#L")
    assert f"... and {701 - shown} more" in pull.body
    marker = decode(pull.body)
    assert marker is not None
    assert marker.commit == pull.head_sha
    changed = git(site.remote.path, "diff", "--name-only", "main", pull.head).decode().split()
    assert len(changed) == 701
    empty.settled()


@pytest.mark.parametrize("login", LOGINS)
def test_it_is_the_same_as_a_process(empty: Loop, login: str) -> None:
    """The real command on the machine's own clock; an App's token is given back in the end."""
    site = empty.add(login, environments=("dev",))
    assert empty.run_process().actions == {"dev": "created"}
    assert site.pull("dev").labels == LABELS
    if site.app:
        assert isinstance(site.fake, FakeGitHub)
        assert site.fake.revoked
        assert site.fake.issued == {}
    empty.settled()


def _say(loop: Loop) -> None:
    loop.ran.append(Ran(0, "", f"oh: {loop.site.secret}"))


def _commit(loop: Loop) -> None:
    secret = loop.site.secret.encode()
    loop.site.remote.commit({"note": secret}, branch="imagebot/note")


def _write(loop: Loop) -> None:
    loop.site.pull("dev").body += loop.site.secret


def _keep(loop: Loop) -> None:
    (loop.workdir / "config").write_text(loop.site.secret)


def _tell(loop: Loop) -> None:
    loop.registry.heard.append({"authorization": "Basic x"})


@pytest.mark.parametrize("leak", [_say, _commit, _write, _keep, _tell])
def test_a_leak_would_be_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, leak: Callable[[Loop], None]
) -> None:
    """The check after every scenario finds a secret wherever it is put."""
    with open_loop(tmp_path / "loop", monkeypatch, checked=False) as loop:
        loop.add("gitea", environments=("dev",))
        loop.run()
        loop.check()
        leak(loop)
        with pytest.raises(AssertionError):
            loop.check()
