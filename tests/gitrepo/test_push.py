from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from imagebot.errors import GitError, UsageError
from imagebot.gitrepo.mirror import CommitRequest, Mirror
from imagebot.gitrepo.push import RefUpdate
from tests.gitrepo.conftest import BOT, OpenMirror
from tests.support.gitrepos import RemoteRepo, git


def commit(mirror: Mirror, parent: str, text: str) -> str:
    return mirror.commit([CommitRequest(parent, {"apps/web.yaml": text.encode()}, text, BOT)])[0]


def test_create_update_and_delete_in_one_push(remote: RemoteRepo, open_mirror: OpenMirror) -> None:
    """Each branch goes where it was told, with one report for each."""
    base = remote.sha("main")
    old = remote.commit({"a": b"1"}, branch="imagebot/old", parent=base)
    gone = remote.commit({"a": b"2"}, branch="imagebot/gone", parent=base)
    mirror = open_mirror()
    mirror.fetch()
    new = commit(mirror, base, "new")
    results = mirror.push(
        [
            RefUpdate("imagebot/new", new, None),
            RefUpdate("imagebot/old", new, old),
            RefUpdate("imagebot/gone", None, gone),
        ]
    )
    assert all(result.ok for result in results.values())
    assert remote.branches() == {"main": base, "imagebot/new": new, "imagebot/old": new}


def test_a_stale_lease_stops_its_own_branch_alone(
    remote: RemoteRepo, open_mirror: OpenMirror
) -> None:
    """A branch someone moved stays as they left it; the others are pushed."""
    base = remote.sha("main")
    ours = remote.commit({"a": b"1"}, branch="imagebot/x", parent=base)
    mirror = open_mirror()
    mirror.fetch()
    new = commit(mirror, base, "new")
    human = remote.commit({"a": b"human"}, branch="imagebot/x")
    human_new = remote.commit({"a": b"human"}, branch="imagebot/z", parent=base)
    results = mirror.push(
        [
            RefUpdate("imagebot/x", new, ours),
            RefUpdate("imagebot/y", new, None),
            RefUpdate("imagebot/z", new, None),
        ]
    )
    assert {name: (r.ok, r.stale) for name, r in results.items()} == {
        "imagebot/x": (False, True),
        "imagebot/y": (True, False),
        "imagebot/z": (False, True),
    }
    assert results["imagebot/x"].reason == "stale info"
    assert remote.branches() == {
        "main": base,
        "imagebot/x": human,
        "imagebot/y": new,
        "imagebot/z": human_new,
    }


def test_a_second_push_is_up_to_date(remote: RemoteRepo, open_mirror: OpenMirror) -> None:
    """The same push again, with the lease of before, is fine: it is where it was to go."""
    base = remote.sha("main")
    mirror = open_mirror()
    mirror.fetch()
    new = commit(mirror, base, "new")
    for _ in range(2):
        assert mirror.push([RefUpdate("imagebot/x", new, None)])["imagebot/x"].ok


def test_deleting_what_is_gone_is_done(remote: RemoteRepo, open_mirror: OpenMirror) -> None:
    """A branch that someone deleted first counts as deleted."""
    old = remote.commit({"a": b"1"}, branch="imagebot/x", parent=remote.sha("main"))
    mirror = open_mirror()
    mirror.fetch()
    git(remote.path, "update-ref", "-d", "refs/heads/imagebot/x")
    assert mirror.push([RefUpdate("imagebot/x", None, old)])["imagebot/x"].ok


def test_a_diverged_branch_is_replaced_only_under_its_lease(
    remote: RemoteRepo, open_mirror: OpenMirror
) -> None:
    """A new commit that does not descend from the branch replaces it when the lease holds."""
    old = remote.commit({"a": b"1"}, branch="imagebot/x", parent=remote.sha("main"))
    moved = remote.commit({"b": b"1"}, branch="main")
    mirror = open_mirror()
    mirror.fetch()
    new = commit(mirror, moved, "rebuilt")
    assert not mirror.is_ancestor(old, new)
    assert mirror.push([RefUpdate("imagebot/x", new, old)])["imagebot/x"].ok
    assert remote.sha("imagebot/x") == new


def test_a_protected_branch_says_why(remote: RemoteRepo, open_mirror: OpenMirror) -> None:
    """The server's reason is given, cleaned; the branches it accepts are pushed."""
    remote.hook(
        "update",
        'case "$1" in */no*) printf "\\033[31mGL-HOOK: branch is protected https://u:pw@host/x\\033[0m\\n" >&2; exit 1;; esac',
    )
    mirror = open_mirror()
    new = commit(mirror, mirror.fetch().base_sha, "new")
    results = mirror.push(
        [RefUpdate("imagebot/no", new, None), RefUpdate("imagebot/yes", new, None)]
    )
    assert results["imagebot/yes"].ok
    refused = results["imagebot/no"]
    assert (refused.ok, refused.stale) == (False, False)
    assert refused.reason == "hook declined: GL-HOOK: branch is protected https://***@host/x"


def test_a_server_that_refuses_everything(remote: RemoteRepo, open_mirror: OpenMirror) -> None:
    """A pre-receive refusal is reported for each branch, and none of them is stale."""
    remote.hook("pre-receive", "echo commits must be signed >&2; exit 1")
    mirror = open_mirror()
    new = commit(mirror, mirror.fetch().base_sha, "new")
    results = mirror.push([RefUpdate("imagebot/a", new, None), RefUpdate("imagebot/b", new, None)])
    assert [(r.ok, r.stale, r.reason) for r in results.values()] == [
        (False, False, "pre-receive hook declined: commits must be signed")
    ] * 2


def test_a_push_whose_answer_is_lost_is_checked(
    remote: RemoteRepo, open_mirror: OpenMirror
) -> None:
    """When the server dies after it moved the branches, the remote is asked, and they count."""
    remote.hook("post-update", "kill -9 $PPID")
    mirror = open_mirror()
    new = commit(mirror, mirror.fetch().base_sha, "new")
    assert mirror.push([RefUpdate("imagebot/a", new, None)])["imagebot/a"].ok
    assert remote.sha("imagebot/a") == new


def test_a_push_that_never_happened_is_no_success(
    remote: RemoteRepo, open_mirror: OpenMirror
) -> None:
    """When the server dies before it moved anything, the branch is reported as not pushed."""
    remote.hook("pre-receive", "kill -9 $PPID")
    mirror = open_mirror()
    new = commit(mirror, mirror.fetch().base_sha, "new")
    result = mirror.push([RefUpdate("imagebot/a", new, None)])["imagebot/a"]
    assert (result.ok, result.stale) == (False, False)
    assert "push failed" in result.reason


def test_a_remote_that_is_gone_raises(
    remote: RemoteRepo, open_mirror: OpenMirror, tmp_path: Path
) -> None:
    """When neither the push nor the check works, the caller gets an error, not a guess."""
    mirror = open_mirror()
    new = commit(mirror, mirror.fetch().base_sha, "new")
    remote.path.rename(tmp_path / "elsewhere.git")
    with pytest.raises(GitError):
        mirror.push([RefUpdate("imagebot/a", new, None)])


@pytest.mark.parametrize(
    "branch",
    [
        "main",
        "feature/x",
        "imagebot",
        "imagebot/",
        "imagebot/../main",
        "imagebot/a b",
        "imagebot/x:main",
        "imagebot/x.lock",
        "-f",
        "refs/heads/imagebot/x",
    ],
)
def test_only_bot_branches_are_pushed(
    remote: RemoteRepo, open_mirror: OpenMirror, branch: str
) -> None:
    """A branch outside of the prefix, or a name git would misread, is refused."""
    mirror = open_mirror()
    base = mirror.fetch().base_sha
    with pytest.raises(UsageError):
        mirror.push([RefUpdate(branch, base, None)])


def test_a_branch_is_named_once_and_deleting_needs_a_lease(
    remote: RemoteRepo, open_mirror: OpenMirror
) -> None:
    """Two updates of one branch, and a delete without knowing what, are refused."""
    mirror = open_mirror()
    base = mirror.fetch().base_sha
    for updates in (
        [RefUpdate("imagebot/a", base, None)] * 2,
        [RefUpdate("imagebot/a", None, None)],
    ):
        with pytest.raises(UsageError):
            mirror.push(updates)
    assert mirror.push([]) == {}


def test_eight_bots_on_one_repository(tmp_path: Path, remote: RemoteRepo) -> None:
    """Bots without a shared disk reach one state: same commits, no lost human commit, no stray branch."""
    base = remote.sha("main")
    human = remote.commit({"a": b"human"}, branch="imagebot/3", parent=base)
    names = [f"imagebot/{n}" for n in range(6)]

    def bot(number: int) -> list[bool]:
        with Mirror.open(remote.url, tmp_path / f"bot{number}", allow_local=True) as mirror:
            oks = [False]
            for _ in range(5):
                seen = mirror.fetch().branches
                shas = mirror.commit(
                    [CommitRequest(base, {"apps/web.yaml": n.encode()}, n, BOT) for n in names]
                )
                wanted = dict(zip(names, shas, strict=True))
                updates = [RefUpdate(n, s, None) for n, s in wanted.items() if seen.get(n) != s]
                results = mirror.push(updates)
                oks = [results[u.branch].ok for u in updates if u.branch != "imagebot/3"]
                if all(oks):
                    break
            return oks

    with ThreadPoolExecutor(8) as pool:
        outcomes = list(pool.map(bot, range(8)))
    assert all(all(oks) for oks in outcomes)
    branches = remote.branches()
    assert branches.pop("imagebot/3") == human
    assert sorted(branches) == sorted({"main", *names} - {"imagebot/3"})
    assert all(
        remote.show(name, "apps/web.yaml") == name.encode()
        for name in names
        if name != "imagebot/3"
    )
