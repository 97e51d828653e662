"""What is GitLab's own: encoded paths, locked requests, quick facts about its lists."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from imagebot.errors import DuplicatePullRequest
from imagebot.forge.select import connect
from imagebot.http import HttpClient
from tests.support.fakegitlab import FakeGitLab
from tests.support.forgebench import Bench, open_bench
from tests.support.skipclock import SkipClock

HEAD = "imagebot/web-1a2b3c4d"
BRANCHES = {"main": "a" * 40, HEAD: "b" * 40}


@pytest.fixture
def gitlab() -> Iterator[Bench]:
    with open_bench("gitlab", dict(BRANCHES), SkipClock(), owner="acme/platform") as bench:
        yield bench


def create(bench: Bench):
    return bench.forge.create(head=HEAD, base="main", title="Update web", body="text")


def test_a_project_in_a_subgroup(gitlab: Bench) -> None:
    """A path of many segments is one segment of the URL, and the token goes in its own header."""
    made = create(gitlab)
    assert made.url.endswith("/acme/platform/deploy/-/merge_requests/1")
    for seen in gitlab.fake.requests:
        assert seen.path.startswith("/projects/acme%2Fplatform%2Fdeploy/")
        assert seen.headers["private-token"] == gitlab.fake.token
        assert "authorization" not in seen.headers


def test_a_conflict_in_any_language(gitlab: Bench) -> None:
    """409 is a duplicate whatever language the server's text is in."""
    create(gitlab)
    with pytest.raises(DuplicatePullRequest) as caught:
        create(gitlab)
    assert "Es gibt bereits" in caught.value.message


def test_a_request_that_is_being_merged_is_open(gitlab: Bench) -> None:
    """`locked` is open: it is listed, so no second one is made beside it."""
    made = create(gitlab)
    gitlab.fake.pulls[made.number].locked = True
    assert [p.number for p in gitlab.forge.open_pulls("imagebot/")] == [made.number]
    assert [p.state for p in gitlab.forge.history(HEAD, "main")] == ["open"]


def test_a_proxy_that_drops_the_paging_header(gitlab: Bench) -> None:
    """Without X-Next-Page the list is read on until a page is empty."""
    gitlab.fake.next_page_header = False
    for number in range(230):
        gitlab.fake.add_pull(f"imagebot/app-{number}")
    assert len(gitlab.forge.open_pulls("imagebot/")) == 230


def test_a_closed_branch_keeps_its_request(gitlab: Bench) -> None:
    """GitLab leaves a request open when its branch is deleted, and so does what we show."""
    made = create(gitlab)
    gitlab.fake.git.delete(HEAD)
    assert [p.number for p in gitlab.forge.open_pulls("imagebot/")] == [made.number]


def test_many_comments(gitlab: Bench) -> None:
    """A lost comment is looked for on every page of comments."""
    made = create(gitlab)
    gitlab.fake.pulls[made.number].comments = ["mine", *(f"c{n}" for n in range(150))]
    gitlab.fake.faults.cut("comment", after=True)
    gitlab.forge.comment(made.number, "mine")
    assert gitlab.fake.pulls[made.number].comments.count("mine") == 2


def test_gitlab_below_a_path() -> None:
    """A GitLab that lives below a path of its host is asked there."""

    class Below(FakeGitLab):
        prefix = "/git/api/v4"

    with Below(branches=dict(BRANCHES)) as fake, HttpClient(user_agent="t") as http:
        connection = connect(
            "gitlab",
            url=f"{fake.url}/git/",
            project="acme/deploy",
            http=http,
            clock=SkipClock(),
            token=fake.token,
        )
        connection.forge.create(head=HEAD, base="main", title="t", body="")
        assert len(fake.pulls) == 1
        assert connection.forge.file_url("c", "x").startswith(f"{fake.url}/git/acme/deploy/-/blob/")
