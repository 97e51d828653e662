"""Which forge a remote means, and what is said when it means none."""

from __future__ import annotations

import pytest

from imagebot.errors import StartError, UsageError
from imagebot.forge.github_app import App
from imagebot.forge.select import Place, connect, infer, locate
from imagebot.http import HttpClient
from tests.support.skipclock import SkipClock

REMOTES = [
    ("https://github.com/acme/deploy.git", "", Place("https://github.com", "acme/deploy")),
    ("https://github.com/acme/deploy/", "", Place("https://github.com", "acme/deploy")),
    ("git@github.com:acme/deploy.git", "", Place("https://github.com", "acme/deploy")),
    ("ssh://git@git.acme.corp:2222/acme/deploy", "", Place("https://git.acme.corp", "acme/deploy")),
    ("https://git.acme.corp:8443/a/b/c.git", "", Place("https://git.acme.corp:8443", "a/b/c")),
    ("http://127.0.0.1:3000/acme/deploy", "", Place("https://127.0.0.1:3000", "acme/deploy")),
    ("http://127.0.0.1:3000/a/b", "http://127.0.0.1:3000", Place("http://127.0.0.1:3000", "a/b")),
    ("https://corp.example/git/a/b.git", "https://corp.example/git/", Place("https://corp.example/git", "a/b")),
    ("git@corp.example:a/b.git", "https://corp.example/git", Place("https://corp.example/git", "a/b")),
    ("https://user:secret@github.com/acme/deploy.git", "", Place("https://github.com", "acme/deploy")),
]  # fmt: skip


@pytest.mark.parametrize(("remote", "web", "place"), REMOTES)
def test_remotes(remote: str, web: str, place: Place) -> None:
    """A git remote of any usual form names a web address and a project."""
    assert locate(remote, web=web) == place


@pytest.mark.parametrize(
    "remote", ["/srv/deploy.git", "file:///srv/deploy.git", "https://", "ext::sh -c secret", "https://github.com/", ""]
)  # fmt: skip
def test_no_remotes(remote: str) -> None:
    """What names no forge is refused without quoting it."""
    with pytest.raises(UsageError) as caught:
        locate(remote)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "kind"),
    [
        ("https://github.com", "github"),
        ("https://www.github.com/", "github"),
        ("https://gitlab.com", "gitlab"),
        ("https://codeberg.org", "gitea"),
    ],
)
def test_well_known_hosts(url: str, kind: str) -> None:
    """Public forges need no kind."""
    assert infer(url) == kind


@pytest.mark.parametrize("url", ["https://github.com.evil.example", "https://git.acme.corp", ""])
def test_unknown_hosts(url: str) -> None:
    """Any other host must be told, and the error says how."""
    with pytest.raises(UsageError) as caught:
        infer(url)
    assert "gitea" in caught.value.hint


def opened(kind: str, project: str = "acme/deploy", url: str = "https://git.acme.corp", **more):
    with HttpClient(user_agent="t") as http:
        return connect(kind, url=url, project=project, http=http, clock=SkipClock(), **more)


@pytest.mark.parametrize(
    ("kind", "url", "link"),
    [
        ("", "https://github.com", "https://github.com/acme/deploy/blob/c/x"),
        ("github", "https://ghe.acme.corp/", "https://ghe.acme.corp/acme/deploy/blob/c/x"),
        ("GitLab", "https://git.acme.corp", "https://git.acme.corp/acme/deploy/-/blob/c/x"),
        ("forgejo", "https://git.acme.corp", "https://git.acme.corp/acme/deploy/src/commit/c/x"),
    ],
)
def test_kinds(kind: str, url: str, link: str) -> None:
    """Each kind, and Forgejo by its own name, gives its adapter."""
    assert opened(kind, url=url, token="t").forge.file_url("c", "x") == link


def test_a_kind_that_is_none() -> None:
    """A misspelt kind is answered with the nearest one."""
    with pytest.raises(UsageError) as caught:
        opened("githb")
    assert "did you mean github" in caught.value.hint


@pytest.mark.parametrize(
    ("kind", "project"),
    [("github", "deploy"), ("github", "a/b/c"), ("gitlab", "deploy"), ("gitea", "a/../b"),
     ("github", "a/.."), ("github", "a/b?x"), ("gitlab", "a//b"), ("github", "a/b\n"), ("github", "")],
)  # fmt: skip
def test_projects_that_are_none(kind: str, project: str) -> None:
    """A project path that could mean another URL is refused before anything is sent."""
    with pytest.raises(UsageError):
        opened(kind, project)


def test_an_app_is_for_github() -> None:
    """An App beside a token, or for another forge, is refused."""
    app = App("id", "key", 1)
    for kind, token in (("gitlab", ""), ("github", "t")):
        with pytest.raises(UsageError):
            opened(kind, app=app, token=token)


@pytest.mark.parametrize("token", ["two words", "line\nbreak", "nul\0"])
def test_tokens_that_cannot_be_sent(token: str) -> None:
    """A token with blanks inside is refused without being quoted; a final newline is cut."""
    with pytest.raises(StartError) as caught:
        opened("github", token=token)
    assert token not in str(caught.value)
    assert opened("github", token="good\n").credential.token() == "good"


def test_without_a_token() -> None:
    """No token sends no header: a public project can be read."""
    assert opened("gitlab").credential.headers() == {}
