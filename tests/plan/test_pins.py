"""Which parts of a reference are written, for every way an image is written, by table."""

from __future__ import annotations

import pytest

from imagebot.plan import merged_changes
from tests.plan.looks import FILE, POD, app, image, images, kustomization, workload

NAME = "ghcr.io/acme/app"
OLD = "sha256:" + "0f" * 32
ONE, TWO = image("1.0.0").digest, image("1.1.0").digest


def written(look) -> str:
    """What the file holds after the plan; its only change is in one group."""
    plan = look.run()
    (group,) = plan.groups
    (change,) = group.files
    return change.new.decode()


@pytest.mark.parametrize(
    ("pin", "old", "new"),
    [
        ("", "1.0.0", "1.1.0"),
        ("", f"1.0.0@{OLD}", f"1.1.0@{TWO}"),
        ("pin: tag", f"1.0.0@{OLD}", "1.1.0"),
        ("pin: tag", f"1.1.0@{OLD}", "1.1.0"),
        ("pin: tag@digest", "1.0.0", f"1.1.0@{TWO}"),
        ("pin: tag@digest", "1.1.0", f"1.1.0@{TWO}"),
        ("pin: tag@digest", f"1.0.0@{OLD}", f"1.1.0@{TWO}"),
        ("pin: tag@digest", f"1.1.0@{OLD}", f"1.1.0@{TWO}"),
    ],
)  # fmt: skip
def test_a_whole_reference_is_written_as_the_pin_says(pin: str, old: str, new: str) -> None:
    """Scalars that hold a whole reference change by their text; the tag's own digest is written."""
    look = app(pin, workload(f"{NAME}:{old}"), images("1.0.0", "1.1.0"))
    assert written(look) == workload(f"{NAME}:{new}")


@pytest.mark.parametrize(
    ("rule", "old", "new"),
    [
        ("pin: digest, policy: {semver: '*'}", f"{NAME}:1.0.0", f"{NAME}@{TWO}"),
        ("pin: digest, policy: {semver: '*'}", f"{NAME}@{OLD}", f"{NAME}@{TWO}"),
        ("pin: tag@digest, policy: {semver: '*'}", f"{NAME}@{OLD}", f"{NAME}:1.1.0@{TWO}"),
        ("pin: tag, policy: {semver: '*'}", f"{NAME}@{OLD}", f"{NAME}:1.1.0"),
        ("policy: {semver: '*'}", f"{NAME}@{OLD}", f"{NAME}@{TWO}"),
    ],
)  # fmt: skip
def test_a_reference_by_digest_alone(rule: str, old: str, new: str) -> None:
    """A policy that needs no running tag can pin to the digest alone, and come back."""
    look = app(rule, workload(old), images("1.0.0", "1.1.0"))
    assert written(look) == workload(new)


@pytest.mark.parametrize(
    ("pin", "old", "new"),
    [
        ("", "newTag: 1.0.0", "newTag: 1.1.0"),
        ("pin: tag", "newTag: 1.0.0", "newTag: 1.1.0"),
        ("pin: tag@digest", "newTag: 1.0.0", f"newTag: 1.1.0\n    digest: {TWO}"),
        ("pin: digest", "newTag: '1.0.0' # c", f"newTag: '1.1.0' # c\n    digest: '{TWO}'"),
        ("pin: tag@digest", "newTag: 1.1.0", f"newTag: 1.1.0\n    digest: {TWO}"),
        ("pin: tag@digest", f"newTag: 1.0.0\n    digest: {OLD}", f"newTag: 1.1.0\n    digest: {TWO}"),
        ("pin: tag@digest", f"newTag: 1.0.0@{OLD}", f"newTag: 1.1.0@{TWO}"),
        ("pin: tag", f"newTag: 1.0.0@{OLD}", "newTag: 1.1.0"),
        ("pin: tag@digest, policy: {semver: '*'}", f"digest: {OLD}", f"digest: {TWO}"),
    ],
)  # fmt: skip
def test_an_entry_of_a_kustomization_is_written_as_the_pin_says(pin, old: str, new: str) -> None:
    """A digest comes as a line behind the tag, in its style; the tag's line stays for people."""
    look = app(pin, old, images("1.0.0", "1.1.0"))
    assert written(look) == kustomization(new)
    assert app(pin, new, images("1.0.0", "1.1.0")).run().groups == ()


def test_entries_in_braces_are_pinned_too() -> None:
    """Flow style stays flow style."""
    text = f"images: [{{name: {NAME}, newTag: 1.0.0}}]\n"
    look = app("pin: tag@digest", text, images("1.0.0", "1.1.0"))
    assert written(look) == f"images: [{{name: {NAME}, newTag: 1.1.0, digest: {TWO}}}]\n"


def test_a_digest_on_a_line_of_its_own_is_not_removed() -> None:
    """`pin: tag` cannot take a line away: the file is refused, with the reason."""
    look = app("pin: tag", f"newTag: 1.0.0\n    digest: {OLD}", images("1.0.0", "1.1.0"))
    plan = look.run()
    assert [d.status for d in plan.decisions] == ["refused"]
    assert "the digest is a value of its own" in plan.decisions[0].why
    assert plan.undecided == {NAME}


def test_follow_keeps_the_tag_it_needs() -> None:
    """The digest alone would leave `follow` nothing to follow."""
    plan = app("pin: digest", workload(f"{NAME}:1.0.0"), images("1.0.0", "1.1.0")).run()
    assert [d.status for d in plan.decisions] == ["unordered"]
    assert "use `pin: tag@digest`" in plan.decisions[0].why


@pytest.mark.parametrize("tag", ["latest", "main", "4f5e6d7a", "sha-4f5e6d7"])
def test_a_tag_without_order_is_followed_by_its_digest(tag: str) -> None:
    """`latest` under `pin: tag@digest` is pinned, then moves whenever its digest does."""
    answers = {**images("1.0.0", "1.1.0"), tag: image(tag)}
    look = app("pin: tag@digest", workload(f"{NAME}:{tag}"), answers)
    assert written(look) == workload(f"{NAME}:{tag}@{image(tag).digest}")
    look = app("pin: tag@digest", workload(f"{NAME}:{tag}@{OLD}"), answers)
    plan = look.run()
    assert plan.groups[0].updates[0].size == "digest"
    assert plan.decisions[0].why == f"{tag} points to another digest now"
    assert look.asked == [(tag,)]
    assert app("", workload(f"{NAME}:{tag}"), answers).run().with_status("unordered")


@pytest.mark.parametrize("old", ["stable", f"stable@{OLD}"])
def test_the_digest_policy_follows_what_is_written(old: str) -> None:
    """A written digest is followed without a pin; a tag alone has nothing to change."""
    look = app("policy: {digest: stable}", workload(f"{NAME}:{old}"), images("stable"))
    groups = look.run().groups
    assert bool(groups) is ("@" in old)
    if groups:
        assert groups[0].files[0].new.decode() == workload(
            f"{NAME}:stable@{image('stable').digest}"
        )
        assert groups[0].updates[0].details == image("stable")


def test_a_moved_digest_is_judged_like_a_new_image() -> None:
    """Under an old name a new image needs its platforms and its age too."""
    rule = "pin: tag@digest, platforms: [linux/amd64, linux/arm64]"
    answers = {"1.0.0": image("1.0.0", "linux/amd64")}
    plan = app(rule, workload(f"{NAME}:1.0.0@{OLD}"), answers).run()
    assert [d.status for d in plan.decisions] == ["current"]
    assert plan.decisions[0].why == (
        "1.0.0 stays at its digest: the one it points to now is left out, not built for linux/arm64"
    )
    # What runs already may be pinned as it is.
    assert app(rule, workload(f"{NAME}:1.0.0"), answers).run().with_status("update")


def test_a_followed_digest_that_is_too_young_waits() -> None:
    """Where only a digest is written it stays as it is, until what it moves to is old enough."""
    rule = "policy: {digest: stable}, minimumAge: 3d"
    young = {"stable": image("stable", days=1)}
    plan = app(rule, workload(f"{NAME}@{OLD}"), young).run()
    assert [d.status for d in plan.decisions] == ["current"]
    assert "stable is left out, too young" in plan.decisions[0].why
    assert written(app(rule, workload(f"{NAME}@{OLD}"), images("stable"))).count(OLD) == 0


def test_without_the_digest_there_is_no_decision() -> None:
    """A digest that cannot be read leaves the image undecided; it is never left out."""
    look = app("pin: tag@digest", workload(f"{NAME}:1.0.0"), {"1.0.0": "-", "1.1.0": "HTTP 500"})
    plan = look.run()
    assert [(d.status, d.why) for d in plan.decisions] == [("undecided", "HTTP 500")]


LANES = {"1.4.2": "-", "1.4.3": "-", "1.5.1": "-", "2.0.0": "-", "2.1.0": "-"}


def groups_of(rule: str, answers=LANES, old: str = "newTag: 1.4.2"):
    return {g.key: g for g in app(rule, old, answers).run().groups}


def test_a_major_step_has_a_request_of_its_own() -> None:
    """Two groups with stable keys; titles say which is which; each file has just its own change."""
    found = groups_of("separate: [major]")
    assert {key: group.title for key, group in found.items()} == {
        NAME: "app 1.4.2 → 1.5.1",
        f"{NAME} (major)": "app 1.4.2 → 2.1.0 (major)",
    }
    for key, tag in ((NAME, "1.5.1"), (f"{NAME} (major)", "2.1.0")):
        assert found[key].files[0].new.decode() == kustomization(f"newTag: {tag}")
    assert found[NAME].updates[0].why == "1.5.1 is the newest tag written like the running one"


@pytest.mark.parametrize(
    ("separate", "found"),
    [
        ("[]", {"": "2.1.0"}),
        ("major", {"": "1.5.1", " (major)": "2.1.0"}),
        ("[major, minor]", {"": "1.4.3", " (minor)": "1.5.1", " (major)": "2.1.0"}),
        ("[minor]", {"": "2.1.0", " (minor)": "1.5.1"}),
        ("[patch]", {"": "2.1.0", " (patch)": "1.4.3"}),
        ("[digest]", {"": "2.1.0"}),
    ],
)
def test_each_separate_step_is_elected_by_itself(separate: str, found: dict[str, str]) -> None:
    """The best of each separate step, and the best of all other steps."""
    groups = groups_of(f"separate: {separate}")
    assert {key: group.updates[0].new.tag for key, group in groups.items()} == {
        f"{NAME}{suffix}": tag for suffix, tag in found.items()
    }


def test_a_step_that_is_not_there_has_no_request() -> None:
    """Only a major step to take: one group, and the other line says what it waits beside."""
    look = app("separate: [major]", "newTag: 1.4.2", {"1.4.2": "-", "2.0.0": "-"})
    plan = look.run()
    assert [group.key for group in plan.groups] == [f"{NAME} (major)"]
    beside = plan.decisions[0]
    assert (beside.status, beside.lane) == ("current", "")
    assert beside.why == (
        "the running 1.4.2 stays; 2.0.0 is left out, a major step, offered on its own"
    )


def test_the_digest_step_can_have_its_own_request() -> None:
    """With `separate: [digest]` a moved digest does not share the request of new versions."""
    rule = "pin: tag@digest, separate: [digest]"
    answers = images("1.0.0")
    found = app(rule, workload(f"{NAME}:1.0.0@{OLD}"), answers).run()
    assert [group.key for group in found.groups] == [f"{NAME} (digest)"]
    assert found.groups[0].title.endswith("(digest)")


def test_guards_judge_each_step_for_itself() -> None:
    """A major release that lacks a platform does not hold the minor one back."""
    answers = {**images("1.4.2", "1.5.1"), "2.0.0": image("2.0.0", "linux/amd64")}
    groups = groups_of("separate: major, platforms: [linux/arm64]", answers)
    assert list(groups) == [NAME]


def test_an_unreadable_major_release_freezes_its_own_request_only() -> None:
    """Missing evidence for one step leaves the others to go on."""
    answers = {**images("1.4.2", "1.5.1"), "2.0.0": "HTTP 500"}
    plan = app("separate: major, platforms: [linux/arm64]", "newTag: 1.4.2", answers).run()
    assert plan.undecided == {f"{NAME} (major)"}
    assert [group.key for group in plan.groups] == [NAME]


def test_a_folder_gets_the_smaller_step() -> None:
    """`apply` cannot write both; it writes the one that is not set apart."""
    plan = app(
        "separate: [major], pin: tag@digest", "newTag: 1.0.0", images("1.0.0", "1.1.0", "2.0.0")
    ).run()
    (change,) = merged_changes(plan)
    assert change.path == FILE
    assert change.new.decode() == kustomization(f"newTag: 1.1.0\n    digest: {TWO}")


def test_other_images_in_the_file_still_take_their_large_step() -> None:
    """What has only a large step to take is written beside what has a smaller one."""
    text = workload(f"{NAME}:1.4.2", f"{NAME}:1.5.1")
    plan = app("separate: [major]", text, LANES).run()
    (change,) = merged_changes(plan)
    assert change.path == POD
    assert change.new.decode() == workload(f"{NAME}:1.5.1", f"{NAME}:2.1.0")
