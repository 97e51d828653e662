"""A forge that fails in the middle of a write never ends up with two of anything."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from imagebot.errors import DuplicatePullRequest, ForgeError
from imagebot.forge.port import PullRequest
from tests.support.fakeserver import Faults
from tests.support.forgebench import REST, Bench, open_bench
from tests.support.skipclock import SkipClock

HEAD = "imagebot/web-1a2b3c4d"
BRANCHES = {"main": "a" * 40, HEAD: "b" * 40, "imagebot/other": "c" * 40}


@pytest.fixture(params=REST)
def plain(request: pytest.FixtureRequest) -> Iterator[Bench]:
    """A bench whose branches are made up: faults of the forge need no git."""
    with open_bench(request.param, dict(BRANCHES), SkipClock()) as bench:
        yield bench


def create(bench: Bench) -> PullRequest:
    return bench.forge.create(head=HEAD, base="main", title="Update web", body="text")


FAULTS: dict[str, Callable[[Faults], None]] = {
    "connection cut after the work": lambda f: f.cut("create", after=True),
    "connection cut before the work": lambda f: f.cut("create"),
    "502 after the work": lambda f: f.status("create", 502, after=True),
    "502 before the work": lambda f: f.status("create", 502),
    "500 in JSON before the work": lambda f: f.status("create", 500, message="oops"),
    "a success that is an HTML page": lambda f: f.garbage("create"),
    "408 after the work": lambda f: f.status("create", 408, after=True),
}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("stale", [0, 2, 4])
def test_one_request_in_the_end(plain: Bench, fault: str, stale: int) -> None:
    """Whatever the reply was, and however stale the lists are, one request exists and is given."""
    plain.fake.faults.stale = stale
    FAULTS[fault](plain.fake.faults)
    made = create(plain)
    assert list(plain.fake.pulls) == [made.number]
    assert (made.head, made.base, made.state) == (HEAD, "main", "open")


def test_a_list_that_never_catches_up(plain: Bench) -> None:
    """When the request is made and never listed, the caller is told that it exists: no second."""
    plain.fake.faults.stale = 10**6
    plain.fake.faults.cut("create", after=True)
    with pytest.raises(DuplicatePullRequest):
        create(plain)
    assert len(plain.fake.pulls) == 1


def test_lost_and_unable_to_look(plain: Bench) -> None:
    """When nothing can be seen after a lost reply, nothing is posted again."""
    plain.fake.faults.cut("create", after=True)
    plain.fake.faults.status("list", 500, times=99)
    plain.fake.faults.status("lookup", 500, times=99)
    with pytest.raises(ForgeError) as caught:
        create(plain)
    assert caught.value.retryable
    assert len(plain.fake.calls("create")) == 1
    assert len(plain.fake.pulls) == 1


def test_two_posts_and_no_more(plain: Bench) -> None:
    """A forge that always fails is asked twice to create, with waits between the looks."""
    plain.fake.faults.status("create", 503, times=99)
    with pytest.raises(ForgeError) as caught:
        create(plain)
    assert (caught.value.status, caught.value.retryable) == (503, True)
    assert len(plain.fake.calls("create")) == 2
    assert plain.clock.naps.count(4.0) == 2


def test_somebody_else_was_faster(plain: Bench) -> None:
    """A request that is open already is a duplicate even while no list shows it."""
    plain.fake.faults.stale = 10**6
    plain.fake.make_pull(HEAD, "main", "Theirs", "")
    with pytest.raises(DuplicatePullRequest):
        create(plain)
    assert len(plain.fake.pulls) == 1


WRITES: dict[str, Callable[[Bench, int], object]] = {
    "update": lambda bench, n: bench.forge.update(n, title="new", body="new", close=True),
    "label": lambda bench, n: bench.forge.label(n, ["bug", "fresh"]),
    "comment": lambda bench, n: bench.forge.comment(n, "Superseded.\nSee there."),
}


@pytest.mark.parametrize("write", WRITES)
@pytest.mark.parametrize("after", [True, False])
@pytest.mark.parametrize("status", [0, 502])
def test_other_writes_happen_once(plain: Bench, write: str, after: bool, status: int) -> None:  # noqa: FBT001
    """A lost reply of an update, label or comment ends as if nothing had been lost."""
    made = create(plain)
    if status:
        plain.fake.faults.status(write, status, after=after)
    else:
        plain.fake.faults.cut(write, after=after)
    WRITES[write](plain, made.number)
    pull = plain.fake.pulls[made.number]
    shown = (pull.title, pull.body, pull.state, pull.labels, pull.comments)
    assert (
        shown
        == {
            "update": ("new", "new", "closed", [], []),
            "label": ("Update web", "text", "open", ["bug", "fresh"], []),
            "comment": ("Update web", "text", "open", [], ["Superseded.\nSee there."]),
        }[write]
    )


@pytest.mark.parametrize("write", WRITES)
def test_other_writes_give_up(plain: Bench, write: str) -> None:
    """A write that always fails raises a retryable error after at most three tries."""
    made = create(plain)
    plain.fake.faults.status(write, 500, times=99)
    with pytest.raises(ForgeError) as caught:
        WRITES[write](plain, made.number)
    assert caught.value.retryable
    assert 2 <= len(plain.fake.calls(write)) <= 3


def test_a_lost_label_leaves_one_label() -> None:
    """A label whose making was not confirmed is found again, not made twice."""
    with open_bench("gitea", dict(BRANCHES), SkipClock()) as bench:
        made = create(bench)
        bench.fake.faults.cut("make_label", after=True)
        bench.forge.label(made.number, ["fresh"])
        assert bench.fake.labels == ["bug", "fresh"]
        assert bench.fake.pulls[made.number].labels == ["fresh"]


def test_failing_labels_leave_the_request(plain: Bench) -> None:
    """When labels cannot be set, the request stays as it was."""
    made = create(plain)
    plain.fake.faults.status("label", 403, message="Resource not accessible")
    with pytest.raises(ForgeError) as caught:
        plain.forge.label(made.number, ["bug"])
    assert caught.value.status == 403
    assert plain.forge.get(made.number) == made


step = st.tuples(
    st.sampled_from(["create", "list", "lookup", "repository"]),
    st.sampled_from(["cut", "502", "garbage"]),
    st.booleans(),
)


@pytest.mark.parametrize("kind", ["github", "gitlab", "gitea"])
@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(steps=st.lists(step, max_size=6), stale=st.integers(0, 5), rounds=st.integers(1, 3))
def test_any_mix_of_faults(kind: str, steps: list, stale: int, rounds: int) -> None:
    """Law: after any faults and any number of tries there is at most one open request a key."""
    with open_bench(kind, dict(BRANCHES), SkipClock()) as bench:
        bench.fake.faults.stale = stale
        for operation, what, after in steps:
            if what == "cut":
                bench.fake.faults.cut(operation, after=after)
            elif what == "502":
                bench.fake.faults.status(operation, 502, after=after)
            else:
                bench.fake.faults.garbage(operation)
        given_back = set()
        for _ in range(rounds):
            try:
                given_back.add(create(bench).number)
            except ForgeError:
                continue
        count = Counter((p.head, p.base) for p in bench.fake.pulls.values() if p.state == "open")
        assert max(count.values(), default=0) <= 1
        assert given_back <= set(bench.fake.pulls)
