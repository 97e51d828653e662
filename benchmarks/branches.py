"""How long 1,000 branches take: imagebot's mirror against bare `git fast-import` and `git push`.

Both make the same 1,000 commits (one changed file each, in a repository of 2,000 files) and push
them to a local bare repository, in turns, in the same run. Goal: at most 3 times as long.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from imagebot.gitrepo.mirror import CommitRequest, Mirror
from imagebot.gitrepo.objects import Identity
from imagebot.gitrepo.push import RefUpdate

FILES = 2_000
GOAL = 3.0
WHO = Identity("imagebot", "imagebot@example.com")
PLAIN = {"GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1", "PATH": os.environ["PATH"]}


def git(directory: Path, *args: str, stdin: bytes = b"") -> bytes:
    return subprocess.run(
        ["git", *args], cwd=directory, input=stdin, capture_output=True, check=True, env=PLAIN
    ).stdout


def path_of(number: int) -> str:
    return f"clusters/{number % 40:02}/app-{number:04}/kustomization.yaml"


def text_of(number: int, tag: str) -> bytes:
    lines = [f"  - app-{number}-{line}.yaml\n" for line in range(40)]
    return f"resources:\n{''.join(lines)}images:\n  - name: app\n    newTag: {tag}\n".encode()


def data(content: bytes) -> bytes:
    return b"data %d\n%s\n" % (len(content), content)


def new_remote(path: Path) -> str:
    """A bare repository with 2,000 files on main; gives the commit."""
    path.mkdir()
    git(path, "init", "-q", "--bare", "--initial-branch=main")
    git(path, "config", "uploadpack.allowFilter", "true")
    stream = b"commit refs/heads/main\ncommitter A <a@b> 1700000000 +0000\n" + data(b"first")
    for number in range(FILES):
        stream += b"M 100644 inline %s\n" % path_of(number).encode()
        stream += data(text_of(number, "1.0.0"))
    git(path, "fast-import", "--quiet", stdin=stream)
    return git(path, "rev-parse", "main").decode().strip()


def with_plain_git(remote: Path, work: Path, base: str, branches: Sequence[str]) -> float:
    """Seconds for one fast-import and one push of all branches, in a ready clone."""
    git(work, "clone", "-q", "--bare", str(remote), "plain.git")
    clone = work / "plain.git"
    started = time.perf_counter()
    stream = bytearray()
    for number, branch in enumerate(branches):
        stream += b"commit refs/heads/%s\n" % branch.encode()
        stream += b"committer %s <%s> 1700000000 +0000\n" % (WHO.name.encode(), WHO.email.encode())
        stream += data(b"Update\n") + b"from %s\n" % base.encode()
        stream += b"M 100644 inline %s\n" % path_of(number).encode()
        stream += data(text_of(number, "2.0.0"))
    git(clone, "fast-import", "--quiet", stdin=bytes(stream))
    git(clone, "push", "-q", "origin", "refs/heads/imagebot/*:refs/heads/imagebot/*")
    return time.perf_counter() - started


def with_imagebot(remote: Path, work: Path, base: str, branches: Sequence[str]) -> float:
    """Seconds for the same through a mirror that has fetched and read the files."""
    with Mirror.open(str(remote), work, allow_local=True) as mirror:
        mirror.read([entry.sha for entry in mirror.tree(mirror.fetch().base_sha)])
        started = time.perf_counter()
        requests = [
            CommitRequest(base, {path_of(number): text_of(number, "2.0.0")}, "Update", WHO)
            for number in range(len(branches))
        ]
        shas = mirror.commit(requests)
        updates = [RefUpdate(name, sha, None) for name, sha in zip(branches, shas, strict=True)]
        results = mirror.push(updates)
        elapsed = time.perf_counter() - started
        assert all(result.ok for result in results.values())
    return elapsed


def measure(branches: Sequence[str]) -> tuple[float, float]:
    """Seconds of both ways, each on a fresh remote; the branches must be equal in the end."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        found = []
        seconds = []
        for name, way in (("plain", with_plain_git), ("imagebot", with_imagebot)):
            remote, work = root / f"{name}-remote.git", root / name
            base = new_remote(remote)
            work.mkdir()
            seconds.append(way(remote, work, base, branches))
            found.append(git(remote, "for-each-ref", "refs/heads/"))
        assert found[0] == found[1], "both ways must give the same branches and commits"
    return seconds[0], seconds[1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--branches", type=int, default=1_000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    branches = [f"imagebot/app-{number:04}" for number in range(options.branches)]
    rounds = [measure(branches) for _ in range(options.rounds)]
    plain, ours = (min(column) for column in zip(*rounds, strict=True))
    print(f"{options.branches} branches, {FILES} files, best of {options.rounds}")
    print(f"git fast-import + git push  {plain:6.2f} s")
    print(f"imagebot commit + push      {ours:6.2f} s")
    print(f"ratio                       {ours / plain:6.2f}  (goal: at most {GOAL:g})")


if __name__ == "__main__":
    main()
