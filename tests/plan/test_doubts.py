"""Lists that shrink and tags that move: what is doubted, for how long, and what people are told."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from imagebot.model import Facts, Listing, Move
from imagebot.policy.guards import doubt, names_one_version
from imagebot.pulls.body import Context, render_body
from imagebot.pulls.marker import Marker
from imagebot.report.document import plan_document
from imagebot.state import State
from imagebot.witness import Witness
from tests.plan.looks import APP, NOW, Look, app, image, images, workload
from tests.pulls.samples import GITHUB, file_url

RUNS = "newTag: 1.0.0"
DIGEST = "sha256:" + "ab" * 32


@pytest.mark.parametrize(
    ("before", "size", "percent", "after", "believed"),
    [
        (None, 0, 50, Listing(0), True),
        (Listing(10), 5, 50, Listing(5), True),
        (Listing(10), 4, 50, Listing(10, 1), False),
        (Listing(10, 1), 4, 50, Listing(10, 2), False),
        (Listing(10, 2), 4, 50, Listing(4), True),
        (Listing(10, 1), 9, 50, Listing(9), True),
        (Listing(10), 0, 100, Listing(0), True),
        (Listing(10), 9, 0, Listing(10, 1), False),
        (Listing(10), 10, 0, Listing(10), True),
        (Listing(10), 99, 0, Listing(99), True),
        (Listing(0), 0, 50, Listing(0), True),
    ],
)
def test_a_list_that_lost_too_much_is_doubted_twice(
    before: Listing | None, size: int, percent: int, after: Listing, believed
) -> None:
    """More than the share is lost: two runs doubt it, the third believes it."""
    remembered, why = doubt(before, size, percent)
    assert remembered == after
    assert (why == "") is believed


def test_a_doubted_list_leaves_the_image_undecided() -> None:
    """The reason names both sizes, and the request stays as it is."""
    look = app("tagListShrink: 20", RUNS, images("1.0.0", "1.1.0"), listings={APP: Listing(3)})
    plan = look.run()
    assert [d.status for d in plan.decisions] == ["undecided"]
    assert plan.undecided == {"ghcr.io/acme/app"}
    assert plan.problems == {"ghcr.io/acme/app": plan.decisions[0].why}
    assert plan.decisions[0].why == (
        "its list of tags shrank from 3 to 2: doubted in 1 of 2 runs, then believed"
    )


def test_without_a_memory_nothing_is_doubted() -> None:
    """A first look has nothing to compare with."""
    assert app("tagListShrink: 0", RUNS, images("1.0.0", "1.1.0")).run().with_status("update")


def test_the_witness_counts_runs_and_keeps_both_clocks(tmp_path: Path) -> None:
    """Five runs over a real state: full, shrunk and doubted twice, believed; tags that came are told apart."""
    look = app("minimumAge: 3d", RUNS, images("1.0.0", "1.1.0", "1.2.0"))
    shrunk = {APP: images("1.1.0", "9.9.9")}
    statuses = []
    with State.open(f"sqlite:///{tmp_path}/state.db") as state:
        for day, registry in enumerate([look.registry, *[{APP: images("1.3.0")}] * 3, shrunk]):
            now = NOW + timedelta(days=day)
            witness = Witness(look.loaded(), state, "repo main", now)
            run = replace(look, registry=registry, facts=Facts(), asked=[])
            run.witness = witness
            statuses.append(run.run().decisions[0].status)
        other = Witness(look.loaded(), state, "another main", NOW + timedelta(days=9))
        run = replace(look, registry=shrunk, facts=Facts(), asked=[])
        run.witness = other
        run.run()
    assert statuses == ["update", "undecided", "undecided", "current", "update"]
    seen = run.facts.sightings[APP]
    assert seen.first_look == NOW.timestamp()
    assert seen.tags == {
        "1.1.0": NOW.timestamp(),
        "9.9.9": (NOW + timedelta(days=4)).timestamp(),
    }
    assert run.facts.listings == {}


@pytest.mark.parametrize(
    ("tag", "one"),
    [
        ("1.2.3", True), ("v1.2.3", True), ("1.2.3-alpine3.19", True), ("1.2.3-rc.1", True), ("2024.01.15", True),
        ("20240115-2", True), ("20240115.3", True), ("4f5e6d7a", True), ("sha-4f5e6d7", True), ("main-4f5e6d7-1700000000", True),
        ("latest", False), ("main", False), ("stable", False), ("1", False), ("1.2", False), ("v1", False), ("3.19-alpine", False),
        ("20240115", False), ("24.04", False), ("edge", False), ("nightly", False),
    ],
)  # fmt: skip
def test_which_names_never_move(tag: str, one) -> None:
    """Full versions, dated builds and commits name one build; short forms and words move."""
    assert names_one_version(tag) is one


def moved(tag: str, days: float = 1) -> dict:
    return {(APP, tag): Move(DIGEST, (NOW - timedelta(days=days)).timestamp())}


def test_a_version_that_moved_raises_an_alarm_everywhere() -> None:
    """Plan, JSON and the request say it; it moves nothing by itself."""
    look = app("", RUNS, images("1.0.0", "1.1.0"), moves=moved("1.1.0"))
    look.describe = True
    plan = look.run()
    said = (
        f"ghcr.io/acme/app:1.1.0 was moved from {DIGEST} to {image('1.1.0').digest} "
        "(noticed 2026-08-22 12:00 UTC): a version should never change"
    )
    assert [str(alarm) for alarm in plan.alarms] == [said]
    assert plan_document(plan)["alarms"][0]["message"] == said
    assert plan.groups[0].notes == (said,)
    context = Context("main", GITHUB, file_url, NOW)
    body = render_body(plan.groups[0], Marker(plan.groups[0].key), context, commit="a" * 40)
    assert "was moved from" in body


@pytest.mark.parametrize(
    ("rule", "reference", "target"),
    [
        ("", f"ghcr.io/acme/app:1.1.0@{DIGEST}", None),
        ("policy: {digest: 1.1.0}", f"ghcr.io/acme/app:1.1.0@{DIGEST}", True),
        ("pin: tag@digest", f"ghcr.io/acme/app:1.1.0@{DIGEST}", True),
    ],
)
def test_a_move_is_followed_only_where_that_was_asked_for(rule: str, reference, target) -> None:
    """A pinned digest protects; a policy or a pin that follows digests opens a request."""
    answers = {"1.1.0": image("1.1.0")}
    look = app(rule, workload(reference), answers, moves=moved("1.1.0"))
    assert bool(look.run().groups) is bool(target)


def test_an_alarm_ends_after_a_month() -> None:
    """What nobody minded for so long is no news."""
    look: Look = app("", RUNS, images("1.0.0", "1.1.0"), moves=moved("1.1.0", days=31))
    look.describe = True
    assert look.run().alarms == ()


def test_a_moving_tag_raises_no_alarm() -> None:
    """`latest` is there to move."""
    look = app(
        "policy: {digest: latest}", "newTag: latest", images("latest"), moves=moved("latest")
    )
    assert look.run().alarms == ()
