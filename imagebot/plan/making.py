"""The plan itself: decisions, groups with the new texts of their files, and what stays undecided.

Knows the order of steps. It refuses to know how one image is decided and how one file is edited.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from imagebot.config import Config
from imagebot.model import Alarm, Decision, Facts, Group, ImageUse, Plan, Skipped, Wants
from imagebot.plan.deciding import Deciding
from imagebot.plan.elect import Elections
from imagebot.plan.writing import fill
from imagebot.policy.guards import names_one_version
from imagebot.pulls.group import group_updates

ALARMED_FOR = 30 * 86_400
"""Seconds for which a tag that moved is an alarm."""


def wants(
    config: Config,
    facts: Facts,
    now: datetime,
    *,
    describe: bool = False,
    elections: Elections | None = None,
) -> Wants:
    """The evidence that a decision still lacks; falsy when the plan can be made.

    `describe` also asks for the details of every tag that would be written: facts for the people
    who review it, and proof that the registry can serve it.
    """
    return Deciding(config, facts, now, elections or Elections(), describe=describe).run().wants()


def plan(
    config: Config, facts: Facts, now: datetime, *, elections: Elections | None = None
) -> Plan:
    """Decide every image use, group the updates, and write the new texts."""
    deciding = Deciding(config, facts, now, elections or Elections()).run()
    alarms = _alarms(facts, now)
    refused: dict[tuple[ImageUse, str], str] = {}
    refused_keys: set[str] = set()
    groups: list[Group] = []
    for group in _in_order(group_updates(deciding.updates(), named=config.groups), config):
        filled, problems = fill(_alarmed(group, alarms), facts.texts)
        refused.update({(use, group.updates[0].lane): why for use, why in problems.items()})
        refused_keys.update({group.key} if problems else ())
        if filled.files:
            groups.append(filled)
    undecided = deciding.undecided | (refused_keys - {group.key for group in groups})
    return Plan(
        decisions=tuple(_with_refusal(decision, refused) for decision in deciding.decisions),
        groups=tuple(replace(group, undecided=group.key in undecided) for group in groups),
        skipped=_skipped(facts),
        undecided=frozenset(undecided),
        problems=dict(sorted(deciding.problems.items())),
        alarms=alarms,
        settled=deciding.settled,
    )


def _in_order(groups: Sequence[Group], config: Config) -> list[Group]:
    """Groups in the order of the environments, as people promote; the rest comes first."""
    rank = {environment.name: n for n, environment in enumerate(config.environments)}
    return sorted(groups, key=lambda g: (rank.get(g.updates[0].environment, -1), g.key))


def _with_refusal(decision: Decision, refused: Mapping[tuple[ImageUse, str], str]) -> Decision:
    reason = refused.get((decision.use, decision.lane))
    return replace(decision, status="refused", why=reason, target=None) if reason else decision


def _alarms(facts: Facts, now: datetime) -> tuple[Alarm, ...]:
    """Tags that moved although they look as if they never do, while that is news."""
    found = [
        Alarm(repository, tag, move.before, facts.details[repository, tag].digest, move.since)
        for (repository, tag), move in facts.moves.items()
        if (repository, tag) in facts.details
        and names_one_version(tag)
        and now.timestamp() - move.since < ALARMED_FOR
    ]
    return tuple(sorted(found, key=lambda alarm: (alarm.repository, alarm.tag)))


def _alarmed(group: Group, alarms: Sequence[Alarm]) -> Group:
    """The group, with the alarms about the tags it leaves and goes to as its notes."""
    touched = {
        (image.repository, tag)
        for update in group.updates
        for image in (update.old, update.new)
        for tag in (image.tag, update.tag)
    }
    notes = tuple(str(alarm) for alarm in alarms if (alarm.repository, alarm.tag) in touched)
    return replace(group, notes=group.notes + notes)


def _skipped(facts: Facts) -> tuple[Skipped, ...]:
    return tuple(skip for path in sorted(facts.scans) for skip in facts.scans[path].skipped)
