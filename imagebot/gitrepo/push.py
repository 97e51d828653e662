"""One push of many branches: its arguments, its answer, and what became of each branch.

Knows the `--porcelain` report. It refuses to know when to push, and never forces: every branch
has a lease on the value it must have now.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from imagebot.errors import UsageError
from imagebot.gitrepo.failure import sanitise
from imagebot.gitrepo.objects import check_sha
from imagebot.gitrepo.refnames import is_branch_name

MAX_REASON = 500
MAX_PUSHES = 64
"""Pushes that one set of updates may take when the server refuses it as a whole."""

_HEADS = "refs/heads/"
_REPORT = re.compile(r"(?P<flag>[ +\-*!=])\t[^\t]*?:(?P<ref>refs/heads/[^\t]+)\t(?P<summary>.*)")
_TOGETHER = ("pre-receive hook declined", "push declined")
_REASON = re.compile(r"\[(?P<kind>[^\]]+)\](?: \((?P<reason>.*)\))?")


@dataclass(frozen=True, slots=True)
class RefUpdate:
    """A branch to set to `new_sha` (None deletes it) if it is at `expected_sha` now.

    `expected_sha` None means that the branch must not exist.
    """

    branch: str
    new_sha: str | None
    expected_sha: str | None


@dataclass(frozen=True, slots=True)
class PushResult:
    """What became of one branch. `stale` means that someone else moved it since we looked."""

    ok: bool
    reason: str = ""
    stale: bool = False

    @property
    def together(self) -> bool:
        """Whether the server refused everything in the push, perhaps for another branch in it."""
        return not self.ok and self.reason.startswith(_TOGETHER)


def check_updates(updates: Sequence[RefUpdate], prefix: str, base: str) -> None:
    """Raise UsageError unless every update is of a different bot branch, well-formed."""
    seen: set[str] = set()
    for update in updates:
        name = update.branch
        if not is_branch_name(name) or not name.startswith(prefix) or name in {base, *seen}:
            raise UsageError(f"{name!r} is no branch that may be pushed: it starts with {prefix!r}")
        if update.new_sha is None and update.expected_sha is None:
            raise UsageError(f"{name!r}: nothing to delete")
        for sha in (update.new_sha, update.expected_sha):
            if sha is not None:
                check_sha(sha)
        seen.add(name)


def arguments(updates: Sequence[RefUpdate]) -> list[str]:
    """The words after `git`, with a lease for each branch."""
    leases = [f"--force-with-lease={_HEADS}{u.branch}:{u.expected_sha or ''}" for u in updates]
    specs = [f"{u.new_sha or ''}:{_HEADS}{u.branch}" for u in updates]
    flags = ["--porcelain", "--no-follow-tags", "--no-verify", "--recurse-submodules=no"]
    return ["push", *flags, *leases, "--end-of-options", "origin", *specs]


def in_parts(
    updates: Sequence[RefUpdate],
    push: Callable[[Sequence[RefUpdate]], Mapping[str, PushResult]],
) -> Mapping[str, PushResult]:
    """Push, and where one branch made the server refuse all of them, push the halves.

    Wide before deep: under the cap every large part without a forbidden branch has its turn.
    """
    results: dict[str, PushResult] = {}
    parts = deque([updates])
    for _ in range(MAX_PUSHES):
        if not parts:
            break
        answered = push(parts.popleft())
        results.update(answered)
        refused = [u for u in updates if u.branch in answered and answered[u.branch].together]
        if len(refused) > 1:
            middle = len(refused) // 2
            parts += [refused[:middle], refused[middle:]]
    return results


def parse(stdout: bytes, stderr: bytes, secrets: Sequence[str]) -> Mapping[str, PushResult]:
    """What git reported, by branch. A branch that is not in it has an unknown fate."""
    remote = _remote_words(stderr, secrets)
    found = {}
    for line in stdout.decode("utf-8", "surrogateescape").splitlines():
        match = _REPORT.fullmatch(line)
        if match:
            summary = sanitise(match["summary"], secrets)
            result = _rejected(summary, remote) if match["flag"] == "!" else PushResult(ok=True)
            found[match["ref"].removeprefix(_HEADS)] = result
    return found


def _rejected(summary: str, remote: str) -> PushResult:
    match = _REASON.match(summary)
    kind, reason = (match["kind"], match["reason"] or "") if match else ("", summary)
    if kind.startswith("remote") and remote:
        reason = f"{reason}: {remote}"
    return PushResult(ok=False, reason=reason or kind, stale=reason == "stale info")


def _remote_words(stderr: bytes, secrets: Sequence[str]) -> str:
    """What the far side said to people, on one line."""
    lines = sanitise(stderr.decode("utf-8", "replace"), secrets).splitlines()
    said = [line.removeprefix("remote:").strip() for line in lines if line.startswith("remote:")]
    # Git's own line about a hook names a branch, and would stand with every other branch, too.
    return " ".join(s for s in said if s and not s.startswith("error: hook declined"))[:MAX_REASON]
