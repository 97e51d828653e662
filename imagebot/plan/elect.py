"""One election for one image: policy, filter and guards of the configuration over what was seen.

Knows which guards the settings ask for, and which questions were answered before. It refuses to
know files and image uses.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from imagebot.config import ImageSettings
from imagebot.governing import Governed
from imagebot.imageref import Repository
from imagebot.model import Facts, ImageDetails
from imagebot.policy import Selection, select
from imagebot.policy.digest import Digest
from imagebot.policy.guards import Guard, MinimumAge, Platforms

Evidence = Mapping[str, ImageDetails]
Seen = tuple[tuple[str, ...], Evidence]
Question = tuple[Repository, Governed | None, str]
"""A repository, who governs the use, and the tag that it runs: the rest is the same for all."""


@dataclass(frozen=True, slots=True)
class Elections:
    """Elections held so far: the same question about the same evidence is answered once.

    Good for one configuration and one moment, as `wants` and `plan` ask again with every answer.
    Candidates and their reasons are not kept: lists of tags are long, and no decision reads them.
    """

    _held: dict[tuple[Question, str], tuple[tuple[str, ...], Evidence, Selection]] = field(
        default_factory=dict
    )

    def outcome(
        self,
        question: Question,
        seen: Seen,
        hold: Callable[[], Selection],
        *,
        lane: str = "",
    ) -> Selection:
        """The outcome for a question, by the tags and details that were `seen`."""
        key = (question, lane)
        held = self._held.get(key)
        if held is None or held[:2] != seen:
            held = (*seen, replace(hold(), order=(), dropped={}))
            self._held[key] = held
        return held[2]


def selection_for(
    repository: Repository,
    settings: ImageSettings,
    facts: Facts,
    current: str,
    now: datetime,
    *,
    lane: str = "",
) -> Selection:
    """The policy's choice among the tags that were seen, for a use that runs `current`.

    `lane` is a step with a pull request of its own; empty for the one with all other steps.
    """
    evidence = by_repository(facts).get(repository, {})
    seen = (facts.tags[repository].tags, evidence)
    guards = guards_for(repository, settings, facts, now)
    return elect(settings, seen, guards, current, now, lane=lane)


def elect(
    settings: ImageSettings,
    seen: Seen,
    guards: tuple[Guard, ...],
    current: str,
    now: datetime,
    *,
    lane: str = "",
) -> Selection:
    """Hold one election.

    A tag that `follow` cannot order, such as `latest`, is followed by its digest where a digest
    is to be written.
    """
    tags, evidence = seen
    found = select(
        settings.policy,
        tags,
        current=current or None,
        tag_filter=settings.tag_filter,
        allow_downgrade=settings.allow_downgrade,
        evidence=evidence,
        now=now.timestamp(),
        guards=guards,
        separate=settings.separate,
        lane=lane,
    )
    if not found.error or settings.policy.name != "follow" or lane or current not in tags:
        return found
    if settings.pin not in ("digest", "tag@digest"):
        return found
    return select(Digest(current), tags, current=current, evidence=evidence, now=now.timestamp())


def ranks_above(
    settings: ImageSettings, tag: str, other: str, evidence: Evidence, now: datetime
) -> bool:
    """Whether the policy alone would replace `other` by `tag`: no guard and no lane is asked."""
    plain = replace(settings, separate=(), allow_downgrade=False)
    return elect(plain, ((other, tag), evidence), (), other, now).chosen == tag


def guards_for(
    repository: Repository, settings: ImageSettings, facts: Facts, now: datetime
) -> tuple[Guard, ...]:
    """The guards that the settings ask for, in the order in which they drop a tag."""
    guards: list[Guard] = []
    if settings.minimum_age:
        moved = {
            tag: move.since for (owner, tag), move in facts.moves.items() if owner == repository
        }
        sightings = facts.sightings.get(repository)
        guards.append(MinimumAge(settings.minimum_age, now.timestamp(), sightings, moved))
    if settings.platforms:
        guards.append(Platforms(settings.platforms))
    return tuple(guards)


def by_repository(facts: Facts) -> dict[Repository, dict[str, ImageDetails]]:
    """The details that were seen, by repository and tag."""
    found: dict[Repository, dict[str, ImageDetails]] = {}
    for (repository, tag), details in facts.details.items():
        found.setdefault(repository, {})[tag] = details
    return found
