"""The life of a pull request: from what is seen and what is wanted to one action.

Knows the rules of docs/pull-requests.md. It refuses to know time, forges and git; everything it
needs to remember it reads from the branch and from the request's own marker.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from imagebot.forge.port import PullRequest
from imagebot.pulls.actions import (
    Action,
    Close,
    Create,
    DeleteBranch,
    Hold,
    Nothing,
    PushAndCreate,
    PushAndUpdate,
    Skip,
    UpdateText,
)
from imagebot.pulls.markdown import code
from imagebot.pulls.marker import BOT, MAX_HISTORY, MAX_KEY, Marker, decode

HOLD_LABELS = frozenset({"imagebot-hold", "stop-updating"})
RELEASE_LABEL = "imagebot-release"
"""On a merged request: its change may come again, though somebody took it back."""

EDITED, RETARGETED, OBSOLETE = "edited", "retargeted", "obsolete"
_SHORT_SHA = 12


@dataclass(frozen=True, slots=True)
class BranchFacts:
    """The remote branch of a group.

    `own`: the tip is the bot's commit, untouched (`message.is_own`). `fingerprint`: from its
    trailer. `behind`: the base branch has moved since. `conflicts`: a file it changes differs
    between its parent and the base branch. `merged`: the tip is an ancestor of the base branch, or
    base has the same content in every file that differs between the tip and their merge base, of
    which there is at least one.
    """

    sha: str
    own: bool
    fingerprint: str = ""
    behind: bool = False
    conflicts: bool = False
    merged: bool = False


@dataclass(frozen=True, slots=True)
class Observed:
    """What forge and git show for one key.

    `pulls` are the requests from `head` in any state, to `base` or elsewhere; others are ignored.
    `base_sha` is empty when the base branch is gone. `undecided`: evidence is missing for this
    group in this run. `obsolete` may say why nothing is wanted any more.
    """

    key: str
    head: str
    base: str
    base_sha: str
    branch: BranchFacts | None = None
    pulls: tuple[PullRequest, ...] = ()
    undecided: bool = False
    obsolete: str = ""


@dataclass(frozen=True, slots=True)
class Desired:
    """What a group wants.

    `version` names the wanted versions in words, `text` is a digest of what the body says. Of two
    digests of which one begins with the other, the longer knows more.
    """

    fingerprint: str
    title: str
    version: str = ""
    text: str = ""


@dataclass(frozen=True, slots=True)
class DecidePolicy:
    """Limits on new requests: at most `limit` open ones (0: any number).

    `open_requests` counts the bot's open requests in this git repository, all keys together.
    """

    limit: int = 0
    open_requests: int = 0


def decide(observed: Observed, desired: Desired | None, policy: DecidePolicy) -> Action:
    """The one next step for a key. `desired` is None when nothing is left to change.

    Deciding again after the step either settles or gives the next one; three steps are enough.
    """
    opened = _open(observed)
    if stop := _untouchable(observed, opened) or _irregular(observed, opened):
        return stop
    pull = opened[0] if opened else None
    if desired is None:
        return _retire(observed, pull)
    if observed.branch is not None and not _disposable(observed):
        return _hold_edited(observed, pull)
    if pull is None:
        return _open_new(observed, desired, policy)
    return _refresh(observed, desired, pull)


def _untouchable(observed: Observed, opened: list[PullRequest]) -> Action | None:
    """Reasons to leave branch and request exactly as they are."""
    if observed.undecided:
        return Skip("evidence is missing in this run: branch and request stay as they are")
    if not observed.base_sha:
        return Skip(f"the base branch {observed.base!r} does not exist")
    frozen = next((pull for pull in opened if HOLD_LABELS & set(pull.labels)), None)
    return Hold("a label freezes the request", frozen.number) if frozen else None


def _irregular(observed: Observed, opened: list[PullRequest]) -> Action | None:
    """More than one open request, or one that a person pointed at another branch."""
    ours = [pull for pull in opened if pull.base == observed.base]
    if len(ours) > 1:
        return _close_duplicate(observed, kept=ours[0], extra=ours[-1])
    elsewhere = next((pull for pull in opened if pull.base != observed.base), None)
    return _hold_retargeted(observed, elsewhere) if elsewhere else None


def _open(observed: Observed) -> list[PullRequest]:
    mine = (p for p in observed.pulls if p.head == observed.head and p.state == "open")
    return sorted(mine, key=lambda pull: pull.number)


def _disposable(observed: Observed) -> bool:
    """Whether replacing or deleting the branch loses nothing that a person made.

    Equal content is not enough: a person's commit may say "back to what base has". Only when the
    latest request was merged, and the branch adds nothing to it, is the branch a leftover.
    """
    branch = observed.branch
    if branch is None or branch.own:
        return True
    latest = _latest(pull for pull in observed.pulls if pull.head == observed.head)
    finished = latest is not None and latest.state == "merged" and not _open(observed)
    return branch.merged and finished


def _marker(observed: Observed, pull: PullRequest) -> Marker | None:
    """The request's marker, unless it was made for another key and copied here."""
    marker = decode(pull.body)
    return marker if marker is not None and marker.key == observed.key[:MAX_KEY] else None


def _memory(observed: Observed, pull: PullRequest) -> Marker:
    return _marker(observed, pull) or Marker(observed.key[:MAX_KEY])


def _close_duplicate(observed: Observed, kept: PullRequest, extra: PullRequest) -> Action:
    marker = replace(_memory(observed, extra), closed_by=BOT)
    reason = f"a duplicate of #{kept.number}: one key has one request"
    return Close(reason, extra.number, marker, delete_branch=False, lease="")


def _hold(observed: Observed, pull: PullRequest, code_word: str, reason: str, comment: str) -> Hold:
    """Stop, and say so in the request unless its marker remembers that it was said.

    Without a marker nobody could remember it, and it would be said in every run.
    """
    marker = _marker(observed, pull)
    if marker is None or code_word in marker.told:
        return Hold(reason, pull.number)
    told = replace(marker, told=(*marker.told, code_word))
    return Hold(reason, pull.number, comment, told)


def _hold_retargeted(observed: Observed, pull: PullRequest) -> Action:
    comment = (
        f"The target branch of this request was changed from {code(observed.base)} to "
        f"{code(pull.base)}, so imagebot leaves it to you. Change it back, and imagebot "
        "goes on."
    )
    return _hold(observed, pull, RETARGETED, "its target branch was changed by a person", comment)


def _hold_edited(observed: Observed, pull: PullRequest | None) -> Action:
    reason = "the branch holds commits of other people"
    if pull is None:
        return Hold(f"{reason} and has no open request; delete it to start anew")
    comment = (
        "This branch now holds a commit that is not imagebot's, so imagebot stops here and never "
        "overwrites it. To hand the request back, delete the branch: the next run starts anew."
    )
    return _hold(observed, pull, EDITED, reason, comment)


def _retire(observed: Observed, pull: PullRequest | None) -> Action:
    """Nothing is wanted any more: close and clean up what is the bot's, leave what is not."""
    branch = observed.branch
    why = observed.obsolete or "nothing is left to change"
    reason = f"{why} (seen at {observed.base} {observed.base_sha[:_SHORT_SHA]})"
    loose = _disposable(observed)
    if pull is None:
        if branch is not None and loose:
            return DeleteBranch(reason, branch.sha)
        return Nothing(reason if branch is None else "the branch holds commits of other people")
    marker = _memory(observed, pull)
    if marker.closed_by:
        return Hold("a person opened it again after imagebot had closed it", pull.number)
    if loose:
        lease = branch.sha if branch else ""
        closed = replace(marker, closed_by=BOT)
        return Close(reason, pull.number, closed, delete_branch=branch is not None, lease=lease)
    comment = (
        "imagebot has nothing left to change here, but the branch holds a commit that is not its "
        "own. The request stays open for you to merge or to close."
    )
    return _hold(observed, pull, OBSOLETE, f"{reason}, but people committed to it", comment)


def _open_new(observed: Observed, desired: Desired, policy: DecidePolicy) -> Action:
    if refused := _refusal(observed, desired):
        return Skip(refused)
    if policy.limit and policy.open_requests >= policy.limit:
        return Skip(f"{policy.open_requests} requests are open, the limit is {policy.limit}")
    branch = observed.branch
    marker = _next_marker(Marker(observed.key[:MAX_KEY]), desired, desired.title)
    if branch is not None and not _outdated(branch, desired):
        adopted = replace(marker, commit=branch.sha)
        reason = "the branch is ready and has no request"
        return Create(reason, desired.title, adopted, branch.sha)
    lease = branch.sha if branch else ""
    return PushAndCreate("a change is wanted and has no request", desired.title, marker, lease)


def _refusal(observed: Observed, desired: Desired) -> str:
    """Why people do not want this very change; empty when they may. The latest with it decides."""
    done = [p for p in observed.pulls if p.head == observed.head and p.state != "open"]
    latest = _latest(p for p in done if _asked_for(observed, p, desired))
    if latest is None:
        return ""
    if latest.state == "merged":
        return _reverted(observed, latest, done)
    marker = _marker(observed, latest)
    handed_back = marker is not None and bool({EDITED, OBSOLETE} & set(marker.told))
    if handed_back or (marker and marker.closed_by):
        return ""
    return f"#{latest.number} with the same change was closed without a merge"


def _reverted(observed: Observed, merged: PullRequest, done: list[PullRequest]) -> str:
    """Why a change that was merged does not come again: somebody took it back.

    Nobody did when another change was merged since, for then it is the policy that goes back.
    """
    here = (p for p in done if p.state == "merged" and p.base == observed.base)
    if _latest(here) != merged or RELEASE_LABEL in merged.labels:
        return ""
    return (
        f"#{merged.number} with the same change was merged and has been reverted since: held "
        f"until a newer version comes, or that request has the label {RELEASE_LABEL!r}"
    )


def _latest(pulls: Iterable[PullRequest]) -> PullRequest | None:
    return max(pulls, key=lambda pull: pull.number, default=None)


def _asked_for(observed: Observed, pull: PullRequest, desired: Desired) -> bool:
    """Whether a past request wanted the same. Its title and tip speak when the marker is lost."""
    marker = _marker(observed, pull)
    if marker is not None and marker.fingerprint:
        return marker.fingerprint == desired.fingerprint
    tip = observed.branch
    same_tip = tip is not None and tip.sha == pull.head_sha
    same_wish = tip is not None and tip.fingerprint == desired.fingerprint
    names_it = desired.version != "" and desired.version in desired.title
    return (names_it and pull.title == desired.title) or (same_tip and same_wish)


def _refresh(observed: Observed, desired: Desired, pull: PullRequest) -> Action:
    """An open request on a branch that is the bot's: bring branch and text up to date."""
    branch = observed.branch
    old = _marker(observed, pull)
    memory = _memory(observed, pull)
    renamed = memory.title not in ("", pull.title)
    title = None if renamed or pull.title == desired.title else desired.title
    marker = _next_marker(memory, desired, memory.title if renamed else desired.title)
    if branch is None or _outdated(branch, desired):
        lease = branch.sha if branch else ""
        return PushAndUpdate(_why_push(branch, desired), pull.number, title, marker, lease)
    marker = replace(marker, commit=branch.sha)
    if title is None and old is not None and marker == _no_less_known(old, desired):
        moved = ", though the base branch has moved elsewhere" if branch.behind else ""
        return Nothing(f"#{pull.number} is up to date{moved}")
    return UpdateText("title or body are out of date", pull.number, title, marker, branch.sha)


def _no_less_known(old: Marker, desired: Desired) -> Marker:
    """The old marker, its text read as the wanted one where that only lacks what is unknown now.

    A registry that did not answer today takes nothing out of a text that was written yesterday.
    """
    same = desired.text != "" and old.text.startswith(desired.text)
    return replace(old, text=desired.text) if same else old


def _outdated(branch: BranchFacts, desired: Desired) -> bool:
    return (
        not branch.own
        or branch.merged
        or branch.conflicts
        or branch.fingerprint != desired.fingerprint
    )


def _why_push(branch: BranchFacts | None, desired: Desired) -> str:
    if branch is None:
        return "the branch was deleted: start anew"
    if branch.fingerprint != desired.fingerprint:
        return "another version is wanted"
    return "the base branch changed the same files: rebuild on it"


def _next_marker(old: Marker, desired: Desired, title: str) -> Marker:
    """What to remember from now on; a version that gives way goes into the history."""
    history = [entry for entry in old.history if entry != desired.version]
    if old.version and old.version != desired.version:
        history.append(old.version)
    return replace(
        old,
        fingerprint=desired.fingerprint,
        title=title,
        text=desired.text,
        version=desired.version,
        closed_by="",
        told=(),
        history=tuple(history[-MAX_HISTORY:]),
    )
