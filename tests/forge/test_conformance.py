"""What every forge adapter promises, whatever it speaks to."""

from __future__ import annotations

import pytest

from imagebot.errors import DuplicatePullRequest, ForgeError, NoCommits
from imagebot.forge.port import Forge, Limits
from tests.support.forgebench import KINDS, Bench

pytestmark = pytest.mark.parametrize("bench", KINDS, indirect=True)

HEAD = "imagebot/web-1a2b3c4d"
TEXT = "## Images\n\n| a | b |\n|---|---|\n| `x` | ü 日本 |\n"


def opened(bench: Bench, head: str = HEAD, **given: str):
    bench.commit(head)
    return bench.forge.create(
        **{"head": head, "base": "main", "title": "Update web", "body": TEXT} | given
    )


def test_is_a_forge(bench: Bench) -> None:
    """The adapter has every call of the port, and says what it accepts."""
    forge: Forge = bench.forge
    assert isinstance(forge.limits, Limits)
    assert forge.limits.title == 255
    assert forge.limits.body >= 58_000


def test_a_created_request_reads_back(bench: Bench) -> None:
    """What was given to create is what create, get, open_pulls and history show."""
    sha = bench.commit(HEAD)
    made = bench.forge.create(head=HEAD, base="main", title="Update web", body=TEXT)
    assert (made.state, made.head, made.base) == ("open", HEAD, "main")
    assert (made.title, made.body, made.head_sha) == ("Update web", TEXT, sha)
    assert made.url.startswith(("http://", "file://"))
    assert bench.forge.get(made.number) == made
    assert list(bench.forge.open_pulls("imagebot/")) == [made]
    assert list(bench.forge.history(HEAD, "main")) == [made]


def test_an_empty_body_stays_empty(bench: Bench) -> None:
    """A body of nothing comes back as an empty string."""
    assert opened(bench, body="").body == ""


def test_nothing_there(bench: Bench) -> None:
    """A forge without requests has empty lists and no request 41."""
    assert list(bench.forge.open_pulls("")) == []
    assert list(bench.forge.history("imagebot/none", "main")) == []
    assert bench.forge.get(41) is None


def test_a_second_request_for_one_head_is_refused(bench: Bench) -> None:
    """While one is open, create raises DuplicatePullRequest and makes nothing."""
    made = opened(bench)
    with pytest.raises(DuplicatePullRequest) as caught:
        bench.forge.create(head=HEAD, base="main", title="Again", body="")
    assert caught.value.status in {409, 422}
    assert [pull.number for pull in bench.forge.history(HEAD, "main")] == [made.number]


def test_a_closed_request_is_remembered(bench: Bench) -> None:
    """A request that a person closed is `closed` in history, and another can be opened."""
    first = opened(bench)
    bench.close(first.number)
    assert list(bench.forge.open_pulls("imagebot/")) == []
    assert [pull.state for pull in bench.forge.history(HEAD, "main")] == ["closed"]
    bench.commit(HEAD, "two")
    second = bench.forge.create(head=HEAD, base="main", title="Next", body="")
    assert [(p.number, p.state) for p in bench.forge.history(HEAD, "main")] == [
        (second.number, "open"),
        (first.number, "closed"),
    ]


def test_a_merged_request_is_merged(bench: Bench) -> None:
    """After a merge the state is `merged`, and the request is not among the open ones."""
    made = opened(bench)
    bench.merge(made.number)
    shown = bench.forge.get(made.number)
    assert shown is not None
    assert shown.state == "merged"
    assert [pull.state for pull in bench.forge.history(HEAD, "main")] == ["merged"]
    assert list(bench.forge.open_pulls("imagebot/")) == []


def test_merged_and_branch_deleted(bench: Bench) -> None:
    """A branch that is deleted after the merge leaves a merged request under its name."""
    made = opened(bench)
    bench.merge(made.number)
    bench.delete(HEAD)
    assert [(p.number, p.state) for p in bench.forge.history(HEAD, "main")] == [
        (made.number, "merged")
    ]


def test_the_same_branch_again_after_a_merge(bench: Bench) -> None:
    """A branch name is used again after its request was merged: the old one stays merged."""
    first = opened(bench)
    bench.merge(first.number)
    bench.forge.open_pulls("")
    bench.commit(HEAD, "two")
    second = bench.forge.create(head=HEAD, base="main", title="Next", body="")
    assert [(p.number, p.state) for p in bench.forge.history(HEAD, "main")] == [
        (second.number, "open"),
        (first.number, "merged"),
    ]


def test_the_head_follows_the_branch(bench: Bench) -> None:
    """A push to the head branch shows as the request's head."""
    made = opened(bench)
    sha = bench.commit(HEAD, "rebuilt")
    shown = bench.forge.get(made.number)
    assert shown is not None
    assert sha == shown.head_sha != made.head_sha
    assert shown.state == "open"


def test_update_changes_what_is_given(bench: Bench) -> None:
    """Title, body and state change one by one and together, and nothing else does."""
    made = opened(bench)
    assert bench.forge.update(made.number, title="New title").body == TEXT
    changed = bench.forge.update(made.number, body="new body")
    assert (changed.title, changed.body, changed.state) == ("New title", "new body", "open")
    closed = bench.forge.update(made.number, title="Obsolete", body="gone", close=True)
    assert (closed.title, closed.body, closed.state) == ("Obsolete", "gone", "closed")
    assert bench.forge.get(made.number) == closed


def test_closing_twice(bench: Bench) -> None:
    """Closing is the same the second time."""
    made = opened(bench)
    bench.forge.update(made.number, close=True)
    assert bench.forge.update(made.number, close=True).state == "closed"


def test_labels_are_added(bench: Bench) -> None:
    """New labels come beside old ones, once each, and no label is no request at all."""
    made = opened(bench)
    bench.forge.label(made.number, ["dependencies"])
    bench.forge.label(made.number, ["production", "dependencies"])
    bench.forge.label(made.number, [])
    shown = bench.forge.get(made.number)
    assert shown is not None
    assert sorted(shown.labels) == ["dependencies", "production"]


def test_comments_are_added(bench: Bench) -> None:
    """Two comments with one text are two comments."""
    made = opened(bench)
    bench.forge.comment(made.number, "Superseded by 1.2.\n")
    bench.forge.comment(made.number, "Superseded by 1.2.\n")
    assert bench.comments(made.number) == ["Superseded by 1.2.\n"] * 2


def test_open_pulls_are_chosen_by_prefix(bench: Bench) -> None:
    """Only heads that start with the prefix are shown; branches of people are not."""
    ours = opened(bench)
    opened(bench, "feature/by-hand")
    assert [pull.number for pull in bench.forge.open_pulls("imagebot/")] == [ours.number]
    assert len(bench.forge.open_pulls("")) == 2


def test_history_keeps_bases_and_heads_apart(bench: Bench) -> None:
    """One head to two bases, and a head whose name begins like another, are different keys."""
    bench.commit("release")
    first = opened(bench)
    other = bench.forge.create(head=HEAD, base="release", title="To release", body="")
    longer = opened(bench, HEAD + "-2")
    assert [p.number for p in bench.forge.history(HEAD, "main")] == [first.number]
    assert [p.number for p in bench.forge.history(HEAD, "release")] == [other.number]
    assert [p.number for p in bench.forge.history(HEAD + "-2", "main")] == [longer.number]


def test_a_base_with_a_slash(bench: Bench) -> None:
    """A base branch may have a slash in its name."""
    bench.commit("env/production", "base")
    bench.commit(HEAD)
    made = bench.forge.create(head=HEAD, base="env/production", title="t", body="")
    assert [p.number for p in bench.forge.history(HEAD, "env/production")] == [made.number]


def test_odd_branch_names(bench: Bench) -> None:
    """Characters that mean something in URLs stay what they are."""
    for head in ("imagebot/a%2Fb", "imagebot/a&b=c+d", "imagebot/ü#x", "imagebot/a;b,c"):
        made = opened(bench, head)
        assert [p.number for p in bench.forge.history(head, "main")] == [made.number]
        assert made.head == head


def test_a_branch_that_is_not_there(bench: Bench) -> None:
    """No request comes from a branch that does not exist, and the refusal is no duplicate."""
    with pytest.raises(ForgeError) as caught:
        bench.forge.create(head="imagebot/none", base="main", title="t", body="")
    assert not isinstance(caught.value, (DuplicatePullRequest, NoCommits))
    assert caught.value.status in {404, 422}
    assert not caught.value.retryable


def test_a_request_that_is_not_there(bench: Bench) -> None:
    """Changing a request that does not exist raises, with status 404."""
    for call in (
        lambda: bench.forge.update(41, title="t"),
        lambda: bench.forge.label(41, ["bug"]),
        lambda: bench.forge.comment(41, "t"),
    ):
        with pytest.raises(ForgeError) as caught:
            call()
        assert caught.value.status == 404


def test_long_texts(bench: Bench) -> None:
    """A title and a body as long as the limits say are accepted."""
    limits = bench.forge.limits
    made = opened(bench, title="t" * limits.title, body="b" * limits.body)
    assert (len(made.title), len(made.body)) == (limits.title, limits.body)


def test_file_links(bench: Bench) -> None:
    """A link names commit, path and line, with odd characters quoted; a folder has none."""
    link = bench.forge.file_url("c0ffee", "apps/a b#1.yaml", 7)
    if bench.kind == "local":
        assert link == ""
    else:
        assert link.startswith(bench.fake.url)
        assert link.endswith("/c0ffee/apps/a%20b%231.yaml#L7")
        assert bench.forge.file_url("c0ffee", "x.yaml").endswith("/c0ffee/x.yaml")
