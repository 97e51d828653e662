"""Age and platforms in a whole plan: what moves, what waits and why, and what was asked for it."""

from __future__ import annotations

import pytest

from imagebot.config import settings_for
from imagebot.plan import selection_for
from imagebot.policy.explain import rows
from tests.plan.looks import APP, FILE, NOW, app, image, images, sightings, workload

BOTH = "platforms: [linux/amd64, linux/arm64]"
RUNS = "newTag: 1.0.0"


def targets(plan) -> list[str]:
    return [str(decision.target) for decision in plan.with_status("update")]


def test_an_image_without_a_platform_gives_way_to_the_next_that_has_it() -> None:
    """The best tag lacks arm64: the next one is written, and one more question was asked."""
    look = app(
        BOTH, RUNS, {**images("1.0.0", "1.1.0", "1.2.0"), "1.3.0": image("1.3.0", "linux/amd64")}
    )
    plan = look.run()
    assert targets(plan) == ["ghcr.io/acme/app:1.2.0"]
    assert look.asked == [("1.3.0",), ("1.2.0",)]
    assert plan.groups[0].files[0].new == look.files[FILE].replace("1.0.0", "1.2.0").encode()
    assert plan.decisions[0].why == "1.2.0 is the newest tag written like the running one"


def test_a_tag_that_cannot_be_read_leaves_the_image_undecided() -> None:
    """Never the next best: missing evidence freezes the group."""
    look = app(BOTH, RUNS, {**images("1.0.0", "1.1.0"), "1.2.0": "HTTP 503"})
    plan = look.run()
    assert [d.status for d in plan.decisions] == ["undecided"]
    assert plan.decisions[0].why == "HTTP 503"
    assert plan.undecided == {"ghcr.io/acme/app"}
    assert plan.groups == ()


def test_the_unread_tag_of_a_run_does_not_matter_when_a_better_one_passes() -> None:
    """Of tags that were asked for together only those down to the winner count."""
    lame = {tag: image(tag, "linux/amd64") for tag in ("1.9.0", "1.8.0")}
    look = app(BOTH, RUNS, {**lame, "1.7.0": image("1.7.0"), "1.6.0": "HTTP 503", "1.0.0": "-"})
    assert targets(look.run()) == ["ghcr.io/acme/app:1.7.0"]
    assert look.asked == [("1.9.0",), ("1.8.0",), ("1.7.0", "1.6.0")]


def test_when_nothing_newer_may_run_nothing_changes() -> None:
    """The running tag stays, and is not asked about."""
    look = app(BOTH, RUNS, {"1.0.0": "gone", "1.1.0": image("1.1.0", "linux/amd64")})
    plan = look.run()
    assert plan.decisions[0].status == "current"
    assert plan.decisions[0].why == (
        "the running 1.0.0 stays; 1.1.0 is left out, not built for linux/arm64"
    )
    assert look.asked == [("1.1.0",)]


def test_without_guards_nothing_is_asked() -> None:
    """Names are enough for those who ask for no more."""
    look = app("", RUNS, images("1.0.0", "1.1.0"))
    assert targets(look.run()) == ["ghcr.io/acme/app:1.1.0"]
    assert look.asked == []


@pytest.mark.parametrize(
    ("ages", "seen", "target"),
    [
        ({"1.1.0": 4, "1.2.0": 1}, {}, "1.1.0"),
        ({"1.1.0": 4, "1.2.0": 3}, {}, "1.2.0"),
        # Tags of the first look count by the time they were made.
        ({"1.1.0": 4, "1.2.0": 1}, sightings(0, v1_1_0=0, v1_2_0=0), "1.1.0"),
        # A tag that came since is as young as its coming, whatever it says.
        ({"1.1.0": 400, "1.2.0": 400}, sightings(9, v1_1_0=9, v1_2_0=2), "1.1.0"),
        ({"1.1.0": 400, "1.2.0": 400}, sightings(9, v1_1_0=9, v1_2_0=3), "1.2.0"),
    ],
)
def test_a_tag_waits_until_it_is_old_enough(ages, seen, target: str) -> None:
    """The best of those that are old enough is taken, by the later of both clocks."""
    answers = {
        "1.0.0": image("1.0.0"),
        **{tag: image(tag, days=days) for tag, days in ages.items()},
    }
    look = app("minimumAge: 3d", RUNS, answers, sightings=seen)
    assert targets(look.run()) == [f"ghcr.io/acme/app:{target}"]


def test_what_was_just_seen_to_come_costs_no_request() -> None:
    """The bot's own clock is enough to let a tag wait."""
    answers = {"1.0.0": "-", "1.1.0": "-"}
    look = app("minimumAge: 3d", RUNS, answers, sightings=sightings(9, v1_0_0=9, v1_1_0=1))
    plan = look.run()
    assert look.asked == []
    assert (
        "1.1.0 is left out, too young: a candidate from 2026-08-25 12:00 UTC on"
        in plan.decisions[0].why
    )


def test_two_uses_of_one_image_ask_once() -> None:
    """Details belong to an image, not to its places."""
    look = app(
        BOTH, workload("ghcr.io/acme/app:1.0.0", "ghcr.io/acme/app:1.0.0"), images("1.0.0", "1.1.0")
    )
    assert len(targets(look.run())) == 2
    assert look.asked == [("1.1.0",)]


def test_explain_names_the_guard_that_dropped_a_tag() -> None:
    """Each tag has the first rule that dropped it, and guards are rules like the others."""
    answers = {
        "1.0.0": image("1.0.0"),
        "1.1.0": image("1.1.0"),
        "1.2.0": image("1.2.0", "linux/amd64"),
        "1.3.0": image("1.3.0", days=1),
        "0.9.0": "-",
        "latest": "-",
    }
    look = app(f"minimumAge: 3d, {BOTH}", RUNS, answers)
    look.run()
    settings = settings_for(look.loaded(), APP)
    found = selection_for(APP, settings, look.facts, "1.0.0", NOW)
    assert [(row.tag, row.verdict, row.reason) for row in rows(found, "1.0.0")][1:] == [
        ("1.0.0", "current", "admitted, but not the best"),
        ("0.9.0", "dropped", "older than the running 1.0.0"),
        ("1.2.0", "dropped", "not built for linux/arm64"),
        ("1.3.0", "dropped", "too young: a candidate from 2026-08-25 12:00 UTC on"),
        ("latest", "dropped", "it has no number to order by"),
    ]


def test_an_unreachable_registry_leaves_every_lane_undecided() -> None:
    """Requests of every step stay as they are when nobody knows the tags."""
    look = app("separate: [major, minor, digest]", RUNS, {})
    look.registry = {APP: None}
    name = "ghcr.io/acme/app"
    assert look.run().undecided == {name, *(f"{name} ({s})" for s in ("major", "minor", "digest"))}
