"""What stood at a path before: the first-parent history of a base branch, in one process."""

from __future__ import annotations

import pytest

from imagebot.errors import UsageError
from tests.gitrepo.conftest import OpenMirror
from tests.support.gitrepos import RemoteRepo, git

WEB = "apps/web.yaml"


def content(version: str) -> bytes:
    return f"image: web:{version}\n".encode()


def told(open_mirror: OpenMirror, *paths: str, **limits: int) -> dict[str, list[tuple[str, str]]]:
    """The earlier contents by path, as text, each with the commit that brought it."""
    mirror = open_mirror()
    past = mirror.past(mirror.fetch().base_sha, paths, **limits)
    texts = mirror.read([blob for found in past.values() for blob, _ in found])
    return {
        path: [(texts[blob].decode(), commit) for blob, commit in found]
        for path, found in past.items()
    }


def test_earlier_contents_come_newest_first_with_who_brought_them(
    remote: RemoteRepo, open_mirror: OpenMirror
) -> None:
    """The first commit of all is not read for what it brought; other files are not told."""
    two = remote.commit({WEB: content("2")})
    remote.commit({"apps/api.yaml": b"x"})
    remote.commit({WEB: content("3")})
    assert told(open_mirror, WEB, "README.md", "nowhere") == {
        WEB: [("image: web:2\n", two), ("image: web:1.0\n", "")],
        "README.md": [],
        "nowhere": [],
    }


def test_a_merge_is_one_step_of_its_first_parent(
    remote: RemoteRepo, open_mirror: OpenMirror
) -> None:
    """What a side branch had in between never stood on the base branch."""
    base = remote.sha("main")
    remote.commit({WEB: content("side-1")}, branch="side", parent=base)
    side = remote.commit({WEB: content("side-2")}, branch="side")
    main = remote.commit({"other": b"1"})
    tree = git(remote.path, "merge-tree", "--write-tree", main, side).decode().split()[0]
    merged = git(remote.path, "commit-tree", tree, "-p", main, "-p", side, "-m", "Merge")
    sha = merged.decode().strip()
    git(remote.path, "update-ref", "refs/heads/main", sha)
    remote.commit({WEB: content("3")})
    assert told(open_mirror, WEB)[WEB] == [("image: web:side-2\n", sha), ("image: web:1.0\n", "")]


def test_a_rename_is_a_new_file(remote: RemoteRepo, open_mirror: OpenMirror) -> None:
    """The new path has no past, the old one keeps its own; a link in between is passed over."""
    git_tree = {"apps/new\n:name.yaml": content("1.0"), WEB: ("120000", b"new")}
    remote.commit(git_tree)
    remote.commit({WEB: content("4")})
    found = told(open_mirror, WEB, "apps/new\n:name.yaml")
    assert [text for text, _ in found[WEB]] == ["image: web:1.0\n"]
    assert found["apps/new\n:name.yaml"] == []


def test_paths_are_names_and_no_patterns(remote: RemoteRepo, open_mirror: OpenMirror) -> None:
    """A path that git would read as a pattern or an option is a file like any other."""
    remote.commit({":(glob)**": b"1", "--all": b"1"})
    remote.commit({":(glob)**": b"2", WEB: content("2")})
    found = told(open_mirror, ":(glob)**", "--all", "apps/*")
    assert {path: [text for text, _ in texts] for path, texts in found.items()} == {
        ":(glob)**": ["1"],
        "--all": [],
        "apps/*": [],
    }


def test_the_past_is_bounded(remote: RemoteRepo, open_mirror: OpenMirror) -> None:
    """So many contents of a path, and so many commits, and no more; both are the newest."""
    for version in "23456":
        remote.commit({WEB: content(version)})
    assert [text[-2] for text, _ in told(open_mirror, WEB, each=2)[WEB]] == ["5", "4"]


def test_commits_are_bounded(remote: RemoteRepo, open_mirror: OpenMirror) -> None:
    """A content behind the last commit that is read is told, without who brought it."""
    for version in "23456":
        remote.commit({WEB: content(version)})
    found = told(open_mirror, WEB, limit=2)[WEB]
    assert [(text[-2], bool(commit)) for text, commit in found] == [("5", True), ("4", False)]


def test_only_object_names_are_asked_for(open_mirror: OpenMirror) -> None:
    """An option in place of a commit never reaches git."""
    with pytest.raises(UsageError):
        open_mirror().past("--output=/tmp/x", [WEB])
