"""Brings branches and pull requests of one repository to what a plan wants, round by round.

A round looks, decides, closes, pushes every branch at once, then writes requests. A branch that
somebody moved meanwhile is looked at again in the next round. Killed anywhere, the next run finds
what was done and goes on from there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from imagebot.apply.carry_out import CarryOut, Step
from imagebot.apply.observe import Observer
from imagebot.apply.target import Target
from imagebot.errors import ImagebotError, PeerError
from imagebot.gitrepo.mirror import Snapshot
from imagebot.model import Group, Outcome, Plan
from imagebot.pulls.body import Context, desired_state
from imagebot.pulls.decide import DecidePolicy, decide
from imagebot.pulls.naming import branch_name

ROUNDS = 4


def converge(target: Target, snapshot: Snapshot, plan: Plan) -> tuple[Outcome, ...]:
    """Make the remote match the plan, and say what became of every group.

    Raises PeerError when git or the forge cannot be asked at all; what fails for one group is
    that group's outcome.
    """
    run = _Run(target, plan)
    for attempt in range(ROUNDS):
        if attempt:
            try:
                fresh = target.mirror.fetch()
            except PeerError as error:
                run.leave(f"it needs another look, and {error}", failed=True)
                break
            if not run.still_fits(snapshot.base_sha, fresh.base_sha):
                break
            # What was planned on the base of the first look stays a commit on it.
            snapshot = replace(fresh, base_sha=snapshot.base_sha)
        if not run.round(snapshot):
            break
    return run.outcomes()


@dataclass
class _Run:
    """The groups still to settle, and the outcomes so far."""

    target: Target
    plan: Plan
    _outcomes: dict[str, Outcome] = field(default_factory=dict)
    _pending: set[str] | None = None

    def round(self, snapshot: Snapshot) -> bool:
        """One look, one push, one pass of requests. True when something needs another look."""
        observer = Observer(self.target, snapshot)
        steps = self._steps(observer, snapshot)
        done, again = CarryOut(self.target, snapshot).all(steps)
        for outcome in done:
            self._outcomes[outcome.key] = outcome
        self._pending = again
        return bool(again)

    def still_fits(self, planned: str, base: str) -> bool:
        """Leave to the next run whatever a moved base branch made stale. False when that is all.

        A busy base branch moves in every run; only a group whose own files moved is stale.
        """
        if planned == base:
            return True
        mirror = self.target.mirror
        files = {
            group.key: [change.path for change in group.files]
            for group in self.plan.groups
            if group.key in (self._pending or ())
        }
        paths = sorted({path for part in files.values() for path in part})
        before, now = mirror.blob_shas(planned, paths), mirror.blob_shas(base, paths)
        same = {key for key, part in files.items() if all(before[p] == now[p] for p in part)}
        fits = same if mirror.is_ancestor(planned, base) else set()
        self._leave(set(self._pending or ()) - fits, "the base branch moved; the next run goes on")
        self._pending = fits
        return bool(fits)

    def leave(self, reason: str, *, failed: bool = False) -> None:
        """Give up on what is still pending and undone, naming the reason."""
        self._leave(self._pending or set(), reason, failed=failed)

    def _leave(self, keys: set[str], reason: str, *, failed: bool = False) -> None:
        for key in keys:
            before = self._outcomes.get(key)
            if before is not None and before.failed:
                action = "failed" if failed else "skipped"
                left = replace(before, reason=reason, action=action, failed=failed)
                self._outcomes[key] = left

    def outcomes(self) -> tuple[Outcome, ...]:
        """What became of every group, in the plan's order, leftovers last."""
        return tuple(self._outcomes.values())

    def _steps(self, observer: Observer, snapshot: Snapshot) -> list[Step]:
        groups = {group.key: group for group in self.plan.groups}
        steps: list[Step] = []
        opened = observer.open_requests
        limit = self.target.settings.limit
        keys = self._keys(groups, observer)
        observer.look_ahead(keys)
        for key in keys:
            group = groups.get(key)
            step = self._step(key, group, observer, DecidePolicy(limit, opened), snapshot)
            opened += step.opens
            steps.append(step)
        return steps

    def _keys(self, groups: Mapping[str, Group], observer: Observer) -> Sequence[str]:
        keys = [*groups, *observer.leftover_keys(groups)]
        return [key for key in keys if self._pending is None or key in self._pending]

    def _step(
        self,
        key: str,
        group: Group | None,
        observer: Observer,
        policy: DecidePolicy,
        snapshot: Snapshot,
    ) -> Step:
        context = Context(
            snapshot.base,
            self.target.forge.limits,
            lambda path, line: self.target.forge.file_url(snapshot.base_sha, path, line),
            self.target.now,
            self.target.running,
        )
        head = branch_name(snapshot.base, key)
        desired = desired_state(group, context) if group else None
        undecided = key in self.plan.undecided or bool(group and group.undecided)
        try:
            undecided = undecided or self._unreadable(observer, snapshot.branches.get(head))
            observed = observer.observe(key, undecided=undecided, wanted=group is not None)
        except ImagebotError as error:
            return Step(key, head, group, context, desired, failure=str(error))
        if group is None:
            gone = self.plan.settled.get(key, "no file uses this image there any more")
            observed = replace(observed, obsolete=gone)
        action = decide(observed, desired, policy)
        return Step(key, head, group, context, desired, observed, action)

    def _unreadable(self, observer: Observer, sha: str | None) -> bool:
        """Whether a branch touches a file that could not be read this time.

        Then nobody can say what is left to change there: neither close nor shrink the request.
        """
        unread = {skip.where.path for skip in self.plan.skipped if skip.whole}
        return bool(sha and unread and unread.intersection(observer.touched(sha)))
