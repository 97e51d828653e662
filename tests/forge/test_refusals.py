"""What every web forge's adapter does with rates, refusals, strange lists and secrets."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from imagebot.errors import ForgeError
from imagebot.forge.port import PullRequest
from tests.support.forgebench import REST, Bench, open_bench
from tests.support.skipclock import SkipClock

HEAD = "imagebot/web-1a2b3c4d"
BRANCHES = {"main": "a" * 40, HEAD: "b" * 40}


@pytest.fixture(params=REST)
def plain(request: pytest.FixtureRequest) -> Iterator[Bench]:
    with open_bench(request.param, dict(BRANCHES), SkipClock()) as bench:
        yield bench


def create(bench: Bench) -> PullRequest:
    return bench.forge.create(head=HEAD, base="main", title="Update web", body="text")


@pytest.mark.parametrize(
    ("status", "headers", "slept"),
    [
        (429, {"Retry-After": "7"}, 7),
        (403, {"Retry-After": "30"}, 30),
        (403, {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "+20"}, 21),
        (429, {"RateLimit-Remaining": "0", "RateLimit-Reset": "+5"}, 6),
    ],
)
def test_a_short_limit_is_waited_out(plain: Bench, status: int, headers: dict, slept: int) -> None:
    """A limit that ends within a minute is slept and the write then happens, once."""
    now = int(plain.clock.now())
    told = {k: str(now + int(v)) if v.startswith("+") else v for k, v in headers.items()}
    plain.fake.faults.status("create", status, message="slow down", headers=told)
    create(plain)
    assert len(plain.fake.pulls) == 1
    assert slept - 2 <= max(plain.clock.naps) <= slept + 1


@pytest.mark.parametrize(
    ("status", "message", "headers", "wait"),
    [
        (403, "You have exceeded a secondary rate limit.", {}, 60),
        (429, "Too Many Requests", {}, 60),
        (403, "API rate limit exceeded", {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "+900"}, 901),
        (403, "abuse", {"Retry-After": "600"}, 600),
        (429, "slow down", {"Retry-After": "61"}, 61),
    ],
)  # fmt: skip
def test_a_long_limit_is_deferred(
    plain: Bench, status: int, message: str, headers: dict, wait: int
) -> None:
    """A longer limit, or one without a time, is not slept: the error says when to come back."""
    now = plain.clock.now()
    told = {k: str(int(now) + int(v)) if v.startswith("+") else v for k, v in headers.items()}
    plain.fake.faults.status("create", status, message=message, headers=told)
    with pytest.raises(ForgeError) as caught:
        create(plain)
    assert caught.value.retryable
    assert caught.value.status == status
    assert now + wait - 2 <= caught.value.not_before <= plain.clock.now() + wait + 2
    assert max(plain.clock.naps, default=0) <= 1
    assert len(plain.fake.calls("create")) == 1
    before = len(plain.fake.requests)
    with pytest.raises(ForgeError) as caught:
        plain.forge.open_pulls("")
    assert caught.value.not_before
    assert len(plain.fake.requests) == before, "a host that asked for a pause was asked again"


def test_limits_without_end(plain: Bench) -> None:
    """A forge that limits every call is given up within a minute of sleep."""
    plain.fake.faults.status("create", 403, message="x", headers={"Retry-After": "20"}, times=99)
    with pytest.raises(ForgeError) as caught:
        create(plain)
    assert caught.value.not_before > plain.clock.now()
    assert sum(plain.clock.naps) <= 63


@pytest.mark.parametrize("status", [401, 403, 404])
def test_refusals_say_what_to_do(plain: Bench, status: int) -> None:
    """401, 403 and 404 name the call, the forge's words and the missing scope or role."""
    plain.fake.faults.status("create", status, message="No such luck", times=2)
    with pytest.raises(ForgeError) as caught:
        create(plain)
    error = caught.value
    assert error.status == status
    assert not error.retryable
    assert "POST" in error.message
    assert "No such luck" in error.message
    assert error.hint
    if status != 401:
        assert "write" in error.hint or "Developer" in error.hint


def test_an_html_error_page_is_not_quoted(plain: Bench) -> None:
    """A proxy's page gives its status, not its markup."""
    plain.fake.faults.status("create", 403)
    with pytest.raises(ForgeError) as caught:
        create(plain)
    assert "<" not in caught.value.message
    assert "403" in caught.value.message


def test_messages_are_one_clean_short_line(plain: Bench) -> None:
    """Control characters, direction marks and long texts of a forge do not reach a terminal."""
    evil = "bad\x1b[31m\r\nFAKE LOG LINE\u202e\u2028" + "x" * 5000
    plain.fake.faults.status("create", 400, message=evil)
    with pytest.raises(ForgeError) as caught:
        create(plain)
    message = caught.value.message
    assert message.isprintable()
    assert len(message) < 450
    assert "FAKE LOG LINE" in message


def test_no_token_in_messages_or_logs(plain: Bench, caplog: pytest.LogCaptureFixture) -> None:
    """A forge that sends our token back does not get it into errors, logs or repr."""
    caplog.set_level(logging.DEBUG)
    assert plain.connection is not None
    token = plain.connection.credential.token()
    assert len(token) > 8
    plain.fake.faults.status("create", 400, message=f"cannot use {token} for this")
    with pytest.raises(ForgeError) as caught:
        create(plain)
    plain.fake.faults.cut("create")
    create(plain)
    shown = f"{caught.value} {caught.value!r} {caplog.text} {plain.connection!r} {plain.forge!r}"
    assert token not in shown
    assert "***" in str(caught.value)
    for seen in plain.fake.requests:
        assert token not in seen.target
        assert token.encode() not in seen.raw


def test_a_new_token_is_not_asked_for_a_fixed_one(plain: Bench) -> None:
    """A refused fixed token ends the call; an App fetches another and goes on."""
    plain.fake.faults.status("list", 401, message="Bad credentials")
    if plain.kind == "github-app":
        assert plain.forge.open_pulls("") == []
        assert len(plain.fake.calls("token")) == 2
    else:
        with pytest.raises(ForgeError):
            plain.forge.open_pulls("")
        assert len(plain.fake.calls("list")) == 1


def test_forks_are_no_requests_of_ours(plain: Bench) -> None:
    """A fork's branch of the same name, or of a fork that is gone, is in no list and no get."""
    fork = plain.fake.add_pull(HEAD, fork=True)
    ghost = plain.fake.add_pull(HEAD, ghost=True)
    plain.fake.faults.ignore_filters = True
    assert list(plain.forge.open_pulls("imagebot/")) == []
    assert list(plain.forge.history(HEAD, "main")) == []
    assert plain.forge.get(fork.number) is None
    assert plain.forge.get(ghost.number) is None
    plain.fake.pulls.pop(ghost.number)
    mine = create(plain)
    assert [p.number for p in plain.forge.history(HEAD, "main")] == [mine.number]


def test_a_forge_that_ignores_filters(plain: Bench) -> None:
    """A server that answers a filtered list with everything changes nothing."""
    for number in range(120):
        plain.fake.add_pull(f"feature/{number}", state="closed" if number % 2 else "open")
    mine = create(plain)
    plain.fake.add_pull(HEAD, "release")
    plain.fake.faults.ignore_filters = True
    assert [p.number for p in plain.forge.history(HEAD, "main")] == [mine.number]
    assert len(plain.forge.open_pulls("feature/")) == 60


def test_a_thousand_requests(plain: Bench) -> None:
    """Every page of a long list is read, once each."""
    for number in range(1000):
        plain.fake.add_pull(f"imagebot/app-{number:04d}", title="t")
    found = plain.forge.open_pulls("imagebot/")
    assert [p.number for p in found] == list(range(1000, 0, -1))
    assert len(plain.fake.calls("list")) <= 22


def test_a_failed_page_is_no_list(plain: Bench) -> None:
    """When the second page of a list fails, the first is not given either."""
    for number in range(150):
        plain.fake.add_pull(f"imagebot/app-{number}")
    plain.fake.faults.status("list", 404, message="gone", skip=1)
    with pytest.raises(ForgeError):
        plain.forge.open_pulls("imagebot/")
    assert len(plain.fake.calls("list")) == 2


def test_a_list_that_is_no_list(plain: Bench) -> None:
    """A success that is not JSON, or not a list, raises."""
    plain.fake.faults.garbage("list")
    with pytest.raises(ForgeError) as caught:
        plain.forge.open_pulls("imagebot/")
    assert "not JSON" in caught.value.message


def test_lost_sight_is_not_absence(plain: Bench) -> None:
    """A 404 for everything is an error, not a request that is gone."""
    made = create(plain)
    plain.fake.faults.status("get", 404, message="Not Found")
    plain.fake.faults.status("repository", 404, message="Not Found")
    with pytest.raises(ForgeError) as caught:
        plain.forge.get(made.number)
    assert caught.value.status == 404


def test_a_proxys_404_is_not_absence(plain: Bench) -> None:
    """A 404 in HTML comes from a proxy, so it says nothing about the request."""
    made = create(plain)
    plain.fake.faults.status("get", 404)
    with pytest.raises(ForgeError):
        plain.forge.get(made.number)


def test_an_archived_repository(plain: Bench) -> None:
    """A read-only project refuses with a reason, and is not asked again in this call."""
    plain.fake.archived = True
    with pytest.raises(ForgeError) as caught:
        create(plain)
    assert caught.value.status in {403, 423}
    assert caught.value.hint
    assert len(plain.fake.calls("create")) == 1
