"""A forge and a git remote in a few lines: enough to carry out actions, to crash, and to meddle.

Every write checks the promises that must never break, so a test needs only to run it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

from imagebot.forge.port import PullRequest
from imagebot.pulls.actions import (
    Action,
    Close,
    Create,
    DeleteBranch,
    Hold,
    PushAndCreate,
    PushAndUpdate,
    UpdateText,
    settled,
)
from imagebot.pulls.decide import BranchFacts, DecidePolicy, Desired, Observed, decide
from imagebot.pulls.marker import Marker, block, merge_body, with_marker

KEY = "production/my-app"
HEAD = "imagebot/production-my-app-0a1b2c3d"
BASE = "main"
A = Desired("a" * 32, "production: my-app 1.0 → 1.1", "1.1", "text-a")
B = Desired("b" * 32, "production: my-app 1.0 → 1.2", "1.2", "text-b")
Step = Callable[[], None]


def own_branch(desired: Desired, base_sha: str = "base1") -> BranchFacts:
    return BranchFacts(
        f"{base_sha}-{desired.fingerprint[:4]}", own=True, fingerprint=desired.fingerprint
    )


def marker_of(desired: Desired, sha: str = "", **changes: object) -> Marker:
    sha = sha or own_branch(desired).sha
    written = Marker(KEY, desired.fingerprint, "", desired.title, desired.text, desired.version)
    return replace(written, commit=sha, **changes)


def request(
    number: int = 1, state: str = "open", marker: Marker | None = None, **changes: object
) -> PullRequest:
    body = block("The table.", marker) if marker else "no block here"
    title = marker.title if marker else A.title
    made = PullRequest(number, state, HEAD, BASE, title, body, f"https://forge.example/{number}")  # type: ignore[arg-type]
    return replace(made, **changes)  # type: ignore[arg-type]


@dataclass
class World:
    """One key's branch and requests. `deletes_close`: deleting a branch closes its requests."""

    branch: BranchFacts | None = None
    pulls: dict[int, PullRequest] = field(default_factory=dict)
    base_sha: str = "base1"
    undecided: bool = False
    deletes_close: bool = True
    comments: list[tuple[int, str]] = field(default_factory=list)

    def observe(self) -> Observed:
        shown = tuple(
            replace(p, head_sha=self.branch.sha if self.branch else p.head_sha)
            if p.state == "open"
            else p
            for p in self.pulls.values()
        )
        return Observed(KEY, HEAD, BASE, self.base_sha, self.branch, shown, self.undecided)

    def opened(self) -> list[PullRequest]:
        return [p for p in self.pulls.values() if p.state == "open" and p.base == BASE]

    def leftover(self) -> bool:
        """Whether a person's branch was merged, and nothing has come since."""
        latest = self.pulls.get(max(self.pulls, default=0))
        merged = latest is not None and latest.state == "merged"
        return self.branch is not None and self.branch.merged and merged

    def steps(self, action: Action, desired: Desired | None) -> Iterator[Step]:
        """The single writes of an action, in the order in which an executor does them."""
        match action:
            case PushAndCreate(title=title, marker=marker, lease=lease):
                yield lambda: self.push(desired, lease)
                yield lambda: self.create(title, marker)
            case Create(title=title, marker=marker):
                yield lambda: self.create(title, marker)
            case PushAndUpdate(number=number, title=title, marker=marker, lease=lease):
                yield lambda: self.push(desired, lease)
                yield lambda: self.rewrite(number, title, marker)
            case UpdateText(number=number, title=title, marker=marker):
                yield lambda: self.rewrite(number, title, marker)
            case Close(number=number, marker=marker, delete_branch=delete, lease=lease):
                yield lambda: self.close(number, marker)
                yield lambda: self.comments.append((number, action.reason))
                if delete:
                    yield lambda: self.delete_branch(lease)
            case DeleteBranch(lease=lease):
                yield lambda: self.delete_branch(lease)
            case Hold(number=number, comment=comment, marker=Marker() as marker):
                assert comment
                yield lambda: self.comments.append((number, comment))
                yield lambda: self.remember(number, marker)

    def run(
        self,
        desired: Desired | None,
        policy: DecidePolicy | None = None,
        crash_after: int | None = None,
    ) -> list[Action]:
        """Decide and act until nothing moves; `crash_after` writes the run dies, and is run anew."""
        actions: list[Action] = []
        writes = 0
        for _ in range(6):
            action = decide(self.observe(), desired, policy or DecidePolicy())
            actions.append(action)
            if settled(action):
                return actions
            for step in self.steps(action, desired):
                if writes == crash_after:
                    return [*actions, *self.run(desired, policy)]
                step()
                writes += 1
        raise AssertionError(f"does not settle: {actions}")

    def push(self, desired: Desired | None, lease: str) -> None:
        assert desired is not None
        assert lease == (self.branch.sha if self.branch else "")
        assert self.branch is None or self.branch.own or self.leftover(), "a person's work"
        self.branch = own_branch(desired, self.base_sha)

    def create(self, title: str, marker: Marker) -> None:
        assert not self.opened(), "a second request for one key"
        assert self.branch is not None
        number = max(self.pulls, default=0) + 1
        self.pulls[number] = request(
            number, marker=marker, title=title, body=self._body("", marker)
        )

    def rewrite(self, number: int, title: str | None, marker: Marker) -> None:
        pull = self.pulls[number]
        body = self._body(pull.body, marker)
        self.pulls[number] = replace(pull, title=title or pull.title, body=body)

    def close(self, number: int, marker: Marker) -> None:
        pull = self.pulls[number]
        assert pull.state == "open"
        self.pulls[number] = replace(pull, state="closed", body=with_marker(pull.body, marker))

    def remember(self, number: int, marker: Marker) -> None:
        pull = self.pulls[number]
        self.pulls[number] = replace(pull, body=with_marker(pull.body, marker))

    def delete_branch(self, lease: str) -> None:
        assert self.branch is not None
        assert lease == self.branch.sha
        assert self.branch.own or self.leftover(), "a person's work"
        self.remove_branch()

    def remove_branch(self) -> None:
        self.branch = None
        for number, pull in self.pulls.items():
            if pull.state == "open" and self.deletes_close:
                self.pulls[number] = replace(pull, state="closed")

    def _body(self, existing: str, marker: Marker) -> str:
        assert self.branch is not None
        written = replace(marker, commit=self.branch.sha)
        return merge_body(existing, block("The table.", written))
