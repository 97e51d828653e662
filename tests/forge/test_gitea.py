"""What is Gitea's and Forgejo's own: label numbers, the lookup by branches, its statuses."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from imagebot.errors import ForgeError, NoCommits
from tests.support.forgebench import Bench, open_bench
from tests.support.skipclock import SkipClock

HEAD = "imagebot/web-1a2b3c4d"
BRANCHES = {"main": "a" * 40, HEAD: "b" * 40}


@pytest.fixture
def gitea() -> Iterator[Bench]:
    with open_bench("gitea", dict(BRANCHES), SkipClock()) as bench:
        yield bench


def create(bench: Bench):
    return bench.forge.create(head=HEAD, base="main", title="Update web", body="text")


def test_the_token_header(gitea: Bench) -> None:
    """The token goes as `Authorization: token`."""
    create(gitea)
    assert {s.headers["authorization"] for s in gitea.fake.requests} == {
        f"token {gitea.fake.token}"
    }


def test_a_new_branch_spares_the_past(gitea: Bench) -> None:
    """For a branch that never had a request, the repository's past is not listed."""
    for number in range(300):
        gitea.fake.add_pull(f"old/{number}", state="merged")
    assert list(gitea.forge.history(HEAD, "main")) == []
    assert gitea.fake.calls("list") == []
    create(gitea)
    assert len(gitea.forge.history(HEAD, "main")) == 1


def test_a_server_without_the_lookup(gitea: Bench) -> None:
    """A server that has no lookup by branches is read by its list."""
    gitea.fake.old = True
    made = create(gitea)
    assert [p.number for p in gitea.forge.history(HEAD, "main")] == [made.number]


def test_labels_are_found_or_made(gitea: Bench) -> None:
    """Labels go by number: known ones are looked up on every page, new ones made once."""
    gitea.fake.labels += [f"label-{number}" for number in range(120)]
    made = create(gitea)
    gitea.forge.label(made.number, ["label-119", "fresh", "bug", "fresh"])
    assert gitea.fake.pulls[made.number].labels == ["label-119", "fresh", "bug"]
    assert gitea.fake.labels.count("fresh") == 1
    gitea.forge.label(made.number, ["fresh"])
    assert len(gitea.fake.calls("make_label")) == 1


@pytest.mark.parametrize(("switch", "status", "hint"), [("archived", 423, "archived"), ("quota", 413, "quota")])  # fmt: skip
def test_its_own_refusals(gitea: Bench, switch: str, status: int, hint: str) -> None:
    """An archived repository and a spent quota say so."""
    setattr(gitea.fake, switch, True)
    with pytest.raises(ForgeError) as caught:
        create(gitea)
    assert caught.value.status == status
    assert hint in caught.value.hint
    assert not caught.value.retryable


def test_a_branch_to_itself(gitea: Bench) -> None:
    """A head that is its base has nothing to request."""
    with pytest.raises(NoCommits):
        gitea.forge.create(head="main", base="main", title="t", body="")


def test_closing_a_merged_request(gitea: Bench) -> None:
    """A request that was merged meanwhile cannot be closed; that is an error, not a close."""
    made = create(gitea)
    gitea.fake.merge(made.number)
    with pytest.raises(ForgeError) as caught:
        gitea.forge.update(made.number, close=True)
    assert caught.value.status == 412
