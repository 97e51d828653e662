"""Guards, pins and separate steps in whole cycles, and versions that people take back."""

from __future__ import annotations

import pytest

from imagebot.pulls.decide import RELEASE_LABEL
from imagebot.pulls.naming import branch_name
from tests.support.worlds import CONFIG, World, overlay_path

REST = ("unchanged", "unchanged")


def configure(world: World, more: str) -> None:
    """Every image gets one more key."""
    text = CONFIG.replace('policy: {semver: "*"}', f'policy: {{semver: "*"}}\n    {more}')
    world.remote.commit({".imagebot.yaml": text.encode()})


def test_a_major_step_travels_alone(world: World) -> None:
    """Two requests an environment; a merged major step ends the smaller one, and nothing loops."""
    configure(world, "separate: [major]")
    world.release("2.0.0")
    world.settle(*["created"] * 6)
    world.settle(*["unchanged"] * 6)
    major = branch_name("main", f"{world.key('dev')} (major)")
    assert {pull["title"] for pull in world.open_pulls() if pull["title"].startswith("dev")} == {
        "dev: web 1.0.0 → 1.1.0",
        "dev: web 1.0.0 → 2.0.0 (major)",
    }
    assert world.tag_on(major, "dev") == "2.0.0"
    world.merge(major, "main")
    world.settle("closed", "closed", *["unchanged"] * 4)
    assert world.tag_on("main", "dev") == "2.0.0"
    assert [pull for pull in world.open_pulls() if pull["title"].startswith("dev")] == []
    world.settle(*["unchanged"] * 4)


def test_a_smaller_step_that_is_merged_leaves_the_major_one_open(world: World) -> None:
    """The other request is rebuilt on the new base, in place."""
    configure(world, "separate: [major]")
    world.release("2.0.0")
    world.settle(*["created"] * 6)
    world.merge(world.branch("dev"), "main")
    world.settle("closed", "updated", *["unchanged"] * 4)
    (left,) = [pull for pull in world.open_pulls() if pull["title"].startswith("dev")]
    assert left["title"] == "dev: web 1.1.0 → 2.0.0 (major)"


def test_a_digest_is_written_behind_the_tag(world: World) -> None:
    """The overlay gets a `digest:` line, and just that; the next run has nothing to do."""
    configure(world, "pin: tag@digest")
    world.settle("created", "created", "created")
    text = world.remote.show(world.branch("dev"), overlay_path("dev")).decode()
    digest = world.registry.store.manifest("acme/web", "1.1.0").digest
    assert text == world.overlay("dev", "1.1.0").decode() + f'    digest: "{digest}"\n'
    world.merge(world.branch("dev"), "main")
    world.settle("closed", *REST)
    world.settle(*REST)


@pytest.mark.parametrize("released", [True, False], ids=["released", "newer"])
def test_a_version_that_was_taken_back_waits(world: World, *, released: bool) -> None:
    """A revert holds the version, run after run, until a label or a newer version lets it go."""
    world.settle("created", "created", "created")
    number = world.one_pull("dev")["number"]
    world.merge(world.branch("dev"), "main")
    world.settle("closed", *REST)
    world.edit_record(number, state="merged")
    world.bump("dev", "1.0.0")
    for _ in range(2):
        ran = world.settle("skipped", *REST)
        assert any("has been reverted since" in reason for reason in ran.reasons.values())
    if released:
        world.edit_record(number, labels=[RELEASE_LABEL])
        world.settle("created", *REST)
    else:
        world.release("1.2.0")
        world.settle("created", "updated", "updated")
    assert world.one_pull("dev")["number"] > number


def test_a_version_that_was_never_requested_and_is_taken_back_waits(world: World) -> None:
    """A person's bump and rollback close the request with the reason; a newer version opens one."""
    world.settle("created", "created", "created")
    world.bump("dev", "1.1.0")
    world.bump("dev", "1.0.0")
    ran = world.settle("closed", *REST)
    said = "1.1.0 was taken back to 1.0.0 in git; held until a newer version than 1.1.0"
    assert any(said in reason for reason in ran.reasons.values())
    world.settle(*REST)
    assert world.open_pulls(world.branch("dev")) == []
    world.release("1.2.0")
    world.settle("created", "updated", "updated")
    assert world.tag_on(world.branch("dev"), "dev") == "1.2.0"


def test_a_version_that_was_taken_back_comes_again_when_the_configuration_says_so(
    world: World,
) -> None:
    """`release` names it, and the request opens; in the meantime nothing does."""
    world.bump("dev", "1.1.0")
    world.bump("dev", "1.0.0")
    world.settle("created", "created")
    configure(world, "release: 1.1.0")
    world.settle("created", *REST)
    assert world.one_pull("dev")["title"] == "dev: web 1.0.0 → 1.1.0"


@pytest.mark.parametrize("squashed", [True, False], ids=["squash", "merge"])
def test_a_request_that_was_merged_and_taken_back_is_left_to_its_label(
    world: World, *, squashed: bool
) -> None:
    """Whichever way it was merged, the label on it lets the version go, with no configuration."""
    world.settle("created", "created", "created")
    number = world.one_pull("dev")["number"]
    join = world.squash if squashed else world.merge
    join(world.branch("dev"), "main")
    world.settle("closed", *REST)
    world.edit_record(number, state="merged", labels=[RELEASE_LABEL])
    world.bump("dev", "1.0.0")
    world.settle("created", *REST)


def test_a_history_that_cannot_be_read_stops_nothing(world: World) -> None:
    """A blob of the past that the remote lost costs the rule, with a warning, and no update."""
    world.bump("dev", "1.1.0")
    world.bump("dev", "1.0.0")
    lost = world.remote.blob(world.overlay("dev", "1.1.0"))
    (world.remote.path / "objects" / lost[:2] / lost[2:]).unlink()
    ran = world.settle("created", "created", "created")
    assert "versions that were taken back in git are not held this time" in ran.err
