"""Guards: which evidence drops a tag, how much evidence is asked for, and what stays running."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagebot.errors import PolicyError
from imagebot.model import ImageDetails, Sightings
from imagebot.policy import compile_policy, select
from imagebot.policy.guards import (
    MAX_JUDGED,
    MinimumAge,
    Platforms,
    first_passing,
    parse_age,
    parse_platform,
)

NOW = datetime(2026, 8, 23, 12, 0, tzinfo=UTC).timestamp()
HOUR, DAY = 3600, 86_400
SEMVER = compile_policy({"semver": "*"})
BOTH = Platforms(("linux/amd64", "linux/arm64"))


def image(age: float | None = None, *platforms: str, created: str | None = None) -> ImageDetails:
    """An image made `age` seconds ago; without an age nobody says when."""
    if created is None:
        created = "" if age is None else datetime.fromtimestamp(NOW - age, UTC).isoformat()
    return ImageDetails("sha256:" + "0" * 64, created=created, platforms=platforms)


@pytest.mark.parametrize(
    ("text", "seconds"), [("90m", 5400), ("12h", 43_200), ("3d", 259_200), ("2w", 1_209_600)]
)
def test_an_age_is_a_number_and_a_unit(text: str, seconds: int) -> None:
    """Minutes, hours, days and weeks; nothing else is an age."""
    assert parse_age(text) == seconds


@pytest.mark.parametrize("text", ["", "3", "d", "3 d", "-3d", "3D", "1.5h", "3s", "1y", "3d\n"])
def test_what_is_no_age_is_refused(text: str) -> None:
    """A typo never becomes an age of another length."""
    with pytest.raises(PolicyError, match="is no age"):
        parse_age(text)


@pytest.mark.parametrize("text", ["", "amd64", "linux/", "linux/arm/v7/x", "Linux/amd64", "a b/c"])
def test_what_is_no_platform_is_refused(text: str) -> None:
    """A platform that no image can have would hold everything back."""
    with pytest.raises(PolicyError, match="is no platform"):
        parse_platform(text)


@pytest.mark.parametrize(
    ("wanted", "offered", "passes"),
    [
        ("linux/amd64", ["linux/amd64"], True),
        ("linux/amd64", ["linux/arm64"], False),
        ("linux/arm", ["linux/arm/v7"], True),
        ("linux/arm", ["linux/arm/v6", "linux/amd64"], True),
        ("linux/arm/v7", ["linux/arm"], False),
        ("linux/arm/v7", ["linux/arm/v6"], False),
        ("linux/arm/v7", ["linux/arm/v7"], True),
        ("linux/arm", ["linux/arm64"], False),
        ("linux/arm64", ["linux/arm64/v8"], True),
        ("linux/arm64/v8", ["linux/arm64"], True),
        ("linux/arm64/v9", ["linux/arm64"], False),
        ("linux/amd64", ["linux/amd64/v3"], True),
        ("linux/amd64", ["windows/amd64"], False),
        ("linux/amd64", [], False),
    ],
)
def test_a_platform_is_served_by_itself_and_by_its_variants(
    wanted: str, offered: list[str], passes
) -> None:
    """A wanted variant is exact; without one every variant will do; v8 is what arm64 is anyway."""
    assert (Platforms((wanted,)).judge("1", image(0, *offered)) == "") is passes


def test_every_platform_is_needed_and_the_missing_ones_are_named() -> None:
    """One of two is not enough."""
    assert BOTH.judge("1", image(0, "linux/amd64")) == "not built for linux/arm64"
    assert BOTH.judge("1", image(0)) == "the platforms it is built for are unknown"
    assert BOTH.judge("1", None) is None


FIRST = NOW - 100 * DAY
LOOKED = Sightings(FIRST, {"old": FIRST, "came": NOW - DAY, "settled": NOW - 5 * DAY})


@pytest.mark.parametrize(
    ("tag", "details", "sightings", "young"),
    [
        # Without a memory only the publisher's word counts.
        ("x", image(3 * DAY), None, False),
        ("x", image(3 * DAY - 1), None, True),
        ("x", image(0), None, True),
        # Tags that were there at the first look count by the publisher's word.
        ("old", image(4 * DAY), LOOKED, False),
        ("old", image(DAY), LOOKED, True),
        # Tags that came since count by the later of both: a publisher cannot backdate them.
        ("came", image(400 * DAY), LOOKED, True),
        ("settled", image(400 * DAY), LOOKED, False),
        ("settled", image(DAY), LOOKED, True),
        # Without a credible time the first sighting counts, whichever it was.
        ("old", image(), LOOKED, False),
        ("settled", image(), LOOKED, False),
        ("came", image(), LOOKED, True),
        ("old", image(created="1980-01-01T00:00:00Z"), LOOKED, False),
        ("settled", image(created="2999-01-01T00:00:00Z"), LOOKED, False),
        ("now", image(), Sightings(NOW, {"now": NOW}), True),
    ],
)  # fmt: skip
def test_an_image_is_as_young_as_the_latest_thing_known_of_it(
    tag: str, details: ImageDetails, sightings: Sightings | None, young
) -> None:
    """Both clocks, the first look, and times that nobody can believe."""
    reason = MinimumAge(3 * DAY, NOW, sightings).judge(tag, details)
    assert reason is not None
    assert reason.startswith("too young") is young
    assert bool(reason) is young


@pytest.mark.parametrize(
    "created", ["", "yesterday", "1970-01-01T00:00:00Z", "1999-12-31T23:59:59Z", "2026-08-23T12:00:01Z"]
)  # fmt: skip
def test_unknown_age_fails_closed(created: str) -> None:
    """Without a credible time and without a memory an image is not old enough."""
    reason = MinimumAge(60, NOW).judge("x", image(created=created))
    assert reason == "its age is unknown: nobody says credibly when it was made"


def test_the_reason_says_when_a_tag_becomes_a_candidate() -> None:
    """People can wait for a time, and it is the same time in every run."""
    reason = MinimumAge(3 * DAY, NOW).judge("x", image(DAY))
    assert reason == "too young: a candidate from 2026-08-25 12:00 UTC on"


def test_a_tag_that_moved_is_young_again() -> None:
    """New content under an old name is new, whatever it says of itself."""
    guard = MinimumAge(3 * DAY, NOW, LOOKED, {"old": NOW - HOUR})
    assert "too young" in (guard.judge("old", image(400 * DAY)) or "")


def test_what_was_just_seen_to_come_needs_no_details() -> None:
    """The bot's own clock alone can drop a tag, without a request."""
    assert "too young" in (MinimumAge(3 * DAY, NOW, LOOKED).judge("came", None) or "")
    assert MinimumAge(3 * DAY, NOW, LOOKED).judge("settled", None) is None


TAGS = ("1.0.0", "1.1.0", "1.2.0", "1.3.0")
GOOD, LAME = image(9 * DAY, "linux/amd64", "linux/arm64"), image(9 * DAY, "linux/amd64")


def elect(current: str | None, evidence: dict[str, ImageDetails], tags=TAGS, **options):
    return select(SEMVER, tags, current=current, evidence=evidence, guards=(BOTH,), **options)


def test_details_are_asked_for_from_the_best_down_until_one_passes() -> None:
    """A good best tag costs one question; what is older than the running tag costs none."""
    asked: list[tuple[str, ...]] = []
    evidence: dict[str, ImageDetails] = {}
    while (found := elect("1.0.0", evidence)).wants:
        asked.append(found.wants)
        evidence.update({tag: GOOD if tag == "1.1.0" else LAME for tag in found.wants})
    assert asked == [("1.3.0",), ("1.2.0",), ("1.1.0",)]
    assert found.chosen == "1.1.0"
    assert found.dropped["1.3.0"] == "not built for linux/arm64"
    assert found.order == ("1.1.0", "1.0.0")
    assert found.why == "1.1.0 is the highest version in the range *"
    assert elect("1.0.0", {"1.3.0": GOOD}).chosen == "1.3.0"
    assert elect("1.3.0", {}).wants == ()


def test_missing_details_never_make_the_next_best_win() -> None:
    """As long as the best tag cannot be judged, nothing is chosen, whatever the others are."""
    found = elect("1.0.0", {"1.2.0": GOOD, "1.1.0": GOOD})
    assert (found.chosen, found.wants) == (None, ("1.3.0",))


def test_when_nothing_newer_passes_the_running_tag_stays() -> None:
    """A guard holds back; it never sends back, also where downgrades are allowed."""
    evidence = dict.fromkeys(TAGS, LAME) | {"1.0.0": GOOD, "0.9.0": GOOD}
    tags = (*TAGS, "0.9.0")
    for allow in (False, True):
        found = elect("1.1.0", evidence, tags, allow_downgrade=allow)
        assert found.chosen == "1.1.0"
        assert found.why.endswith("1.3.0 is left out (and 1 more are), not built for linux/arm64")
        # The registry has dropped the running tag.
        gone = tuple(tag for tag in tags if tag != "1.1.0")
        assert elect("1.1.0", evidence, gone, allow_downgrade=allow).chosen == "1.1.0"


def test_a_wanted_downgrade_is_judged_too() -> None:
    """Going back on purpose goes to an image that passes."""
    back = compile_policy({"semver": "<1.2"})
    evidence = {"1.1.0": LAME, "1.0.0": GOOD}
    found = select(
        back, TAGS, current="1.3.0", evidence=evidence, guards=(BOTH,), allow_downgrade=True
    )
    assert found.chosen == "1.0.0"


def test_a_running_tag_that_has_no_order_stays_when_nothing_passes() -> None:
    """`latest` gives way to a version that passes, and to nothing else."""
    evidence = dict.fromkeys(TAGS, LAME)
    assert elect("latest", evidence).chosen == "latest"
    assert elect("latest", evidence | {"1.1.0": GOOD}).chosen == "1.1.0"
    assert elect(None, evidence).chosen is None
    assert "no tag may run: 1.3.0" in (elect(None, evidence).error or "")


def test_the_running_tag_is_not_judged() -> None:
    """What runs, runs: an image that lacks a platform is not a reason to ask anything."""
    found = elect("1.3.0", {"1.3.0": LAME})
    assert (found.chosen, found.wants) == ("1.3.0", ())


def test_judging_has_an_end() -> None:
    """Thousands of bad tags do not cost thousands of requests: the election gives up, undecided."""
    tags = [f"1.{n}.0" for n in range(MAX_JUDGED + 10)]
    found = elect("1.0.0", dict.fromkeys(tags, LAME), tags)
    assert found.chosen is None
    assert "narrow the filter" in (found.error or "")


@given(st.lists(st.booleans(), max_size=60))
def test_few_rounds_and_few_questions(passes: list[bool]) -> None:
    """Rounds grow with the logarithm; at most twice as many details are asked as were needed."""
    names = [f"t{n}" for n in range(len(passes))]
    evidence: dict[str, ImageDetails] = {}
    rounds = 0
    while (found := first_passing(names, (BOTH,), evidence)).wants:
        assert not set(found.wants) & set(evidence)
        evidence.update({tag: GOOD if passes[names.index(tag)] else LAME for tag in found.wants})
        rounds += 1
    best = passes.index(True) if True in passes else None
    assert found.passed == (None if best is None else names[best])
    assert rounds <= 2 + len(names).bit_length()
    needed = len(names) if best is None else best + 1
    assert len(evidence) <= max(1, 2 * needed)
