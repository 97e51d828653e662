"""What the rest of imagebot asks of a forge: a few calls on pull requests, nothing more.

Identity of a pull request is its head branch in this repository plus its base branch. Titles and
labels are decoration that people may change.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

State = Literal["open", "closed", "merged"]


@dataclass(frozen=True, slots=True)
class PullRequest:
    """A pull request as the forge shows it. `closed` means closed without a merge.

    `head` and `base` are branch names without `refs/heads/`; a request whose head lives in a
    fork is never returned. `head_sha` is the forge's idea of the head, empty when it has none.
    """

    number: int
    state: State
    head: str
    base: str
    title: str
    body: str
    url: str
    head_sha: str = ""
    labels: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Limits:
    """What this forge accepts: characters in a title and in a body, and its Markdown."""

    title: int
    body: int
    mermaid: bool = False
    collapsible: bool = True


class Forge(Protocol):
    """One repository on one forge. Every method raises ForgeError."""

    limits: Limits

    def open_pulls(self, prefix: str) -> Sequence[PullRequest]:
        """Every open pull request of this repository whose head branch starts with `prefix`."""
        ...

    def history(self, head: str, base: str) -> Sequence[PullRequest]:
        """Pull requests in any state from `head` to `base`, newest first."""
        ...

    def get(self, number: int) -> PullRequest | None:
        """One pull request by number, or None when there is none (or its head is in a fork)."""
        ...

    def create(self, *, head: str, base: str, title: str, body: str) -> PullRequest:
        """Open a pull request. Raises DuplicatePullRequest when one is open for this head."""
        ...

    def update(
        self, number: int, *, title: str | None = None, body: str | None = None, close: bool = False
    ) -> PullRequest:
        """Change what is given, in one request; `close` closes it without a merge."""
        ...

    def label(self, number: int, labels: Sequence[str]) -> None:
        """Add labels (made when the forge needs that); existing ones stay."""
        ...

    def comment(self, number: int, text: str) -> None:
        """Add one comment."""
        ...

    def file_url(self, commit: str, path: str, line: int = 0) -> str:
        """A link to a file at a commit, empty when this forge has no web page."""
        ...
