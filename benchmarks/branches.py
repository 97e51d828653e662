"""How long 1,000 branches take: imagebot's mirror against bare `git fast-import` and `git push`.

Both make the same commits (one changed file each, in a repository of 2,000 files) and push them to
a local bare repository, in turns, in the same run; the branches must be equal in the end.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks.measure import Cost, Figure, call, middle
from benchmarks.trees import bare_repository, data, git
from imagebot.gitrepo.mirror import CommitRequest, Mirror
from imagebot.gitrepo.objects import Identity
from imagebot.gitrepo.push import RefUpdate

WHO = Identity("imagebot", "imagebot@example.com")


def figures(*, tiny: bool = False) -> list[Figure]:
    files, count, rounds = (20, 10, 1) if tiny else (2_000, 1_000, 3)
    names = [f"imagebot/app-{number:04}" for number in range(count)]
    costs = [measure(files, names) for _ in range(rounds)]
    ours, plain = (middle(column) for column in zip(*costs, strict=True))
    return [Figure(f"{count:,} branches in {files:,} files, pushed", ours, plain, "ratio 3")]


def path_of(number: int) -> str:
    return f"clusters/{number % 40:02}/app-{number:04}/kustomization.yaml"


def text_of(number: int, tag: str) -> bytes:
    lines = [f"  - app-{number}-{line}.yaml\n" for line in range(40)]
    return f"resources:\n{''.join(lines)}images:\n  - name: app\n    newTag: {tag}\n".encode()


def measure(files: int, branches: Sequence[str]) -> tuple[Cost, Cost]:
    """The cost of imagebot and of plain git, each on a fresh remote."""
    content = {path_of(number): text_of(number, "1.0.0") for number in range(files)}
    with tempfile.TemporaryDirectory() as folder:
        found, costs = [], []
        for way in (with_imagebot, with_plain_git):
            work = Path(folder, way.__name__)
            remote = work / "remote.git"
            base = bare_repository(remote, content)
            costs.append(way(remote, work, base, branches))
            found.append(git(remote, "for-each-ref", "refs/heads/"))
        assert found[0] == found[1], "both ways must give the same branches and commits"
    return costs[0], costs[1]


def with_plain_git(remote: Path, work: Path, base: str, branches: Sequence[str]) -> Cost:
    """One fast-import and one push of all branches, in a ready clone."""
    git(work, "clone", "-q", "--bare", str(remote), "plain.git")
    clone = work / "plain.git"

    def act() -> None:
        stream = bytearray()
        for number, branch in enumerate(branches):
            stream += b"commit refs/heads/%s\n" % branch.encode()
            stream += f"committer {WHO.name} <{WHO.email}> 1700000000 +0000\n".encode()
            stream += data(b"Update\n") + b"from %s\n" % base.encode()
            stream += b"M 100644 inline %s\n" % path_of(number).encode()
            stream += data(text_of(number, "2.0.0"))
        git(clone, "fast-import", "--quiet", stdin=bytes(stream))
        git(clone, "push", "-q", "origin", "refs/heads/imagebot/*:refs/heads/imagebot/*")

    return call(act)


def with_imagebot(remote: Path, work: Path, base: str, branches: Sequence[str]) -> Cost:
    """The same through a mirror that has fetched and read the files."""
    with Mirror.open(str(remote), work, allow_local=True) as mirror:
        mirror.read([entry.sha for entry in mirror.tree(mirror.fetch().base_sha)])

        def act() -> None:
            requests = [
                CommitRequest(base, {path_of(number): text_of(number, "2.0.0")}, "Update", WHO)
                for number in range(len(branches))
            ]
            shas = mirror.commit(requests)
            updates = [RefUpdate(name, sha, None) for name, sha in zip(branches, shas, strict=True)]
            assert all(result.ok for result in mirror.push(updates).values())

        return call(act)
