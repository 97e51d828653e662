"""Versions that people took back in git: what is held, and what ends it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from imagebot.manifests.scan import scan_file
from imagebot.plan import plan
from tests.plan.looks import FILE, NOW, Look, app, image, images, kustomization, workload

SEMVER = "policy: {semver: '*'}"


def decided(look: Look, replaced: str) -> list[tuple[str, str]]:
    """Status and reason of each use, when its tag was written over `replaced`."""
    look.run()
    facts = look.facts
    places = {use.place: replaced for scan in facts.scans.values() for use in scan.uses}
    made = plan(look.loaded(), replace(facts, replaced=places), NOW)
    return [(decision.status, decision.tag or decision.why) for decision in made.decisions]


@pytest.mark.parametrize(
    ("rule", "replaced", "tags", "expected"),
    [
        (SEMVER, "1.5.1", ("1.4.2", "1.5.1"), ""),
        (SEMVER, "1.5.1", ("1.4.2", "1.5.0"), ""),
        (SEMVER, "1.5.1", ("1.4.2", "1.5.1", "1.5.2"), "1.5.2"),
        (SEMVER, "1.4.1", ("1.4.1", "1.4.2", "1.5.1"), "1.5.1"),
        (SEMVER, "latest", ("1.4.2", "1.5.1", "latest"), "1.5.1"),
        (f"{SEMVER}, release: 1.5.1", "1.5.1", ("1.4.2", "1.5.1"), "1.5.1"),
        (f"{SEMVER}, release: [1.5.0, 1.5.1]", "1.5.1", ("1.4.2", "1.5.1"), "1.5.1"),
        (f"{SEMVER}, release: 1.5.0", "1.5.1", ("1.4.2", "1.5.1"), ""),
        (f"{SEMVER}, allowDowngrade: true", "1.5.1", ("1.4.2", "1.5.1"), "1.5.1"),
        (f"{SEMVER}, tags: {{deny: '^2'}}", "2.0.0", ("1.4.2", "1.5.1", "2.0.0"), "1.5.1"),
        (f"{SEMVER}, separate: [major]", "1.5.1", ("1.4.2", "1.5.1"), ""),
        ("", "1.5.1", ("1.4.2", "1.5.1"), ""),
        ("", "1.5.1-alpine", ("1.4.2", "1.5.1", "1.5.1-alpine"), "1.5.1"),
        ("policy: {newest: {}}", "1.5.1", ("1.4.2", "1.5.1"), ""),
    ],
)
def test_a_version_that_was_taken_back_is_held(
    rule: str, replaced: str, tags: tuple[str, ...], expected: str
) -> None:
    """Until the choice ranks above it, or people say that it may come."""
    held = f"{replaced} was taken back to 1.4.2 in git; held until a newer version than {replaced}"
    answer = [("update", expected)] if expected else [("current", held)]
    made = {tag: image(tag, days=30 - n) for n, tag in enumerate(tags)}
    assert decided(app(rule, "newTag: 1.4.2", made), replaced) == answer


def test_what_is_off_stays_off() -> None:
    """An image that is not kept current has no word about the past."""
    look = app("enabled: false", "newTag: 1.4.2", images("1.4.2", "1.5.1"))
    assert decided(look, "1.5.1") == [("disabled", "switched off in the configuration")]


def test_each_use_has_a_past_of_its_own() -> None:
    """One container waits and the other moves on, in one file."""
    text = workload("ghcr.io/acme/app:1.4.2", "ghcr.io/acme/app:1.4.2")
    look = app(SEMVER, text, images("1.4.2", "1.5.1"))
    look.run()
    first = next(use for scan in look.facts.scans.values() for use in scan.uses)
    made = plan(look.loaded(), replace(look.facts, replaced={first.place: "1.5.1"}), NOW)
    assert [decision.status for decision in made.decisions] == ["current", "update"]
    (group,) = made.groups
    assert [update.use.place for update in group.updates] != [first.place]


def test_a_place_is_the_same_in_every_version_of_a_file() -> None:
    """The past is found by file, document and keys, whatever the tag."""
    before, now = (
        scan_file(FILE, kustomization(f"newTag: {tag}").encode()).uses[0]
        for tag in ("1.5.1", "1.4.2")
    )
    assert before.place == now.place == (FILE, 0, ("images", 0, "newTag"))
