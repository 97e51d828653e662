"""Local git repositories for tests: a bare remote, commits made in it, and what it holds."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

AUTHOR = {
    "GIT_AUTHOR_NAME": "Person",
    "GIT_AUTHOR_EMAIL": "person@example.com",
    "GIT_COMMITTER_NAME": "Person",
    "GIT_COMMITTER_EMAIL": "person@example.com",
    "GIT_AUTHOR_DATE": "1700000000 +0200",
    "GIT_COMMITTER_DATE": "1700000000 +0200",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_CONFIG_NOSYSTEM": "1",
}


def git(
    directory: Path,
    *args: str,
    stdin: bytes = b"",
    ok: bool = True,
    env: Mapping[str, str] | None = None,
) -> bytes:
    """Run plain git as a person would, in `directory`."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    found = subprocess.run(
        ["git", *args],
        cwd=directory,
        input=stdin,
        capture_output=True,
        check=False,
        env={**kept, **AUTHOR, **(env or {})},
    )
    if ok and found.returncode:
        raise AssertionError(f"git {args}: {found.stderr.decode()}")
    return found.stdout


class RemoteRepo:
    """A bare repository that plays the remote, with commits written straight into it."""

    def __init__(self, path: Path, branch: str = "main") -> None:
        self.path = path
        path.mkdir(parents=True)
        git(path, "init", "-q", "--bare", f"--initial-branch={branch}")
        git(path, "config", "uploadpack.allowFilter", "true")

    @property
    def url(self) -> str:
        return str(self.path)

    def commit(
        self,
        files: Mapping[str, bytes | tuple[str, bytes]],
        *,
        branch: str = "main",
        parent: str | None = None,
        message: str = "a commit",
    ) -> str:
        """Commit files (content, or mode and content) on a branch, and give its sha.

        Any mode goes: `120000` makes a link, `160000` takes a commit's sha as content.
        """
        parent = parent or self.sha(branch)
        index = self.path / "test-index"
        env = {"GIT_INDEX_FILE": str(index)}
        index.unlink(missing_ok=True)
        if parent:
            git(self.path, "read-tree", parent, env=env)
        lines = []
        for path, value in files.items():
            mode, content = value if isinstance(value, tuple) else ("100644", value)
            sha = content.decode() if mode == "160000" else self.blob(content)
            lines.append(f"{mode} {sha}\t{path}\0")
        git(self.path, "update-index", "-z", "--index-info", stdin="".join(lines).encode(), env=env)
        tree = git(self.path, "write-tree", "--missing-ok", env=env).decode().strip()
        parents = ["-p", parent] if parent else []
        sha = git(self.path, "commit-tree", tree, *parents, "-m", message).decode().strip()
        git(self.path, "update-ref", f"refs/heads/{branch}", sha)
        return sha

    def blob(self, content: bytes) -> str:
        return git(self.path, "hash-object", "-w", "--stdin", stdin=content).decode().strip()

    def sha(self, branch: str) -> str:
        """Where a branch is, empty when it does not exist."""
        return (
            git(self.path, "rev-parse", "-q", "--verify", f"refs/heads/{branch}", ok=False)
            .decode()
            .strip()
        )

    def branches(self) -> dict[str, str]:
        rows = (
            git(self.path, "for-each-ref", "--format=%(refname) %(objectname)", "refs/heads/")
            .decode()
            .split()
        )
        return {
            name.removeprefix("refs/heads/"): sha
            for name, sha in zip(rows[::2], rows[1::2], strict=True)
        }

    def show(self, branch: str, path: str) -> bytes:
        return git(self.path, "cat-file", "blob", f"refs/heads/{branch}:{path}")

    def hook(self, name: str, script: str) -> None:
        hooks = self.path / "hooks"
        hooks.mkdir(exist_ok=True)
        (hooks / name).write_text(f"#!/bin/sh\n{script}\n")
        (hooks / name).chmod(0o755)
