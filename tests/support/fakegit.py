"""Branches as a forge sees them: of a bare git repository on disk, or of a mapping.

Knows git's plumbing; refuses to know pull requests.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


class Branches(Protocol):
    """What a forge sees of the git repository behind it."""

    def tip(self, branch: str) -> str: ...
    def contains(self, sha: str, branch: str) -> bool: ...
    def merge(self, sha: str, branch: str, *, squash: bool) -> None: ...
    def delete(self, branch: str) -> None: ...


@dataclass
class NamedBranches:
    """Branches from a callable or mapping `name -> sha`; a missing one is ''."""

    source: Callable[[str], str] | Mapping[str, str]

    def tip(self, branch: str) -> str:
        if callable(self.source):
            return self.source(branch)
        return self.source.get(branch, "")

    def contains(self, sha: str, branch: str) -> bool:
        return bool(sha) and self.tip(branch) == sha

    def merge(self, sha: str, branch: str, *, squash: bool) -> None:
        """Nothing to write: the request's own state says that it is merged."""

    def delete(self, branch: str) -> None:
        if isinstance(self.source, dict):
            self.source.pop(branch, None)


@dataclass
class GitBranches:
    """Branches of a bare git repository on disk."""

    path: Path

    def git(self, *argv: str) -> str:
        done = subprocess.run(
            ["git", "--git-dir", str(self.path), *argv],
            check=True,
            capture_output=True,
            text=True,
            env={
                "PATH": "/usr/local/bin:/usr/bin:/bin",
                "GIT_CONFIG_NOSYSTEM": "1",
                "GIT_CONFIG_GLOBAL": "/dev/null",
                **{
                    f"GIT_{who}_{what}": value
                    for who in ("AUTHOR", "COMMITTER")
                    for what, value in (("NAME", "A Person"), ("EMAIL", "person@example.org"))
                },
            },
        )
        return done.stdout.strip()

    def tip(self, branch: str) -> str:
        try:
            return self.git("rev-parse", "--verify", "--quiet", f"refs/heads/{branch}")
        except subprocess.CalledProcessError:
            return ""

    def contains(self, sha: str, branch: str) -> bool:
        if not sha:
            return False
        try:
            self.git("merge-base", "--is-ancestor", sha, f"refs/heads/{branch}")
        except subprocess.CalledProcessError:
            return False
        return True

    def merge(self, sha: str, branch: str, *, squash: bool) -> None:
        tree = self.git("merge-tree", "--write-tree", f"refs/heads/{branch}", sha)
        parents = ["-p", self.tip(branch)] + ([] if squash else ["-p", sha])
        commit = self.git("commit-tree", tree, *parents, "-m", "Merge a pull request")
        self.git("update-ref", f"refs/heads/{branch}", commit)

    def delete(self, branch: str) -> None:
        self.git("update-ref", "-d", f"refs/heads/{branch}")


def commit_file(bare: Path, branch: str, name: str, text: str, *, base: str = "") -> str:
    """Commit one file to a branch of a bare repository and give the commit's sha."""
    git = GitBranches(bare)
    parent = git.tip(base or branch)
    blob = subprocess.run(
        ["git", "--git-dir", str(bare), "hash-object", "-w", "--stdin"],
        input=text,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    listing = git.git("ls-tree", parent) if parent else ""
    kept = [line for line in listing.splitlines() if not line.endswith(f"\t{name}")]
    tree = subprocess.run(
        ["git", "--git-dir", str(bare), "mktree"],
        input="".join(f"{line}\n" for line in [*kept, f"100644 blob {blob}\t{name}"]),
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()
    parents = ["-p", parent] if parent else []
    sha = git.git("commit-tree", tree, *parents, "-m", f"Write {name}")
    git.git("update-ref", f"refs/heads/{branch}", sha)
    return sha


def bare_repository(path: Path) -> Path:
    """A bare repository with one commit on `main`."""
    subprocess.run(
        ["git", "init", "-q", "--bare", "--initial-branch=main", str(path)],
        check=True,
        capture_output=True,
    )
    commit_file(path, "main", "README", "hello\n")
    return path
