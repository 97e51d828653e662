"""What each image use should run: one pass over all of them, noting the evidence still missing.

Knows elections, pins and lanes. It refuses to know how a decision is written into a file.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from imagebot.compat import settings_of, why_off
from imagebot.config import Config, ImageSettings, environment_of
from imagebot.governing import Governed
from imagebot.imageref import ImageRef, Repository
from imagebot.model import Decision, Facts, ImageDetails, ImageUse, Status, Update, Wants
from imagebot.plan.elect import (
    Elections,
    Evidence,
    by_repository,
    elect,
    guards_for,
    ranks_above,
)
from imagebot.plan.pins import needs_digest, target_of
from imagebot.policy import Selection
from imagebot.policy.guards import Guard, doubt, verdict
from imagebot.pulls.group import group_key

_Question = tuple[Repository, Governed | None]
"""What the settings of a use depend on."""


@dataclass
class Deciding:
    """One pass over every image use. Equal questions are asked once."""

    config: Config
    facts: Facts
    now: datetime
    elections: Elections
    describe: bool = False
    decisions: list[Decision] = field(default_factory=list)
    undecided: set[str] = field(default_factory=set)
    problems: dict[str, str] = field(default_factory=dict)
    settled: dict[str, str] = field(default_factory=dict)
    _repositories: dict[Repository, None] = field(default_factory=dict)
    _details: dict[tuple[Repository, str], None] = field(default_factory=dict)
    _settings: dict[_Question, ImageSettings] = field(default_factory=dict)
    _guards: dict[_Question, tuple[Guard, ...]] = field(default_factory=dict)
    _evidence: Mapping[Repository, Evidence] = field(init=False)

    def __post_init__(self) -> None:
        self._evidence = by_repository(self.facts)

    def run(self) -> Deciding:
        """Decide every use.

        `decisions`, `undecided` (keys of groups), `problems` (of repositories), `settled` (why
        nothing moves, by key) and `wants` are filled then.
        """
        for path in sorted(self.facts.scans):
            environment = environment_of(self.config, path)
            for use in self.facts.scans[path].uses:
                for decision in self._decide(use, environment):
                    self.decisions.append(decision)
                    if decision.status == "undecided":
                        self.undecided.update(self._keys(decision))
                    elif decision.status != "update":
                        for key in self._keys(decision):
                            self.settled.setdefault(key, decision.why)
        return self

    def wants(self) -> Wants:
        """The evidence that was missing and was not asked for yet."""
        return Wants(tuple(self._repositories), tuple(self._details))

    def updates(self) -> list[Update]:
        """Every decision to move, with what is known of the image it moves to."""
        return [
            Update(
                use=decision.use,
                environment=decision.environment,
                old=decision.use.image,
                new=decision.target,
                why=decision.why,
                size=decision.size,
                details=self.facts.details.get((decision.target.repository, decision.tag)),
                lane=decision.lane,
                tag=decision.tag,
            )
            for decision in self.decisions
            if decision.status == "update" and decision.target is not None
        ]

    def settings(self, use: ImageUse) -> ImageSettings:
        """What holds for a use: the configuration, then what governs it, then the defaults."""
        question = (use.image.repository, use.governed)
        if question not in self._settings:
            self._settings[question] = settings_of(self.config, use)
        return self._settings[question]

    def _decide(self, use: ImageUse, environment: str) -> Iterator[Decision]:
        repository = use.image.repository
        settings = self.settings(use)
        plain = Decision(use, environment, "undecided", "its tags were not read yet")
        if not settings.enabled:
            yield replace(plain, status="disabled", why=why_off(use))
            return
        answer = self.facts.tags.get(repository)
        if answer is None:
            self._repositories[repository] = None
            yield plain
        elif problem := answer.problem or self._doubt(use.image, settings, len(answer.tags)):
            self.problems[str(repository)] = problem
            yield replace(plain, why=problem)
        else:
            for lane in ("", *(step for step in settings.separate if step != "digest")):
                made = self._judge(replace(plain, lane=lane), settings)
                if not lane or made.status in ("update", "undecided"):
                    by = f" ({use.governed.by})" if use.governed else ""
                    yield replace(made, why=made.why + by)

    def _doubt(self, image: ImageRef, settings: ImageSettings, size: int) -> str:
        """Why a list of so many tags is not believed; empty when it is."""
        before = self.facts.listings.get(image.repository)
        if reason := doubt(before, size, settings.tag_list_shrink)[1]:
            return reason
        unheard = not size and image.tag
        return f"no tag at all is listed, though {image.tag} runs here" if unheard else ""

    def _judge(self, plain: Decision, settings: ImageSettings) -> Decision:
        """One use in one lane, as an undecided decision that is filled in here."""
        image = plain.use.image
        selection = self._select(plain.use, settings, plain.lane)
        if missing := self._missing(image.repository, selection.wants):
            return replace(plain, why=missing)
        chosen = selection.chosen
        if chosen is None:
            status: Status = "current" if selection.held else "unordered"
            return replace(plain, status=status, why=selection.error or selection.why)
        if held := self._taken_back(plain.use, settings, chosen):
            return replace(plain, status="current", why=held)
        return self._aim(plain, settings, selection, chosen)

    def _taken_back(self, use: ImageUse, settings: ImageSettings, chosen: str) -> str:
        """Why a use waits that a person took back from a better tag; empty when it does not."""
        present, tag = use.image.tag, self._replaced(use)
        if not tag or chosen == present or settings.allow_downgrade or tag in settings.release:
            return ""
        seen = self._evidence.get(use.image.repository, {})
        if chosen != tag and (
            not ranks_above(settings, tag, present, seen, self.now)
            or ranks_above(settings, chosen, tag, seen, self.now)
        ):
            return ""
        return f"{tag} was taken back to {present} in git; held until a newer version than {tag}"

    def _replaced(self, use: ImageUse) -> str:
        return self.facts.replaced.get(use.place, "") if use.slots else ""

    def _aim(
        self, plain: Decision, settings: ImageSettings, selection: Selection, chosen: str
    ) -> Decision:
        """The reference that the chosen tag makes, when the evidence for it is there."""
        image = plain.use.image
        key = (image.repository, chosen)
        pinned = needs_digest(image, settings, chosen)
        if pinned and (missing := self._missing(image.repository, (chosen,))):
            return replace(plain, why=missing)
        details = self.facts.details[key] if pinned else None
        target = target_of(plain.use, settings, chosen, details.digest if details else "")
        if isinstance(target, str):
            return replace(plain, status="unordered", why=target)
        renames = plain.use.governed is not None and plain.use.governed.renames
        if target == image and not renames:
            return replace(plain, status="current", why=selection.why)
        if chosen == image.tag and not renames:
            return self._within_tag(plain, settings, target, details)
        described = self.describe or key in self.facts.details_problems
        if described and (missing := self._missing(image.repository, (chosen,))):
            return replace(plain, why=missing)
        made = replace(plain, status="update", why=selection.why, target=target)
        return replace(made, tag=chosen, size=selection.size)

    def _within_tag(
        self,
        plain: Decision,
        settings: ImageSettings,
        target: ImageRef,
        details: ImageDetails | None,
    ) -> Decision:
        """The tag stays and its digest is written, changed or dropped."""
        image = plain.use.image
        tag = image.tag
        if details is not None and image.digest:
            # What runs is judged again: under the old name it is another image.
            reason = verdict(self._guards_of(plain.use, settings), tag, details)
            if reason:
                why = f"{tag} stays at its digest: the one it points to now is left out, {reason}"
                return replace(plain, status="current", why=why)
            why = f"{tag} points to another digest now"
        else:
            done = "written" if details else "left out"
            why = f"{tag} stays, and its digest is {done}, as `pin` says"
        lane = "digest" if "digest" in settings.separate else ""
        made = replace(plain, status="update", why=why, target=target)
        return replace(made, tag=tag, size="digest", lane=lane)

    def _select(self, use: ImageUse, settings: ImageSettings, lane: str) -> Selection:
        repository, current = use.image.repository, use.image.tag
        seen = (self.facts.tags[repository].tags, self._evidence.get(repository, {}))
        if use.governed and use.governed.renames and current not in seen[0]:
            current = ""  # a tag of the image that was written here so far

        def hold() -> Selection:
            guards = self._guards_of(use, settings)
            return elect(settings, seen, guards, current, self.now, lane=lane)

        question = (repository, use.governed, current)
        return self.elections.outcome(question, seen, hold, lane=lane)

    def _guards_of(self, use: ImageUse, settings: ImageSettings) -> tuple[Guard, ...]:
        repository = use.image.repository
        question = (repository, use.governed)
        if question not in self._guards:
            self._guards[question] = guards_for(repository, settings, self.facts, self.now)
        return self._guards[question]

    def _missing(self, repository: Repository, tags: Sequence[str]) -> str:
        """Why the details of these tags are not there, noting those still to be asked for."""
        reason = ""
        for tag in tags:
            key = (repository, tag)
            if key in self.facts.details:
                continue
            problem = self.facts.details_problems.get(key)
            if problem is None:
                self._details[key] = None
            reason = reason or problem or f"the details of {tag} were not read yet"
        return reason

    def _keys(self, decision: Decision) -> Iterator[str]:
        """The keys of the groups that a use without an update may belong to."""
        repository = decision.use.image.repository
        lanes = (decision.lane,) if decision.lane else ("", *self.settings(decision.use).separate)
        for lane in lanes:
            yield group_key(repository, decision.environment, self.config.groups, lane)
