"""The life of a pull request as people live it, on a real git remote and through the real verb."""

from __future__ import annotations

import pytest

from tests.support.gitrepos import git
from tests.support.worlds import CONFIG, ENVIRONMENTS, OVERLAY, World, overlay_path

THREE = ("created", "created", "created")
SAME = ("unchanged", "unchanged", "unchanged")


@pytest.fixture
def opened(world: World) -> World:
    """A request is open for each environment."""
    world.settle(*THREE)
    return world


def actions(world: World) -> dict[str, str]:
    """What a good run does, by environment."""
    ran = world.settle()
    return {key.split("/")[0]: action for key, action in ran.actions.items()}


def test_a_request_changes_one_word_of_one_file(opened: World) -> None:
    """One commit on base for each key, which moves a tag and no other byte."""
    for environment in ENVIRONMENTS:
        branch = opened.branch(environment)
        assert opened.tag_on(branch, environment) == "1.1.0"
        changed = git(opened.remote.path, "diff", "--name-only", "main", branch).decode().split()
        assert changed == [overlay_path(environment)]
        assert git(opened.remote.path, "rev-parse", f"{branch}^").decode().strip() == (
            opened.remote.sha("main")
        )
        pull = opened.one_pull(environment)
        assert pull["title"] == f"{environment}: web 1.0.0 → 1.1.0"
        assert pull["labels"] == ["dependencies"]
    assert (
        opened.remote.sha("main") == git(opened.remote.path, "rev-parse", "main").decode().strip()
    )


def test_a_second_run_changes_nothing(opened: World) -> None:
    """The same facts give the same world: not a byte, not a commit, not a word more."""
    before = opened.picture()
    opened.settle(*SAME)
    assert opened.picture() == before


def test_a_newer_tag_updates_the_same_requests(opened: World) -> None:
    """Superseded in place: same numbers, same branches, the new version in title, text, commit."""
    numbers = set(opened.pulls)
    opened.release("1.2.0")
    opened.settle("updated", "updated", "updated")
    assert set(opened.pulls) == numbers
    for environment in ENVIRONMENTS:
        assert opened.one_pull(environment)["title"] == f"{environment}: web 1.0.0 → 1.2.0"
        assert opened.tag_on(opened.branch(environment), environment) == "1.2.0"
        assert "1.1.0" in opened.one_pull(environment)["body"]
    opened.settle(*SAME)


def test_a_tag_that_vanishes_is_no_downgrade(opened: World) -> None:
    """The newest tag is deleted from the registry: what it replaced is not offered backwards."""
    opened.bump("dev", "1.1.0")
    opened.settle("closed", "unchanged", "unchanged")
    _delete_tag(opened, "1.1.0")
    opened.settle("closed", "closed")
    assert opened.open_pulls() == []
    assert opened.tag_on("main", "dev") == "1.1.0"


def _delete_tag(world: World, tag: str) -> None:
    from tests.support.registryhttp import RegistryHTTP

    with RegistryHTTP(world.registry.url) as http:
        assert http("DELETE", f"/v2/acme/web/manifests/{tag}").status_code == 202


@pytest.mark.parametrize("newer", [False, True], ids=["same version", "newer version"])
def test_a_commit_of_a_person_is_never_overwritten(opened: World, *, newer: bool) -> None:
    """A person pushes to the bot's branch: it is theirs, and that is said once."""
    branch = opened.branch("staging")
    theirs = opened.remote.commit({"README.md": b"mine\n"}, branch=branch)
    if newer:
        opened.release("1.2.0")
    for _ in range(3):
        assert actions(opened)["staging"] == "held"
        assert opened.remote.sha(branch) == theirs
    (said,) = opened.one_pull("staging")["comments"]
    assert "not imagebot's" in said
    assert opened.one_pull("dev")["title"].endswith("1.2.0" if newer else "1.1.0")


def test_an_amended_commit_is_a_persons(opened: World) -> None:
    """The bot's commit with another committer is held, and deleting the branch hands it back."""
    branch = opened.branch("dev")
    theirs = opened.amend(branch, "dev: web, with my own words")
    assert actions(opened)["dev"] == "held"
    assert opened.remote.sha(branch) == theirs
    opened.delete_branch(branch)
    actions(opened)
    actions(opened)
    assert opened.tag_on(branch, "dev") == "1.1.0"
    assert opened.one_pull("dev")["state"] == "open"


@pytest.mark.parametrize("way", ["merge", "squash"])
def test_a_merged_request_is_done(opened: World, way: str) -> None:
    """Merged by a person: no new request, and the bot tidies up its own branch."""
    branch, pull = opened.branch("production"), opened.one_pull("production")
    getattr(opened, way)(branch, "main")
    if way == "squash":
        opened.edit_record(pull["number"], state="merged")
    for _ in range(2):
        actions(opened)
    assert opened.tag_on("main", "production") == "1.1.0"
    assert opened.pulls[pull["number"]]["state"] == "merged"
    assert opened.open_pulls(branch) == []
    assert branch not in opened.remote.branches()
    assert len(opened.open_pulls()) == 2
    opened.release("1.2.0")
    assert actions(opened) == dict.fromkeys(["dev", "staging"], "updated") | {
        "production": "created"
    }


def test_a_refused_version_does_not_come_back(opened: World) -> None:
    """Closed by a person: remembered, without the state too; only a newer version asks again."""
    pull = opened.one_pull("dev")
    opened.edit_record(pull["number"], state="closed")
    for _ in range(2):
        assert actions(opened)["dev"] == "skipped"
    (opened.workdir / "state.db").unlink()
    assert actions(opened)["dev"] == "skipped"
    opened.release("1.2.0")
    assert actions(opened)["dev"] == "created"
    assert opened.one_pull("dev")["title"] == "dev: web 1.0.0 → 1.2.0"


def test_a_refused_version_with_its_branch_deleted_does_not_come_back(opened: World) -> None:
    """Closing and deleting the branch, as a forge's buttons do, is a refusal too."""
    pull = opened.one_pull("dev")
    opened.edit_record(pull["number"], state="closed")
    opened.delete_branch(opened.branch("dev"))
    assert actions(opened)["dev"] == "skipped"
    assert opened.branch("dev") not in opened.remote.branches()


def test_a_bump_by_hand_closes_the_request(opened: World) -> None:
    """Base has the version already: closed with the reason, branch deleted, no refusal left."""
    pull = opened.one_pull("dev")
    opened.bump("dev", "1.1.0")
    assert actions(opened)["dev"] == "closed"
    closed = opened.pulls[pull["number"]]
    assert closed["state"] == "closed"
    (said,) = closed["comments"]
    assert said.startswith("Closed by imagebot: ")
    assert "1.1.0" in said
    assert opened.branch("dev") not in opened.remote.branches()
    opened.bump("dev", "1.0.0")
    released = CONFIG.replace('policy: {semver: "*"}', 'policy: {semver: "*"}\n    release: 1.1.0')
    opened.remote.commit({".imagebot.yaml": released.encode()})
    assert actions(opened)["dev"] == "created"


def test_a_base_that_moves_elsewhere_moves_no_branch(opened: World) -> None:
    """Approvals stay: nothing is pushed because somebody edited another file."""
    before = opened.picture()["branches"]
    opened.remote.commit({"README.md": b"news\n"})
    opened.settle(*SAME)
    after = opened.picture()["branches"]
    del before["main"], after["main"]
    assert after == before


def test_a_conflicting_base_rebuilds_the_branch(opened: World) -> None:
    """Somebody edits the same file: the branch is built anew on it, and keeps that edit."""
    text = OVERLAY.format(environment="dev", host=opened.host, app="web", tag="1.0.0")
    edited = text.replace("# current", "# pinned until Friday").encode()
    opened.remote.commit({overlay_path("dev"): edited})
    number = opened.one_pull("dev")["number"]
    assert actions(opened)["dev"] == "updated"
    branch = opened.branch("dev")
    assert opened.one_pull("dev")["number"] == number
    assert opened.remote.show(branch, overlay_path("dev")) == edited.replace(b"1.0.0", b"1.1.0")
    assert opened.remote.sha("main") == (
        git(opened.remote.path, "rev-parse", f"{branch}^").decode().strip()
    )
    opened.settle(*SAME)


def test_a_base_that_moves_part_of_the_way_rebuilds(opened: World) -> None:
    """Base is set to another older tag by hand: the request goes from there."""
    opened.release("1.0.5")
    opened.bump("dev", "1.0.5")
    assert actions(opened)["dev"] == "updated"
    assert opened.one_pull("dev")["title"] == "dev: web 1.0.5 → 1.1.0"


def test_a_deleted_overlay_closes_its_request(opened: World) -> None:
    """The place is gone: its request is closed, the others stay."""
    pull = opened.one_pull("staging")
    opened.remove(overlay_path("staging"))
    assert actions(opened) == {"dev": "unchanged", "production": "unchanged", "staging": "closed"}
    assert opened.pulls[pull["number"]]["state"] == "closed"
    assert opened.branch("staging") not in opened.remote.branches()


def test_a_branch_deleted_by_hand_starts_anew(opened: World) -> None:
    """Only the branch was deleted, on a forge that closes the request with it: a refusal.

    A refusal holds for this version; a newer one starts anew with a fresh branch.
    """
    opened.delete_branch(opened.branch("dev"))
    assert actions(opened)["dev"] == "skipped"
    opened.release("1.2.0")
    assert actions(opened)["dev"] == "created"
    assert opened.tag_on(opened.branch("dev"), "dev") == "1.2.0"


def test_update_branch_with_a_merge_commit_is_held(opened: World) -> None:
    """The button "update branch" makes a merge that the bot did not: it is left alone."""
    opened.remote.commit({"README.md": b"news\n"})
    branch = opened.branch("dev")
    merged = opened.merge("main", branch)
    for _ in range(2):
        assert actions(opened)["dev"] == "held"
    assert opened.remote.sha(branch) == merged
    assert len(opened.one_pull("dev")["comments"]) == 1


def test_a_request_reset_to_the_bots_commit_is_handed_back(opened: World) -> None:
    """A person takes their commit back: the bot goes on, also with a newer version."""
    branch = opened.branch("dev")
    own = opened.remote.sha(branch)
    opened.remote.commit({"README.md": b"mine\n"}, branch=branch)
    assert actions(opened)["dev"] == "held"
    git(opened.remote.path, "update-ref", f"refs/heads/{branch}", own)
    assert actions(opened)["dev"] == "updated"
    opened.release("1.2.0")
    assert actions(opened)["dev"] == "updated"
    assert opened.tag_on(branch, "dev") == "1.2.0"


def test_words_and_titles_of_people_stay(opened: World) -> None:
    """A renamed request keeps its name, and text above the bot's part survives an update."""
    pull = opened.one_pull("dev")
    opened.edit_record(pull["number"], title="my own title")
    body = opened.remote.path / "imagebot" / "pulls" / f"{pull['number']}.md"
    body.write_text("Please wait for Tuesday.\n\n" + body.read_text())
    opened.release("1.2.0")
    assert actions(opened)["dev"] == "updated"
    after = opened.one_pull("dev")
    assert after["title"] == "my own title"
    assert after["body"].startswith("Please wait for Tuesday.")
    assert "1.2.0" in after["body"]


def test_a_label_freezes_a_request(opened: World) -> None:
    """`imagebot-hold`: no push, no text, until it is removed."""
    pull = opened.one_pull("dev")
    opened.edit_record(pull["number"], labels=["imagebot-hold"])
    before = opened.remote.sha(opened.branch("dev"))
    opened.release("1.2.0")
    assert actions(opened)["dev"] == "held"
    assert opened.remote.sha(opened.branch("dev")) == before
    opened.edit_record(pull["number"], labels=[])
    assert actions(opened)["dev"] == "updated"


def test_a_branch_without_a_request_is_adopted(opened: World) -> None:
    """The crash between push and create: the branch stands, and gets its one request."""
    pull = opened.one_pull("dev")
    branch, folder = opened.branch("dev"), opened.remote.path / "imagebot" / "pulls"
    sha = opened.remote.sha(branch)
    (folder / f"{pull['number']}.json").unlink()
    (folder / f"{pull['number']}.md").unlink()
    assert actions(opened)["dev"] == "created"
    assert opened.remote.sha(branch) == sha
    assert len(opened.open_pulls(branch)) == 1


def test_a_strangers_branch_of_that_name_is_left_alone(world: World) -> None:
    """The branch is there before the bot ever ran: it is somebody's, and is not touched."""
    branch = world.branch("dev")
    theirs = world.remote.commit(
        {"README.md": b"squatter\n"}, branch=branch, parent=world.remote.sha("main")
    )
    assert actions(world) == {"dev": "held", "staging": "created", "production": "created"}
    assert world.remote.sha(branch) == theirs
    assert world.open_pulls(branch) == []


def test_other_bots_and_base_branches_are_not_ours(opened: World) -> None:
    """Branches under the prefix that no key of ours gives stay, whatever they hold."""
    tip = opened.remote.sha("main")
    for name in ("imagebot/other-tool", "imagebot/dev-web-00000000"):
        git(opened.remote.path, "update-ref", f"refs/heads/{name}", tip)
    opened.settle(*SAME)
    assert opened.remote.branches()["imagebot/other-tool"] == tip
    assert opened.remote.branches()["imagebot/dev-web-00000000"] == tip


def test_a_pull_request_cannot_widen_the_configuration(opened: World) -> None:
    """Policy comes from the base branch alone: what a branch says about it has no effect."""
    config = opened.remote.show("main", ".imagebot.yaml").decode()
    opened.release("2.0.0-rc.1")
    opened.remote.commit(
        {".imagebot.yaml": config.replace('semver: "*"', 'semver: ">=0-0"').encode()},
        branch=opened.branch("dev"),
    )
    opened.remote.commit(
        {".imagebot.yaml": b"version: 1\nimages: [{match: '**', policy: {alphabetical: desc}}]\n"},
        branch="feature",
        parent=opened.remote.sha("main"),
    )
    assert actions(opened) == {"dev": "held", "staging": "unchanged", "production": "unchanged"}


def test_the_limit_of_open_requests_holds(world: World) -> None:
    """No more than `limit` at once; one that is merged makes room for the next."""
    config = world.remote.show("main", ".imagebot.yaml").decode()
    world.remote.commit({".imagebot.yaml": config.replace("{labels", "{limit: 2, labels").encode()})
    world.settle("created", "created", "skipped")
    assert len(world.open_pulls()) == 2
    merged = world.open_pulls()[0]["head"]
    world.merge(merged, "main")
    world.settle()
    world.settle()
    assert len(world.open_pulls()) == 2
    assert merged not in world.remote.branches()
