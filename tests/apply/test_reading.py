"""What is read ahead for many branches is what each of them would have been told alone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from imagebot.apply.reading import Reading
from imagebot.gitrepo.mirror import Mirror
from imagebot.gitrepo.process import Finished
from imagebot.gitrepo.run import GitRunner
from tests.support.gitrepos import RemoteRepo, git

TRAILERS = """Update

Imagebot-Key: {key}
Imagebot-Fingerprint: 0
Imagebot-Files: 0
"""


@pytest.fixture
def remote(tmp_path: Path) -> RemoteRepo:
    """Branches of every sort: fresh, behind, with more commits, merged, empty, rootless, odd."""
    repo = RemoteRepo(tmp_path / "remote.git")
    old = repo.commit({"a.yaml": b"1", "b.yaml": b"1", "c d\n.yaml": b"1"})
    base = repo.commit({"b.yaml": b"2", "link": ("120000", b"a.yaml")})
    repo.commit({"a.yaml": b"2"}, branch="imagebot/fresh", parent=base, message=TRAILERS)
    repo.commit({"b.yaml": b"3"}, branch="imagebot/behind", parent=old)
    repo.commit({"c d\n.yaml": b"2", "a.yaml": b"4"}, branch="imagebot/two", parent=base)
    repo.commit({"new.yaml": b"1", "link": b"file"}, branch="imagebot/two")
    repo.commit({}, branch="imagebot/empty", parent=base)
    git(repo.path, "update-ref", "refs/heads/imagebot/in-base", old)
    for name, parents in (("root", []), ("merge", ["-p", base, "-p", old])):
        made = git(repo.path, "commit-tree", f"{old}^{{tree}}", "-m", name, *parents)
        git(repo.path, "update-ref", f"refs/heads/imagebot/{name}", made.decode().strip())
    return repo


@pytest.fixture
def mirror(tmp_path: Path, remote: RemoteRepo) -> Iterator[Mirror]:
    with Mirror.open(remote.url, tmp_path / "work", allow_local=True) as opened:
        yield opened


def told(reading: Reading, tip: str) -> list[object]:
    """Everything that is asked about a branch."""
    commit = reading.commit(tip)
    found: list[object] = [commit, reading.in_base(tip), reading.since_base(tip)]
    for parent in commit.parents[:1]:
        changed = reading.changed(parent, tip)
        paths = [entry.path for entry in changed]
        regular = [entry.sha for entry in changed if entry.regular]
        found += [list(changed), reading.in_base(parent), dict(reading.texts(regular))]
        found += [dict(reading.blobs(at, paths)) for at in (parent, reading.base)]
    return found


def test_branches_read_together_are_as_when_read_alone(mirror: Mirror) -> None:
    """Reading ahead changes no answer, for any sort of branch."""
    snapshot = mirror.fetch()
    tips = list(snapshot.branches.values())
    assert len(tips) == 7
    ahead = Reading(mirror, snapshot.base_sha)
    ahead.ahead(tips)

    for name, tip in snapshot.branches.items():
        assert told(ahead, tip) == told(Reading(mirror, snapshot.base_sha), tip), name


def test_branches_of_the_usual_sort_cost_no_process_each(
    mirror: Mirror, remote: RemoteRepo, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Forty branches of one commit each are read in as many processes as four."""
    base = remote.sha("main")
    for number in range(40):
        branch, message = f"imagebot/n{number}", TRAILERS.format(key=number)
        remote.commit({"a.yaml": b"%d" % number}, branch=branch, parent=base, message=message)
    snapshot = mirror.fetch()
    started: list[str] = []
    attempt = GitRunner.attempt

    def counted(self: GitRunner, args: list[str], **options: object) -> Finished:
        started.append(args[0])
        return attempt(self, args, **options)

    monkeypatch.setattr(GitRunner, "attempt", counted)
    processes = []
    for count in (4, 40):
        started.clear()
        reading = Reading(mirror, snapshot.base_sha)
        tips = [snapshot.branches[f"imagebot/n{number}"] for number in range(count)]
        reading.ahead(tips)
        for tip in tips:
            told(reading, tip)
        processes.append(len(started))

    assert processes[0] == processes[1] < 10


def test_a_broken_branch_costs_itself_only(mirror: Mirror) -> None:
    """When branches cannot be read together, each still answers, or fails, for itself."""
    snapshot = mirror.fetch()
    reading = Reading(mirror, snapshot.base_sha)
    reading.ahead([*snapshot.branches.values(), "0" * 40])

    for tip in snapshot.branches.values():
        assert told(reading, tip) == told(Reading(mirror, snapshot.base_sha), tip)
