"""Carries out decided actions in the one order that a crash cannot hurt.

Closes come first (a forge may close a request whose branch is gone, which would look like a
person's refusal), then one commit process and one push for every branch, then requests. It decides
nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from imagebot.apply.target import Target
from imagebot.errors import DuplicatePullRequest, EditRefused, ImagebotError, NoCommits
from imagebot.forge.port import Forge, PullRequest
from imagebot.gitrepo.mirror import CommitRequest, Snapshot
from imagebot.gitrepo.push import PushResult, RefUpdate
from imagebot.model import Group, Outcome
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
from imagebot.pulls.body import Context, render_body
from imagebot.pulls.decide import Desired, Observed
from imagebot.pulls.marker import Marker, with_marker
from imagebot.pulls.message import commit_message

RACES = ("failed to update ref", "cannot lock ref", "incorrect old value", "unpacker error")
"""What is said when two pushes meet at the same instant, or when the base branch has moved: git
then counts its history as news to the server, and cannot send what the mirror leaves out."""


@dataclass(frozen=True)
class Step:
    """One group with what was decided for it, or why it could not even be looked at."""

    key: str
    head: str
    group: Group | None
    context: Context
    desired: Desired | None
    observed: Observed | None = None
    action: Action | None = None
    failure: str = ""

    @property
    def opens(self) -> int:
        """How many open requests this step adds."""
        if isinstance(self.action, PushAndCreate | Create):
            return 1
        return -1 if isinstance(self.action, Close) else 0

    @property
    def pull(self) -> PullRequest | None:
        """The open request that the action is about."""
        number = getattr(self.action, "number", 0)
        pulls = self.observed.pulls if self.observed else ()
        return next((pull for pull in pulls if pull.number == number), None)


@dataclass
class CarryOut:
    """One round's actions, carried out."""

    target: Target
    snapshot: Snapshot

    @property
    def _forge(self) -> Forge:
        return self.target.forge

    def all(self, steps: Sequence[Step]) -> tuple[list[Outcome], set[str]]:
        """Do everything; returns the outcomes, and the keys that need another look."""
        failures = {step.key: step.failure for step in steps if step.failure}
        for step in steps:
            if isinstance(step.action, Close):
                try:
                    self._close(step, step.action)
                except ImagebotError as error:
                    failures[step.key] = str(error)
        shas = self._commit([s for s in steps if s.key not in failures], failures)
        pushed = self._push([s for s in steps if s.key not in failures], shas)
        outcomes: list[Outcome] = []
        again: set[str] = set()
        for step in steps:
            result = pushed.get(step.head)
            if step.key in failures:
                outcomes.append(self._outcome(step, "failed", failures[step.key]))
            elif result is not None and not result.ok:
                again.update({step.key} if _raced(result) else ())
                outcomes.append(self._outcome(step, "failed", f"push refused: {result.reason}"))
            else:
                outcomes.append(self._finish(step, shas.get(step.key, ""), again))
        return outcomes, again

    def _close(self, step: Step, action: Close) -> None:
        pull = step.pull
        body = with_marker(pull.body if pull else "", action.marker, html=self._html)
        self._forge.update(action.number, body=body, close=True)
        self._forge.comment(action.number, f"Closed by imagebot: {action.reason}.")

    @property
    def _html(self) -> bool:
        return self._forge.limits.collapsible

    def _commit(self, steps: Sequence[Step], failures: dict[str, str]) -> dict[str, str]:
        """The commit of each group that pushes; a group whose files are gone fails alone."""
        wanted = [
            step
            for step in steps
            if isinstance(step.action, PushAndCreate | PushAndUpdate) and step.group
        ]
        try:
            shas = self.target.mirror.commit([self._request(step) for step in wanted])
        except EditRefused:
            return self._commit_singly(wanted, failures)
        return {step.key: sha for step, sha in zip(wanted, shas, strict=True)}

    def _commit_singly(self, steps: Sequence[Step], failures: dict[str, str]) -> dict[str, str]:
        shas = {}
        for step in steps:
            try:
                shas[step.key] = self.target.mirror.commit([self._request(step)])[0]
            except EditRefused as error:
                failures[step.key] = str(error)
        return shas

    def _request(self, step: Step) -> CommitRequest:
        group = step.group
        files = {change.path: change.new for change in group.files} if group else {}
        message = commit_message(group) if group else ""
        return CommitRequest(self.snapshot.base_sha, files, message, self.target.identity)

    def _push(self, steps: Sequence[Step], shas: Mapping[str, str]) -> Mapping[str, PushResult]:
        updates = []
        for step in steps:
            action = step.action
            if isinstance(action, PushAndCreate | PushAndUpdate):
                updates.append(RefUpdate(step.head, shas[step.key], action.lease or None))
            elif isinstance(action, DeleteBranch) or (
                isinstance(action, Close) and action.delete_branch
            ):
                updates.append(RefUpdate(step.head, None, action.lease))
        moving = [update for update in updates if update.new_sha != update.expected_sha]
        return self.target.mirror.push(moving) if moving else {}

    def _finish(self, step: Step, sha: str, again: set[str]) -> Outcome:
        """The forge's part of a step whose branch is in place."""
        try:
            return self._do(step, sha, again)
        except (DuplicatePullRequest, NoCommits) as error:
            # Somebody was faster: another look shows what is left to do.
            again.add(step.key)
            return self._outcome(step, "failed", str(error))
        except ImagebotError as error:
            return self._outcome(step, "failed", str(error))

    def _do(self, step: Step, sha: str, again: set[str]) -> Outcome:
        action = step.action
        match action:
            case PushAndCreate() | Create():
                pull = self._open(step, action, sha or getattr(action, "sha", ""))
                return self._outcome(step, "created", action.reason, pull)
            case PushAndUpdate() | UpdateText():
                pull = self._rewrite(step, action, sha or getattr(action, "sha", ""))
                return self._outcome(step, "updated", action.reason, pull)
            case Close() | DeleteBranch():
                if step.desired is not None:
                    again.add(step.key)
                return self._outcome(step, "closed", action.reason, step.pull)
            case Hold():
                self._say_once(step, action)
                return self._outcome(step, "held", action.reason, step.pull)
            case Nothing():
                standing = self._current(step)
                if standing is not None:
                    self._decorate(step, standing)
                return self._outcome(step, "unchanged", action.reason, standing)
            case Skip():
                return self._outcome(step, "skipped", action.reason, self._current(step))
        raise AssertionError(f"{step.key} was decided nothing")

    def _open(self, step: Step, action: PushAndCreate | Create, sha: str) -> PullRequest:
        body = self._body(step, action.marker, sha, "")
        pull = self._forge.create(
            head=step.head, base=self.snapshot.base, title=action.title, body=body
        )
        self._decorate(step, pull)
        return pull

    def _rewrite(self, step: Step, action: PushAndUpdate | UpdateText, sha: str) -> PullRequest:
        existing = step.pull.body if step.pull else ""
        body = self._body(step, action.marker, sha, existing)
        pull = self._forge.update(action.number, title=action.title, body=body)
        self._decorate(step, pull)
        return pull

    def _body(self, step: Step, marker: Marker, sha: str, existing: str) -> str:
        if step.group is None:
            return with_marker(existing, marker, html=self._html)
        return render_body(step.group, marker, step.context, commit=sha, existing=existing)

    def _say_once(self, step: Step, action: Hold) -> None:
        """Comment before the marker remembers it: a crash between says it twice, never not."""
        if not action.comment or action.marker is None:
            return
        self._forge.comment(action.number, action.comment)
        body = with_marker(step.pull.body if step.pull else "", action.marker, html=self._html)
        self._forge.update(action.number, body=body)

    def _decorate(self, step: Step, pull: PullRequest) -> None:
        """Labels, once: a request is remembered when they are on it, and then left to people."""
        if self.target.known_pull(step.head) == pull.number:
            return
        labels = self.target.settings.labels
        if labels and not set(labels) <= set(pull.labels):
            self._forge.label(pull.number, labels)
        self.target.remember_pull(step.head, pull.number)

    def _current(self, step: Step) -> PullRequest | None:
        pulls = step.observed.pulls if step.observed else ()
        return next((pull for pull in pulls if pull.state == "open"), None)

    def _outcome(
        self, step: Step, action: str, reason: str, pull: PullRequest | None = None
    ) -> Outcome:
        title = step.desired.title if step.desired else (pull.title if pull else "")
        return Outcome(
            key=step.key,
            title=title,
            branch=step.head,
            action=action,
            reason=reason,
            number=pull.number if pull else 0,
            url=pull.url if pull else "",
            failed=action == "failed",
        )


def _raced(result: PushResult) -> bool:
    """Whether somebody pushed the same branch meanwhile, so that another look is worth it."""
    return result.stale or any(sign in result.reason for sign in RACES)
