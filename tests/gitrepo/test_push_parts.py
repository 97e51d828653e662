"""A server that refuses a push as a whole for one branch in it gets it in parts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from hypothesis import given
from hypothesis import strategies as st

from imagebot.gitrepo.push import MAX_PUSHES, PushResult, RefUpdate, in_parts

DECLINED = PushResult(ok=False, reason="pre-receive hook declined: no")


def updates(count: int) -> list[RefUpdate]:
    return [RefUpdate(f"imagebot/{n}", "a" * 40, None) for n in range(count)]


class Server:
    """Refuses every push that has a forbidden branch in it."""

    def __init__(self, forbidden: set[str]) -> None:
        self.forbidden = forbidden
        self.pushes = 0

    def push(self, wanted: Sequence[RefUpdate]) -> Mapping[str, PushResult]:
        self.pushes += 1
        bad = any(update.branch in self.forbidden for update in wanted)
        return {update.branch: DECLINED if bad else PushResult(ok=True) for update in wanted}


@given(st.integers(1, 40), st.sets(st.integers(0, 39), max_size=4))
def test_only_forbidden_branches_are_refused(count: int, forbidden: set[int]) -> None:
    """All the others arrive, whatever stands beside them, and every branch has a result."""
    server = Server({f"imagebot/{n}" for n in forbidden})
    results = in_parts(updates(count), server.push)
    assert results.keys() == {update.branch for update in updates(count)}
    assert {branch for branch, found in results.items() if not found.ok} == (
        server.forbidden & results.keys()
    )


def test_a_push_that_goes_well_is_one_push() -> None:
    """Nothing is refused: nothing is asked twice."""
    server = Server(set())
    in_parts(updates(500), server.push)
    assert server.pushes == 1


def test_a_server_that_refuses_everything_is_not_asked_for_ever() -> None:
    """The number of pushes has a cap, and every branch still has its reason."""
    wanted = updates(500)
    server = Server({update.branch for update in wanted})
    results = in_parts(wanted, server.push)
    assert server.pushes == MAX_PUSHES
    assert set(results.values()) == {DECLINED}
    assert len(results) == 500


def test_one_forbidden_branch_of_many_costs_few_pushes() -> None:
    """The search halves: ten pushes or so each way find one of a thousand."""
    server = Server({"imagebot/617"})
    results = in_parts(updates(1000), server.push)
    assert sum(not result.ok for result in results.values()) == 1
    assert server.pushes <= 21
