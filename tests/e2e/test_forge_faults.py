"""What a forge does wrong, and that the loop ends right: nothing twice, nothing lost, all said."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from imagebot.pulls.marker import decode
from tests.support.loop import LABELS, LOGINS, Loop, open_loop

PRIMARY = {"X-RateLimit-Remaining": "0", "X-RateLimit-Limit": "5000"}
SECONDARY = "You have exceeded a secondary rate limit. Please wait."
HOUR = 3600
ADAPTERS = ("github", "gitlab", "gitea")
"""The logins that differ in more than the token; for what takes long."""


@pytest.fixture(params=LOGINS)
def loop(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Loop]:
    """One environment, `dev`, that wants a request."""
    with open_loop(tmp_path / "loop", monkeypatch) as made:
        made.add(request.param, environments=("dev",))
        yield made


def converged(loop: Loop) -> None:
    """One open request with its text and labels, and a next run that has nothing to do."""
    site = loop.site
    (pull,) = (p for p in site.fake.pulls.values() if p.head == site.branch("dev") and not p.fork)
    assert (pull.state, pull.title) == ("open", "dev: web 1.0.0 → 1.1.0")
    assert pull.labels == LABELS
    assert decode(pull.body) is not None
    loop.settled()


def test_a_lost_reply_makes_no_second_request(loop: Loop) -> None:
    """The forge made the request and the answer never came: the one that is there is taken."""
    loop.site.fake.faults.cut("create", after=True)
    assert loop.run().actions == {"dev": "created"}
    assert loop.site.writes.count("create") == 1
    converged(loop)


def test_a_failure_before_the_work_is_tried_again(loop: Loop) -> None:
    """The forge's gateway failed first: after a look that finds nothing, one more try."""
    loop.site.fake.faults.status("create", 502)
    assert loop.run().actions == {"dev": "created"}
    assert loop.site.writes.count("create") == 2
    converged(loop)


def test_a_page_instead_of_a_reply(loop: Loop) -> None:
    """A success with an HTML page may have been carried out: it is looked up, not repeated."""
    loop.site.fake.faults.garbage("create")
    assert loop.run().actions == {"dev": "created"}
    assert loop.site.writes.count("create") == 1
    converged(loop)


def test_a_page_instead_of_a_list_stops_before_any_write(loop: Loop) -> None:
    """What is open cannot be known: nothing is pushed or opened, and the plan is still told."""
    loop.site.fake.faults.garbage("list", times=9)
    ran = loop.run(code=3)
    assert "something that is not JSON" in ran.cycle["problem"]
    assert [g["title"] for g in ran.cycle["plan"]["groups"]] == ["dev: web 1.0.0 → 1.1.0"]
    assert loop.silent
    loop.site.fake.faults.queue.clear()
    loop.run()
    converged(loop)


@pytest.mark.parametrize("loop", ADAPTERS, indirect=True)
def test_a_list_that_lags_behind_makes_no_second_request(loop: Loop) -> None:
    """A request that no list shows yet: the forge's own refusal of a second one is understood."""
    site = loop.site
    site.fake.faults.stale = 4
    loop.run()
    loop.forget()
    number = site.pull("dev").number
    assert loop.run().actions == {"dev": "unchanged"}
    assert [site.pull("dev").number] == list(site.fake.pulls) == [number]
    assert site.pushes == 0
    converged(loop)


@pytest.mark.parametrize("loop", ADAPTERS, indirect=True)
def test_a_list_that_lags_behind_is_no_matter_to_who_remembers(loop: Loop) -> None:
    """The number is in the state: the request is asked for by it, and nothing is written."""
    loop.site.fake.faults.stale = 4
    loop.run()
    loop.settled()
    converged(loop)


def test_labels_that_fail_come_with_the_next_run(loop: Loop) -> None:
    """The request stands, the run says what failed, and the next one adds the labels only."""
    site = loop.site
    site.fake.faults.status("label", 500, times=3)
    ran = loop.run(code=3)
    assert ran["dev"]["failed"]
    assert "answered 500" in ran["dev"]["reason"]
    assert site.pull("dev").labels == []
    assert loop.run().actions == {"dev": "unchanged"}
    assert site.writes[-1:] == ["label"]
    assert "create" not in site.writes
    converged(loop)


def test_one_401(loop: Loop) -> None:
    """An App gets a new token and goes on; a plain token is reported, and works next time."""
    site = loop.site
    site.fake.faults.status("create", 401, message="Bad credentials")
    if site.app:
        assert loop.run().actions == {"dev": "created"}
    else:
        ran = loop.run(code=3)
        assert "the token" in ran["dev"]["reason"]
        assert site.fake.pulls == {}
        assert loop.run().actions == {"dev": "created"}
        assert site.pushes == 0
    converged(loop)


def limit(loop: Loop, seconds: int, kind: str) -> None:
    """The next create is refused for the rate, as this kind of limit is told."""
    status, message, headers = 403, SECONDARY, {"Retry-After": str(seconds)}
    if kind == "primary":
        reset = str(int(loop.clock.now()) + seconds)
        message, headers = "API rate limit exceeded", PRIMARY | {"X-RateLimit-Reset": reset}
    elif kind == "plain":
        status, message = 429, "Too Many Requests"
    loop.site.fake.faults.status("create", status, message=message, headers=headers)


KINDS = {"github": "primary", "github-app": "secondary", "gitlab": "plain", "gitea": "plain"}


def test_a_short_rate_limit_is_waited_for(loop: Loop) -> None:
    """A refusal for the rate was not carried out: after the pause, the same call once more."""
    limit(loop, 9, KINDS[loop.site.login])
    assert loop.run().actions == {"dev": "created"}
    assert loop.site.writes.count("create") == 2
    assert 9 <= sum(loop.clock.naps) < 20
    assert len(loop.site.fake.pulls) == 1


def test_a_long_rate_limit_is_left_to_a_later_run(loop: Loop) -> None:
    """Nobody sleeps an hour: the run says so, no request goes there until then, then all is done."""
    site = loop.site
    limit(loop, HOUR, KINDS[site.login])
    ran = loop.run(code=3)
    told = "pause of 3600 s" if KINDS[site.login] == "plain" else "a later run goes on"
    assert told in ran["dev"]["reason"]
    assert sum(loop.clock.naps) < 60
    loop.clock.advance(HOUR / 2)
    ran = loop.run(code=4 if site.app else 3)
    assert "left alone" in ran.cycle["problem"]
    assert site.asked == []
    loop.clock.advance(HOUR / 2 + 2)
    assert loop.run().actions == {"dev": "created"}
    converged(loop)


def test_a_fork_with_the_same_branch_name_is_a_strangers(loop: Loop) -> None:
    """Who opens a request from a fork with our branch's name neither stops nor steers us."""
    site = loop.site
    stranger = site.fake.add_pull(
        site.branch("dev"), title="hello", body="mine", fork=True, head_sha="f" * 40
    )
    assert loop.run().actions == {"dev": "created"}
    assert (stranger.title, stranger.body, stranger.labels) == ("hello", "mine", [])
    converged(loop)
    assert (stranger.state, stranger.comments) == ("open", [])


@pytest.mark.parametrize("loop", ADAPTERS, indirect=True)
def test_a_thousand_requests_of_others(loop: Loop) -> None:
    """All pages are read, ours is found behind a thousand others, and none of those is touched."""
    site = loop.site
    loop.run()
    tip = site.remote.commit(
        {"README": b"a topic\n"}, branch="topic", parent=site.remote.sha("main")
    )
    for number in range(1000):
        name = f"people/topic-{number}" if number % 2 else f"imagebot/other-{number}"
        ref = site.remote.path / "refs" / "heads" / name
        ref.parent.mkdir(exist_ok=True)
        if number % 2:
            ref.write_text(f"{tip}\n")
        site.fake.add_pull(name, fork=not number % 2, head_sha=tip)
    loop.forget()
    converged(loop)
    others = [p for p in site.fake.pulls.values() if p is not site.pull("dev")]
    assert len(others) == 1000
    assert {(p.state, p.title, p.body) for p in others} == {("open", "A title", "")}


def test_a_forge_that_is_down(loop: Loop) -> None:
    """Nothing is pushed without a forge; what git and registry said is still in the result."""
    site = loop.site
    site.fake.__exit__(None, None, None)
    # An App's forge gives git its password, too: without it there is no start.
    ran = loop.run(code=4 if site.app else 3)
    assert f"127.0.0.1:{site.fake.url.rpartition(':')[2]}" in ran.cycle["problem"]
    assert site.pushes == 0
    assert site.bot_branches() == set()
    if not site.app:
        assert ran.cycle["baseSha"] == site.remote.sha("main")
        (decision,) = ran.cycle["plan"]["decisions"]
        assert (decision["status"], decision["target"]) == (
            "update",
            f"{loop.registry.host}/acme/web:1.1.0",
        )
    site.fake.__enter__()
    loop.write_operator()
    loop.run()
    converged(loop)
