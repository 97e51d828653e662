"""The life of a request: a readable table of situations, then every combination of them."""

from __future__ import annotations

import copy
from dataclasses import replace
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imagebot.forge.port import PullRequest
from imagebot.pulls.actions import (
    Action,
    Close,
    Create,
    DeleteBranch,
    Hold,
    Nothing,
    PushAndCreate,
    PushAndUpdate,
    Skip,
    UpdateText,
    settled,
)
from imagebot.pulls.decide import RELEASE_LABEL, BranchFacts, DecidePolicy, Desired, decide
from imagebot.pulls.marker import decode
from tests.pulls.world import A, B, World, marker_of, own_branch, request

FREE = DecidePolicy()
OWN_A = own_branch(A)
BEHIND = replace(OWN_A, behind=True)
CONFLICT = replace(OWN_A, behind=True, conflicts=True)
ON_BASE = replace(OWN_A, behind=True, merged=True)
HUMAN = BranchFacts("human1", own=False, fingerprint=A.fingerprint)
HUMAN_MERGED = replace(HUMAN, merged=True)
OPEN = request(marker=marker_of(A))
MERGED = replace(OPEN, state="merged")
REFUSED = replace(OPEN, state="closed")
BY_BOT = request(state="closed", marker=marker_of(A, closed_by="imagebot"))
HANDED_BACK = request(state="closed", marker=marker_of(A, told=("edited",)))
WIPED = replace(OPEN, body="please wait for me")
RENAMED = replace(OPEN, title="Do not merge before Friday")
TOLD = request(marker=marker_of(A, told=("edited",)))
FROZEN = replace(OPEN, labels=("imagebot-hold",))
RETARGETED = replace(OPEN, base="release")
REOPENED = request(marker=marker_of(A, closed_by="imagebot"))
FOREIGN_MARKER = request(marker=replace(marker_of(B), key="staging/other"))
HALF_WRITTEN = request(marker=marker_of(B))
FOREIGN_REFUSAL = request(
    state="closed", marker=replace(marker_of(A), key="staging/other"), title=""
)
WIPED_REFUSAL = replace(WIPED, state="closed", title="Not now", head_sha=OWN_A.sha)
MANY = replace(A, title="production: platform (3 images)", version="api 1.1, web 1.2")
MANY_REFUSED = replace(WIPED, state="closed", title=MANY.title)
RELEASED = replace(MERGED, labels=("dependencies", RELEASE_LABEL))
MERGED_B = request(2, "merged", marker_of(B))
LATER_MERGE = replace(MERGED, number=2)
OTHER_MERGE = replace(MERGED, number=2, head="feature")
TWIN = replace(OPEN, number=7)

SITUATIONS: list[tuple[str, BranchFacts | None, tuple[PullRequest, ...], Desired | None, type]] = [
    ("a new update", None, (), A, PushAndCreate),
    ("nothing to do, nothing there", None, (), None, Nothing),
    ("all is well", OWN_A, (OPEN,), A, Nothing),
    ("base moved elsewhere", BEHIND, (OPEN,), A, Nothing),
    ("base moved in our files", CONFLICT, (OPEN,), A, PushAndUpdate),
    ("a newer version", OWN_A, (OPEN,), B, PushAndUpdate),
    ("killed between push and text", OWN_A, (HALF_WRITTEN,), A, UpdateText),
    ("killed between push and create", OWN_A, (), A, Create),
    ("an old branch without a request", OWN_A, (), B, PushAndCreate),
    ("our branch lost its request, base moved in our files", CONFLICT, (), A, PushAndCreate),
    ("a person pushed", HUMAN, (OPEN,), A, Hold),
    ("a person pushed, a newer version came", HUMAN, (OPEN,), B, Hold),
    ("a person pushed, nothing is wanted", HUMAN, (OPEN,), None, Hold),
    ("a person's branch, no request", HUMAN, (), A, Hold),
    ("a person's branch, no request, nothing wanted", HUMAN, (), None, Nothing),
    ("a person's commit was merged, branch kept", HUMAN_MERGED, (MERGED,), B, PushAndCreate),
    ("a person's commit takes ours back", HUMAN_MERGED, (OPEN,), A, Hold),
    ("a person's commit takes ours back, closed", HUMAN_MERGED, (REFUSED,), B, Hold),
    ("the same, long after a merge", HUMAN_MERGED, (MERGED, replace(REFUSED, number=2)), B, Hold),
    ("a person's commit was merged, nothing wanted", HUMAN_MERGED, (MERGED,), None, DeleteBranch),
    ("a merge, and an older request opened again", HUMAN_MERGED, (OPEN, LATER_MERGE), A, Hold),
    ("another branch was merged", HUMAN_MERGED, (REFUSED, OTHER_MERGE), B, Hold),
    ("our own commit is on base already", ON_BASE, (OPEN,), A, PushAndUpdate),
    ("a person changed the target", OWN_A, (RETARGETED,), A, Hold),
    ("a person refused this", None, (REFUSED,), A, Skip),
    ("a person refused this, branch kept", OWN_A, (REFUSED,), A, Skip),
    ("a person refused the version before", OWN_A, (REFUSED,), B, PushAndCreate),
    ("a person refused and wiped the text", None, (replace(WIPED, state="closed"),), A, Skip),
    ("a person took over, then deleted the branch", None, (HANDED_BACK,), A, PushAndCreate),
    ("we closed it, it is needed again", None, (BY_BOT,), A, PushAndCreate),
    ("it was merged, then reverted", None, (MERGED,), A, Skip),
    ("it was merged, then reverted, the branch is back", OWN_A, (MERGED,), A, Skip),
    ("it was merged, then reverted, then released", None, (RELEASED,), A, PushAndCreate),
    ("released, merged again, reverted again", None, (RELEASED, LATER_MERGE), A, Skip),
    ("released, then refused", None, (RELEASED, replace(REFUSED, number=2)), A, Skip),
    ("it was merged, then reverted, a newer version came", None, (MERGED,), B, PushAndCreate),
    (
        "it was merged, then another one, now it is wanted again",
        None,
        (MERGED, MERGED_B),
        A,
        PushAndCreate,
    ),
    ("the other one was merged before", None, (replace(MERGED_B, number=1), LATER_MERGE), A, Skip),
    ("merged into another branch", None, (replace(MERGED, base="release"),), A, PushAndCreate),
    ("it was merged, branch kept", ON_BASE, (MERGED,), None, DeleteBranch),
    (
        "refused long ago, later merged and reverted",
        None,
        (REFUSED, replace(MERGED, number=2)),
        A,
        Skip,
    ),
    ("a person opened it again", OWN_A, (OPEN, replace(REFUSED, number=2)), A, Nothing),
    ("a person renamed it", OWN_A, (RENAMED,), A, Nothing),
    ("a person wiped the text", OWN_A, (WIPED,), A, UpdateText),
    ("the marker is another key's", OWN_A, (FOREIGN_MARKER,), A, UpdateText),
    ("the branch is ours again", OWN_A, (TOLD,), A, UpdateText),
    ("a person deleted the branch, request open", None, (OPEN,), A, PushAndUpdate),
    ("nothing is wanted any more", OWN_A, (OPEN,), None, Close),
    ("nothing is wanted, the branch is gone", None, (OPEN,), None, Close),
    ("nothing is wanted, a person opened it again", OWN_A, (REOPENED,), None, Hold),
    ("killed between close and delete", OWN_A, (BY_BOT,), None, DeleteBranch),
    ("a label freezes it", OWN_A, (FROZEN,), B, Hold),
    ("a label freezes it, nothing is wanted", OWN_A, (FROZEN,), None, Hold),
    ("two open requests", OWN_A, (TWIN, OPEN), A, Close),
    ("a person opened again what we had closed", OWN_A, (REOPENED,), A, UpdateText),
    ("a refusal under another key's marker", None, (FOREIGN_REFUSAL,), A, PushAndCreate),
    ("a refusal of another branch", None, (replace(REFUSED, head="feature"),), A, PushAndCreate),
    ("refused, wiped and renamed, branch kept", OWN_A, (WIPED_REFUSAL,), A, Skip),
    ("refused and wiped, the title names no version", None, (MANY_REFUSED,), MANY, PushAndCreate),
    ("somebody else's request", None, (replace(OPEN, head="feature"),), A, PushAndCreate),
]


@pytest.mark.parametrize(
    ("branch", "pulls", "desired", "action"),
    [row[1:] for row in SITUATIONS],
    ids=[row[0] for row in SITUATIONS],
)
def test_situation(
    branch: BranchFacts | None,
    pulls: tuple[PullRequest, ...],
    desired: Desired | None,
    action: type,
) -> None:
    """Each named situation has its one action, with a reason."""
    decided = decide(world(branch, *pulls).observe(), desired, FREE)
    assert type(decided) is action
    assert decided.reason


def world(branch: BranchFacts | None, *pulls: PullRequest, **facts: bool) -> World:
    return World(branch, {pull.number: pull for pull in pulls}, **facts)  # type: ignore[arg-type]


def test_limits_stop_new_requests_only() -> None:
    """At the limit nothing opens; what is open goes on."""
    full = DecidePolicy(limit=3, open_requests=3)
    assert isinstance(decide(world(None).observe(), A, full), Skip)
    assert isinstance(decide(world(OWN_A).observe(), A, full), Skip)
    assert isinstance(decide(world(OWN_A, OPEN).observe(), B, full), PushAndUpdate)
    assert isinstance(decide(world(OWN_A, OPEN).observe(), None, full), Close)
    room = DecidePolicy(limit=3, open_requests=2)
    assert isinstance(decide(world(None).observe(), A, room), PushAndCreate)


def test_missing_evidence_freezes_everything() -> None:
    """With a failed registry or without a base branch nothing is touched, least of all closed."""
    for branch, desired in product((None, OWN_A, HUMAN, CONFLICT), (None, A, B)):
        seen = world(branch, OPEN, TWIN, undecided=True).observe()
        assert isinstance(decide(seen, desired, FREE), Skip)
        gone = replace(world(branch, OPEN).observe(), base_sha="")
        assert isinstance(decide(gone, desired, FREE), Skip)


KNOWN, UNTOLD = replace(A, text="ab12" * 16), replace(A, text="ab12" * 8)


@pytest.mark.parametrize(
    ("written", "wanted", "action"),
    [
        (KNOWN, UNTOLD, Nothing),
        (UNTOLD, UNTOLD, Nothing),
        (UNTOLD, KNOWN, UpdateText),
        (KNOWN, replace(KNOWN, text="ab12" * 8 + "cd34" * 8), UpdateText),
        (KNOWN, replace(KNOWN, text="cd34" * 8), UpdateText),
        (A, replace(A, text=""), UpdateText),
    ],
)
def test_a_failed_look_up_rewrites_no_text(written: Desired, wanted: Desired, action: type) -> None:
    """A text that knew more stays until there is news; what becomes known is news."""
    pull = request(marker=marker_of(written))
    assert type(decide(world(own_branch(A), pull).observe(), wanted, FREE)) is action


@pytest.mark.parametrize("pulls", [(WIPED,), (FOREIGN_MARKER,), (replace(WIPED, base="release"),)])
@pytest.mark.parametrize("desired", [A, B, None])
def test_without_a_marker_nobody_is_told_again_and_again(
    pulls: tuple[PullRequest, ...], desired: Desired | None
) -> None:
    """Where hidden text is removed, the bot stops in silence: it could not remember a comment."""
    decided = decide(world(HUMAN, *pulls).observe(), desired, FREE)
    assert isinstance(decided, Hold)
    assert (decided.comment, decided.marker) == ("", None)


def test_superseded_versions_are_remembered_in_order() -> None:
    """The history names what gave way, once, and not what is wanted now."""
    w = world(None)
    third = replace(B, fingerprint="c" * 32, version="1.3", title="production: my-app 1.0 → 1.3")
    for desired in (A, B, third, A):
        w.run(desired)
    marker = decode(w.pulls[1].body)
    assert marker is not None
    assert (marker.history, marker.version) == (("1.2", "1.3"), "1.1")
    assert w.pulls[1].title == A.title


def test_a_renamed_request_keeps_its_name() -> None:
    """A person's title survives newer versions, and the bot's title follows when it is back."""
    w = world(OWN_A, RENAMED)
    w.run(B)
    assert w.pulls[1].title == RENAMED.title
    w.pulls[1] = replace(w.pulls[1], title=A.title)
    w.run(B)
    assert w.pulls[1].title == B.title


def test_people_are_told_once() -> None:
    """Three runs over a person's commit make one comment; a hand-back and a new push make another."""
    w = world(HUMAN, OPEN)
    for _ in range(3):
        w.run(A)
    assert len(w.comments) == 1
    assert "never overwrites it" in w.comments[0][1]
    w.run(None)
    assert len(w.comments) == 2
    assert "nothing left" in w.comments[1][1]
    w.branch = OWN_A
    w.run(A)
    w.branch = HUMAN
    w.run(A)
    assert len(w.comments) == 3


def test_the_reason_of_a_close_names_cause_and_commit() -> None:
    """Who reads a closed request learns why, and at which commit that was seen."""
    seen = replace(world(OWN_A, OPEN).observe(), obsolete="main runs 1.1 already")
    action = decide(seen, None, FREE)
    assert action.reason == "main runs 1.1 already (seen at main base1)"


def test_a_reopened_request_is_open_for_good() -> None:
    """Opened again by a person, it forgets that the bot had closed it, and may be closed anew."""
    w = world(OWN_A, REOPENED)
    w.run(A)
    marker = decode(w.pulls[1].body)
    assert marker is not None
    assert marker.closed_by == ""
    assert isinstance(w.run(None)[0], Close)


def test_duplicates_leave_the_lowest_number() -> None:
    """Of three open requests the oldest stays, and the branch with it."""
    w = world(OWN_A, TWIN, OPEN, replace(OPEN, number=9))
    w.run(A)
    assert [pull.number for pull in w.opened()] == [1]
    assert w.branch == OWN_A


BRANCHES = (None, OWN_A, own_branch(B), BEHIND, CONFLICT, ON_BASE, HUMAN, HUMAN_MERGED)
REQUESTS: tuple[tuple[PullRequest, ...], ...] = (
    (),
    (OPEN,),
    (RENAMED,),
    (WIPED,),
    (replace(OPEN, body="<!-- imagebot:marker AAAA -->"),),
    (FOREIGN_MARKER,),
    (HALF_WRITTEN,),
    (TOLD,),
    (FROZEN,),
    (RETARGETED,),
    (REOPENED,),
    (OPEN, TWIN),
    (OPEN, TWIN, replace(RETARGETED, number=9)),
    (REFUSED,),
    (replace(WIPED, state="closed"),),
    (BY_BOT,),
    (HANDED_BACK,),
    (MERGED,),
    (RELEASED,),
    (MERGED, MERGED_B),
    (REFUSED, TWIN),
    (MERGED, TWIN),
    (BY_BOT, replace(REFUSED, number=2)),
)
POLICIES = (FREE, DecidePolicy(limit=2, open_requests=2))
EVERYTHING = list(product(BRANCHES, REQUESTS, (None, A, B), POLICIES))


def test_every_combination_keeps_the_promises() -> None:
    """For all branches, requests, wishes and limits: it settles, and no promise breaks on the way.

    The world itself asserts that no person's commit is replaced or deleted, that pushes have the
    right lease, and that no second request opens.
    """
    for branch, pulls, desired, policy in EVERYTHING:
        for deletes_close in (True, False):
            w = world(branch, *pulls, deletes_close=deletes_close)
            at_first = len(w.opened())
            actions = w.run(desired, policy)
            assert len(actions) <= 4
            assert len(w.opened()) <= max(1, at_first)
            assert settled(actions[-1])
            check_end(w, desired, actions[-1])
            quiet = copy.deepcopy(w)
            assert w.run(desired, policy) == [actions[-1]]
            assert w == quiet


def check_end(w: World, desired: Desired | None, last: Action) -> None:
    """What a settled world looks like."""
    opened = w.opened()
    if isinstance(last, Nothing) and desired is not None:
        assert len(opened) == 1
        assert w.branch is not None
        assert w.branch.own
        assert w.branch.fingerprint == desired.fingerprint
        assert not w.branch.conflicts
        marker = decode(opened[0].body)
        assert marker is not None
        assert (marker.fingerprint, marker.text) == (desired.fingerprint, desired.text)
    if isinstance(last, Nothing) and desired is None:
        assert opened == []
        assert w.branch is None or not w.branch.own
    if isinstance(last, Skip):
        assert opened == []


def test_undecided_touches_nothing_in_any_combination() -> None:
    """Whatever is there, missing evidence changes not one bit of it."""
    for branch, pulls, desired, policy in EVERYTHING:
        w = world(branch, *pulls, undecided=True)
        before = copy.deepcopy(w)
        assert [type(action) for action in w.run(desired, policy)] == [Skip]
        assert w == before


def test_a_crash_anywhere_ends_in_the_same_world() -> None:
    """Killed after any number of writes, the next run comes to the same branch and requests."""
    for branch, pulls, desired in product(BRANCHES, REQUESTS, (None, A, B)):
        calm = world(branch, *pulls)
        calm.run(desired)
        for writes in range(6):
            hurt = world(branch, *pulls)
            hurt.run(desired, crash_after=writes)
            assert (hurt.branch, hurt.pulls) == (calm.branch, calm.pulls)
            assert len(hurt.comments) <= len(calm.comments) + 1


def meddle(w: World, event: str) -> None:
    """What people and time do between two runs."""
    opened = w.opened()
    last = w.pulls.get(max(w.pulls, default=0))
    if event == "push" and w.branch:
        w.branch = BranchFacts(f"human-on-{w.branch.sha}"[:90], own=False)
    elif event == "delete" and w.branch:
        w.remove_branch()
    elif event == "base" and w.branch:
        w.base_sha += "c"
        w.branch = replace(w.branch, behind=True, conflicts=True)
    elif event == "close" and opened:
        w.pulls[opened[0].number] = replace(opened[0], state="closed")
    elif event == "merge" and opened and w.branch:
        w.pulls[opened[0].number] = replace(opened[0], state="merged", head_sha=w.branch.sha)
        w.base_sha += "m"
        w.branch = replace(w.branch, merged=True)
    elif event == "reopen" and last and last.state == "closed" and not opened and w.branch:
        w.pulls[last.number] = replace(last, state="open")
    elif event == "wipe" and opened:
        w.pulls[opened[0].number] = replace(opened[0], body="mine")
    elif event == "rename" and opened:
        w.pulls[opened[0].number] = replace(opened[0], title="Mine")
    elif event == "retarget" and opened:
        w.pulls[opened[0].number] = replace(opened[0], base="release")
    elif event == "label" and opened:
        w.pulls[opened[0].number] = replace(opened[0], labels=("imagebot-hold",))


EVENTS = [
    "push",
    "delete",
    "base",
    "close",
    "merge",
    "reopen",
    "wipe",
    "rename",
    "retarget",
    "label",
]
RUNS = st.tuples(
    st.sampled_from([*EVENTS, "calm", "calm"]),
    st.sampled_from([None, A, B, B]),
    st.sampled_from([None, None, 0, 1, 2, 3]),
    st.booleans(),
)


@given(st.lists(RUNS, min_size=1, max_size=14), st.booleans())
@settings(max_examples=400, deadline=None)
def test_no_sequence_of_events_breaks_a_promise(runs: list, deletes_close: bool) -> None:  # noqa: FBT001 -- Hypothesis draws it
    """Pushes, merges, refusals, crashes in any order: it settles, and people's work stays."""
    w = World(deletes_close=deletes_close)
    for event, desired, crash_after, undecided in runs:
        meddle(w, event)
        w.undecided = undecided
        human = w.branch if w.branch and not (w.branch.own or w.leftover()) else None
        actions = w.run(desired, crash_after=crash_after)
        assert human is None or w.branch == human
        assert len(w.opened()) <= 1
        assert not undecided or isinstance(actions[0], Skip)


@given(st.lists(st.sampled_from([A, B]), min_size=1, max_size=6))
@settings(max_examples=60, deadline=None)
def test_a_refusal_is_remembered(wishes: list[Desired]) -> None:
    """What a person closed never comes back by itself, whatever was wanted in between."""
    w = World()
    refused: set[str] = set()
    for desired in wishes:
        w.run(desired)
        if desired.fingerprint in refused:
            assert w.opened() == []
        for pull in w.opened():
            w.pulls[pull.number] = replace(pull, state="closed")
            refused.add(desired.fingerprint)
            w.remove_branch()
    assert len(w.pulls) == len(refused)


def test_a_revert_holds_until_something_newer_or_a_release() -> None:
    """Merged, reverted, merged, reverted: each time the bot waits for people, and says for what."""
    w = World()
    for number in (1, 2):
        w.run(A)
        merged = replace(w.pulls[number], state="merged", head_sha=A.fingerprint)
        w.pulls[number] = merged
        w.remove_branch()
        (held,) = w.run(A)
        assert isinstance(held, Skip)
        assert f"#{number} with the same change was merged and has been reverted" in held.reason
        assert RELEASE_LABEL in held.reason
        w.pulls[number] = replace(merged, labels=(RELEASE_LABEL,))
    w.pulls[2] = replace(w.pulls[2], labels=())
    w.run(B)
    assert [pull.title for pull in w.opened()] == [B.title]
