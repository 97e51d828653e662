"""The life of requests on real forge APIs, with git over HTTP, through `imagebot run`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from imagebot.pulls.marker import decode
from tests.support.gitrepos import git
from tests.support.loop import CREATED, LABELS, LOGINS, PLATFORMS, THREE, Loop, open_loop

FILE_LINKS = {
    "github": "/acme/deploy/blob/{sha}/{path}#L4",
    "github-app": "/acme/deploy/blob/{sha}/{path}#L4",
    "gitlab": "/acme/deploy/-/blob/{sha}/{path}#L4",
    "gitea": "/acme/deploy/src/commit/{sha}/{path}#L4",
}

MERGES = {
    "github": (False, False),
    "github-app": (True, True),
    "gitlab": (True, False),
    "gitea": (False, True),
}
"""By login: whether a person squashes, and whether the branch is kept. Every way is there once."""


@pytest.fixture(params=LOGINS)
def loop(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Loop]:
    with open_loop(tmp_path / "loop", monkeypatch) as made:
        made.add(request.param)
        yield made


def test_a_first_run_opens_one_request_an_environment(loop: Loop) -> None:
    """Branch, commit, title, text and labels are what a reviewer needs, and there is one of each."""
    site, digest = loop.site, loop.registry.release("1.1.0")
    ran = loop.run()
    assert ran.actions == dict.fromkeys(THREE, "created")
    assert len(site.fake.pulls) == 3
    assert site.pushes == 1
    base = site.remote.sha("main")
    for environment in THREE:
        pull, branch = site.pull(environment), site.branch(environment)
        assert (pull.head, pull.base) == (branch, "main")
        assert pull.title == f"{environment}: web 1.0.0 → 1.1.0"
        assert pull.labels == LABELS
        assert pull.head_sha == site.remote.sha(branch)
        link = FILE_LINKS[site.login].format(sha=base, path=f"{environment}/kustomization.yaml")
        for fact in (digest, CREATED[:10], *PLATFORMS, f"({site.fake.url}{link})"):
            assert fact in pull.body
        marker = decode(pull.body)
        assert marker is not None
        assert (marker.key, marker.commit) == (site.key(environment), pull.head_sha)
        outcome = ran[environment]
        assert (outcome["number"], outcome["branch"]) == (pull.number, branch)
        assert outcome["url"].startswith(site.fake.url)
        assert site.tag_on(branch, environment) == "1.1.0"
        assert git(site.remote.path, "rev-parse", f"{branch}^").decode().strip() == base


@pytest.fixture
def opened(loop: Loop) -> Loop:
    """A loop whose three requests are open."""
    loop.run()
    return loop


def test_a_second_run_writes_nothing(opened: Loop) -> None:
    """All is well: not one write request to the forge, not one push, no other commit."""
    before = opened.site.remote.branches()
    opened.settled()
    assert opened.site.remote.branches() == before


def test_a_newer_tag_updates_in_place(opened: Loop) -> None:
    """The same numbers and branches, one push, one update each, and the old version named."""
    site = opened.site
    numbers = {name: site.pull(name).number for name in THREE}
    digest = opened.registry.release("1.2.0")
    ran = opened.run()
    assert ran.actions == dict.fromkeys(THREE, "updated")
    assert (site.writes, site.pushes) == (["update"] * 3, 1)
    assert {name: site.pull(name).number for name in THREE} == numbers
    for environment in THREE:
        pull = site.pull(environment)
        assert pull.title == f"{environment}: web 1.0.0 → 1.2.0"
        assert digest in pull.body
        assert "**Superseded while this request was open:** `1.1.0`" in pull.body
        assert site.tag_on(pull.head, environment) == "1.2.0"
        assert pull.labels == LABELS
        count = git(site.remote.path, "rev-list", "--count", f"main..{pull.head}")
        assert int(count) == 1
    opened.settled()


def test_a_merged_request_is_done(opened: Loop) -> None:
    """After any kind of merge the group is current; a branch that was kept is tidied up."""
    site = opened.site
    squash, kept = MERGES[site.login]
    site.fake.merge(site.pull("dev").number, squash=squash, delete_branch=not kept)
    ran = opened.run()
    rest = {"staging": "unchanged", "production": "unchanged"}
    assert ran.actions == rest | ({"dev": "closed"} if kept else {})
    assert site.writes == []
    assert site.bot_branches() == {site.branch("staging"), site.branch("production")}
    assert site.tag_on("main", "dev") == "1.1.0"
    assert len(site.fake.pulls) == 3
    opened.settled()


def test_a_refusal_holds_until_a_newer_tag(opened: Loop) -> None:
    """Closed without a merge means no; another version may ask again, in a new request."""
    site = opened.site
    refused = site.pull("dev").number
    site.fake.close(refused)
    ran = opened.settled("skipped", "unchanged")
    assert ran["dev"]["action"] == "skipped"
    assert f"#{refused}" in ran["dev"]["reason"]
    opened.forget()
    opened.settled("skipped", "unchanged")
    opened.registry.release("1.2.0")
    ran = opened.run()
    assert ran.actions == {"dev": "created", "staging": "updated", "production": "updated"}
    assert site.pull("dev").number != refused
    assert site.fake.pulls[refused].state == "closed"
    opened.settled()


def test_what_is_no_longer_wanted_is_closed(opened: Loop) -> None:
    """A person wrote the version by hand: the request closes with the reason, the branch goes."""
    site = opened.site
    number = site.pull("dev").number
    site.bump("dev", "1.1.0")
    ran = opened.run()
    assert ran.actions == {"dev": "closed", "staging": "unchanged", "production": "unchanged"}
    pull = site.fake.pulls[number]
    assert pull.state == "closed"
    (comment,) = pull.comments
    assert comment.startswith("Closed by imagebot: the running 1.1.0 is the highest")
    assert site.remote.sha("main")[:12] in comment
    assert site.branch("dev") not in site.bot_branches()
    opened.settled()
    site.bump("dev", "1.0.0")
    opened.settled()
    assert site.branch("dev") not in site.bot_branches()
    opened.registry.release("1.2.0")
    assert opened.run()["dev"]["action"] == "created"


def test_a_persons_commit_is_never_overwritten(opened: Loop) -> None:
    """One comment says that the bot stops; after that, nothing, whatever version comes."""
    site = opened.site
    head = site.branch("dev")
    site.remote.commit({"dev/NOTES": b"wait for the database\n"}, branch=head)
    tip = site.remote.sha(head)
    ran = opened.run()
    assert ran["dev"]["action"] == "held"
    (comment,) = site.pull("dev").comments
    assert "never overwrites it" in comment
    opened.settled("held", "unchanged")
    opened.registry.release("1.2.0")
    assert opened.run()["dev"]["action"] == "held"
    assert site.remote.sha(head) == tip
    assert len(site.pull("dev").comments) == 1


def test_a_persons_words_stay(opened: Loop) -> None:
    """Text around the bot's part, a changed title and a removed label survive an update."""
    site = opened.site
    pull = site.pull("dev")
    pull.body = f"Please wait for Friday.\n\n{pull.body}\n\nOK from the database team."
    pull.title = "Friday's release"
    pull.labels.remove("images")
    opened.settled()
    opened.registry.release("1.2.0")
    opened.run()
    pull = site.pull("dev")
    assert pull.title == "Friday's release"
    assert pull.body.startswith("Please wait for Friday.\n")
    assert pull.body.endswith("\nOK from the database team.")
    assert "`1.2.0`" in pull.body
    assert pull.labels == ["dependencies"]
