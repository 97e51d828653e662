"""What is GitHub's own: its App, its pace, its links, its 422s, its description."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import pytest
import requests

from imagebot.errors import DuplicatePullRequest, ForgeError, NoCommits, StartError
from imagebot.forge.credential import Pace
from imagebot.forge.github_app import App
from imagebot.forge.select import connect
from imagebot.http import HttpClient
from tests.support.fakegithub import FakeGitHub
from tests.support.fakeserver import Reply
from tests.support.forgebench import Bench, key_pair, open_bench
from tests.support.skipclock import SkipClock

HEAD = "imagebot/web-1a2b3c4d"
BRANCHES = {"main": "a" * 40, HEAD: "b" * 40}


@pytest.fixture
def github() -> Iterator[Bench]:
    with open_bench("github", dict(BRANCHES), SkipClock()) as bench:
        yield bench


@pytest.fixture
def app() -> Iterator[Bench]:
    with open_bench("github-app", dict(BRANCHES), SkipClock()) as bench:
        yield bench


def create(bench: Bench):
    return bench.forge.create(head=HEAD, base="main", title="Update web", body="text")


def test_headers_of_every_call(github: Bench) -> None:
    """Every call names the API version, the media type and us; the token is a bearer token."""
    made = create(github)
    github.forge.comment(made.number, "hello")
    for seen in github.fake.requests:
        assert seen.headers["x-github-api-version"] == "2022-11-28"
        assert seen.headers["accept"] == "application/vnd.github+json"
        assert seen.headers["user-agent"] == "imagebot-tests"
        assert seen.headers["authorization"] == f"Bearer {github.fake.token}"


def test_writes_are_a_second_apart(github: Bench) -> None:
    """Between two writes passes at least a second; reads do not wait."""
    made = create(github)
    for _ in range(2):
        github.forge.label(made.number, ["bug"])
        github.forge.comment(made.number, "x")
        github.forge.open_pulls("")
        github.forge.update(made.number, title="t")
    times = [seen.at for seen in github.fake.writes()]
    assert len(times) == 7
    assert all(later - earlier >= 0.99 for earlier, later in pairwise(times))
    assert len(github.clock.naps) == 6


def test_forges_can_share_a_pace(github: Bench) -> None:
    """Two repositories on one token keep their writes apart together."""
    pace = Pace(github.clock, 1.0)
    with HttpClient(user_agent="imagebot-tests", clock=github.clock) as http:
        both = [
            connect(
                "github",
                url=github.fake.url,
                project="acme/deploy",
                http=http,
                clock=github.clock,
                token=github.fake.token,
                pace=pace,
            )
            for _ in range(2)
        ]
        number = github.fake.add_pull(HEAD).number
        for connection in both:
            connection.forge.comment(number, "x")
    assert len(github.clock.naps) == 1


def test_nothing_between_the_branches(github: Bench) -> None:
    """A 422 for a head without commits is NoCommits: there is nothing to request, and no duplicate."""
    github.fake.git.source[HEAD] = "a" * 40
    with pytest.raises(NoCommits) as caught:
        create(github)
    assert not isinstance(caught.value, DuplicatePullRequest)
    assert caught.value.status == 422
    assert len(github.fake.calls("create")) == 1


@pytest.mark.parametrize("message", ["Validation Failed", "Validierung fehlgeschlagen", ""])
def test_a_422_is_decided_by_looking(github: Bench, message: str) -> None:
    """A 422 whose text says nothing is a duplicate exactly when one is open for this head."""
    github.fake.faults.status("create", 422, message=message, times=2)
    with pytest.raises(ForgeError) as caught:
        create(github)
    assert not isinstance(caught.value, DuplicatePullRequest)
    github.fake.add_pull(HEAD)
    with pytest.raises(DuplicatePullRequest):
        create(github)


def test_a_422_names_the_field(github: Bench) -> None:
    """GitHub's machine-made reasons are told: which field, and what is wrong with it."""
    with pytest.raises(ForgeError) as caught:
        github.forge.create(head="imagebot/none", base="main", title="t", body="")
    assert "head invalid" in caught.value.message


def test_a_list_of_all_that_fails(github: Bench) -> None:
    """When GitHub cannot list `state=all`, its open and closed halves make the history."""
    closed = github.fake.add_pull(HEAD, state="closed")
    merged = github.fake.add_pull(HEAD, state="merged")
    opened = github.fake.add_pull(HEAD)
    github.fake.faults.all_fails = True
    found = github.forge.history(HEAD, "main")
    assert [(p.number, p.state) for p in found] == [
        (opened.number, "open"),
        (merged.number, "merged"),
        (closed.number, "closed"),
    ]


def test_a_next_page_elsewhere(github: Bench) -> None:
    """A Link to another origin is refused, and that origin is never asked."""
    with FakeGitHub(branches=dict(BRANCHES)) as other:
        github.fake.faults.foreign_next = f"{other.api_url}/repos/acme/deploy/pulls"
        with pytest.raises(ForgeError) as caught:
            github.forge.open_pulls("")
        assert "another host" in caught.value.message
        assert other.requests == []


def test_too_many_pages(github: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """A list longer than the cap raises; it is not cut."""
    monkeypatch.setattr("imagebot.forge.rest.PAGE_CAP", 2)
    for number in range(201):
        github.fake.add_pull(f"x/{number}")
    with pytest.raises(ForgeError) as caught:
        github.forge.open_pulls("")
    assert "more than 2 pages" in caught.value.message


def test_an_app_gets_a_narrow_token(app: Bench) -> None:
    """The installation token is for one repository and four permissions, and is given back."""
    create(app)
    asked = app.fake.calls("token")[0].body
    assert asked == {
        "repositories": ["deploy"],
        "permissions": {
            "contents": "write",
            "pull_requests": "write",
            "metadata": "read",
            "issues": "write",
        },
    }
    assert app.connection is not None
    token = app.connection.credential.token()
    assert app.fake.requests[-1].headers["authorization"] == f"Bearer {token}"
    app.connection.close()
    assert app.fake.revoked == [token]
    assert app.fake.issued == {}
    app.connection.close()
    assert app.fake.revoked == [token]


def test_a_token_is_renewed_before_it_ends(app: Bench) -> None:
    """One token serves four fifths of its life; then another is fetched."""
    app.forge.open_pulls("")
    app.clock.advance(2870)
    app.forge.open_pulls("")
    assert len(app.fake.calls("token")) == 1
    app.clock.advance(20)
    app.forge.open_pulls("")
    assert len(app.fake.calls("token")) == 2
    assert len(app.fake.calls("list")) == 3


def test_a_revoked_token_in_the_middle(app: Bench) -> None:
    """A token that is revoked while we work is replaced once, even in front of a write."""
    app.forge.open_pulls("")
    app.fake.issued.clear()
    create(app)
    assert len(app.fake.pulls) == 1
    assert len(app.fake.calls("token")) == 2


def test_401_for_ever(app: Bench) -> None:
    """A forge that refuses every token is asked twice and no more."""
    app.fake.faults.status("list", 401, message="Bad credentials", times=99)
    with pytest.raises(ForgeError) as caught:
        app.forge.open_pulls("")
    assert caught.value.status == 401
    assert len(app.fake.calls("list")) == 2


@pytest.mark.parametrize("skew", [-86_400, -900, -30, 30, 900, 86_400])
def test_a_clock_that_is_wrong(skew: int) -> None:
    """A clock off by minutes or a day still gets a token: GitHub's Date header is believed."""
    clock = SkipClock()
    with open_bench("github-app", dict(BRANCHES), clock, now=lambda: clock.now() + skew) as bench:
        create(bench)
        assert len(bench.fake.pulls) == 1
        assert len(bench.fake.calls("token")) <= 2
        clock.advance(2700)
        bench.forge.open_pulls("")
        assert len(bench.fake.calls("list")) == len(
            [s for s in bench.fake.calls("list") if s.status == 200]
        )


def test_an_app_without_issues(app: Bench) -> None:
    """An App without issues: write still opens requests; only labels say what is missing."""
    app.fake.apps[4711].permissions.pop("issues")
    made = create(app)
    with pytest.raises(ForgeError) as caught:
        app.forge.label(made.number, ["bug"])
    assert caught.value.status == 403
    assert "issues: write" in caught.value.hint


@pytest.mark.parametrize("installation", [1, 4711])
def test_an_app_that_is_refused(installation: int) -> None:
    """A wrong installation or key is told as such, without key or JWT in the message."""
    other, _ = key_pair.__wrapped__()
    with (
        FakeGitHub(branches=dict(BRANCHES)) as fake,
        HttpClient(user_agent="imagebot-tests") as http,
    ):
        fake.add_app(key_pair()[1])
        connection = connect(
            "github",
            url=fake.url,
            project="acme/deploy",
            http=http,
            clock=SkipClock(),
            app=App("Iv23liCanaryClient", other, installation),
        )
        with pytest.raises(ForgeError) as caught:
            connection.forge.open_pulls("")
        assert caught.value.status == (404 if installation == 1 else 401)
        assert "installation id" in caught.value.hint
        assert "eyJ" not in str(caught.value)
        connection.close()
        assert fake.revoked == []


@pytest.mark.parametrize("key", ["", "not a key", "-----BEGIN RSA PRIVATE KEY-----\nAAAA\n-----END RSA PRIVATE KEY-----\n"])  # fmt: skip
def test_a_key_that_cannot_sign(app: Bench, key: str) -> None:
    """A broken private key is a StartError that does not quote it."""
    with HttpClient(user_agent="imagebot-tests") as http:
        connection = connect(
            "github",
            url=app.fake.url,
            project="acme/deploy",
            http=http,
            clock=app.clock,
            app=App("x", key, 4711),
        )
        with pytest.raises(StartError) as caught:
            connection.forge.open_pulls("")
    assert "AAAA" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert "AAAA" not in repr(App("x", key, 1))


def test_a_token_server_that_fails(app: Bench) -> None:
    """When GitHub gives no token for its own reasons, the error says that it may later."""
    app.fake.faults.status("token", 503, times=9)
    with pytest.raises(ForgeError) as caught:
        app.forge.open_pulls("")
    assert caught.value.retryable
    app.fake.faults.queue.clear()
    app.fake.faults.garbage("token")
    with pytest.raises(ForgeError) as caught:
        app.forge.open_pulls("")
    assert "no installation token" in caught.value.message


def test_the_fake_refuses_what_github_would(github: Bench) -> None:
    """The judge bites: a request or a reply against GitHub's description is a 500 that says why."""
    headers = {
        "Authorization": f"Bearer {github.fake.token}",
        "X-GitHub-Api-Version": "2022-11-28",
    }
    pulls = f"{github.fake.api_url}/repos/acme/deploy/pulls"
    bad = [
        requests.post(pulls, json={"head": HEAD, "title": "t"}, headers=headers, timeout=5),
        requests.post(pulls, json={"head": HEAD, "base": "main", "title": 7}, headers=headers, timeout=5),
        requests.get(f"{pulls}?state=bogus", headers=headers, timeout=5),
        requests.patch(f"{pulls}/1", json={"state": "merged"}, headers=headers, timeout=5),
    ]  # fmt: skip
    assert [reply.status_code for reply in bad] == [500] * 4
    assert "base" in bad[0].text
    github.fake.add_pull(HEAD)
    github.fake._get = lambda *_: Reply(200, {"number": 1})
    assert requests.get(f"{pulls}/1", headers=headers, timeout=5).status_code == 500
    assert len(github.fake.violations) == 5
    github.fake.violations.clear()
