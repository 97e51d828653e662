"""What can happen to a pull request in one step, as values.

Each action is complete: it carries what the executor needs and the reason in words. It refuses to
know how a forge or git carries it out.

The order of steps matters where a run may be killed between two of them. Push before creating or
updating; comment before storing the marker that says so; close (marker and state in one request)
before deleting the branch, since some forges close a request whose branch is gone, and that
would look like a person's refusal.
"""

from __future__ import annotations

from dataclasses import dataclass

from imagebot.pulls.marker import Marker


@dataclass(frozen=True, slots=True)
class Nothing:
    """Everything is as wanted."""

    reason: str


@dataclass(frozen=True, slots=True)
class Skip:
    """Something is wanted, and does not happen in this run. Nothing is touched."""

    reason: str


@dataclass(frozen=True, slots=True)
class Hold:
    """People have taken over: the branch is theirs.

    With a `comment` the request `number` gets it once, and `marker` (not None then) remembers.
    """

    reason: str
    number: int = 0
    comment: str = ""
    marker: Marker | None = None


@dataclass(frozen=True, slots=True)
class PushAndCreate:
    """Write one commit on the base branch's tip, push it, open a request.

    `lease` is the sha that the remote branch must have, empty when it must not exist.
    """

    reason: str
    title: str
    marker: Marker
    lease: str


@dataclass(frozen=True, slots=True)
class Create:
    """Open a request for the branch, which holds the right commit `sha` already."""

    reason: str
    title: str
    marker: Marker
    sha: str


@dataclass(frozen=True, slots=True)
class PushAndUpdate:
    """Replace the branch by one new commit, then rewrite the request. No `title`: leave it."""

    reason: str
    number: int
    title: str | None
    marker: Marker
    lease: str


@dataclass(frozen=True, slots=True)
class UpdateText:
    """Rewrite title (None: leave it) and body of an open request; the branch stays."""

    reason: str
    number: int
    title: str | None
    marker: Marker
    sha: str


@dataclass(frozen=True, slots=True)
class Close:
    """Store the marker and close in one call, then comment the reason and delete the branch.

    `lease` is the sha that the branch must have to be deleted.
    """

    reason: str
    number: int
    marker: Marker
    delete_branch: bool
    lease: str


@dataclass(frozen=True, slots=True)
class DeleteBranch:
    """Delete a branch that nobody needs, if it still is at `lease`."""

    reason: str
    lease: str


Action = (
    Nothing
    | Skip
    | Hold
    | PushAndCreate
    | Create
    | PushAndUpdate
    | UpdateText
    | Close
    | DeleteBranch
)
ACTIONS = (
    Nothing,
    Skip,
    Hold,
    PushAndCreate,
    Create,
    PushAndUpdate,
    UpdateText,
    Close,
    DeleteBranch,
)


def settled(action: Action) -> bool:
    """Whether the action changes nothing, so that deciding again would give the same."""
    return isinstance(action, Nothing | Skip) or (isinstance(action, Hold) and not action.comment)
