"""Plans, scans and cycles as JSON values with a versioned schema name.

Programs read these: a key is never renamed or dropped within a version, only added.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from imagebot.errors import ImagebotError, Where
from imagebot.model import (
    Alarm,
    Cycle,
    Decision,
    FileChange,
    FileScan,
    Group,
    ImageDetails,
    Outcome,
    Plan,
    Skipped,
)
from imagebot.report.diff import unified

SCAN = "imagebot.dev/scan/v1"
PLAN = "imagebot.dev/plan/v1"
APPLY = "imagebot.dev/apply/v1"
RUN = "imagebot.dev/run/v1"


def scan_document(scans: Mapping[str, FileScan]) -> dict[str, Any]:
    """Every image use and everything skipped, by file."""
    return {
        "schema": SCAN,
        "uses": [
            {
                "kind": use.kind,
                "label": use.label,
                "image": str(use.image),
                "repository": str(use.image.repository),
                "tag": use.image.tag,
                "digest": use.image.digest,
                "where": _where(use.where),
            }
            for path in sorted(scans)
            for use in scans[path].uses
        ],
        "skipped": [_skipped(skip) for path in sorted(scans) for skip in scans[path].skipped],
    }


def plan_document(plan: Plan) -> dict[str, Any]:
    """A whole plan: decisions, groups with their diffs, what was skipped or undecided."""
    return {
        "schema": PLAN,
        "decisions": [_decision(decision) for decision in plan.decisions],
        "groups": [_group(group) for group in plan.groups],
        "skipped": [_skipped(skip) for skip in plan.skipped],
        "undecided": sorted(plan.undecided),
        "problems": dict(plan.problems),
        "alarms": [_alarm(alarm) for alarm in plan.alarms],
    }


def written_document(
    plan: Plan, written: Sequence[FileChange], refused: Mapping[str, ImagebotError]
) -> dict[str, Any]:
    """A plan, and what became of it in a folder."""
    return {
        **plan_document(plan),
        "schema": APPLY,
        "written": [{"path": change.path, "diff": unified(change)} for change in written],
        "refused": [
            {"path": path, "reason": error.message} for path, error in sorted(refused.items())
        ],
    }


def run_document(cycles: list[Cycle]) -> dict[str, Any]:
    """What every repository's cycle did."""
    return {
        "schema": RUN,
        "repositories": [
            {
                "repository": cycle.repository,
                "base": cycle.base,
                "baseSha": cycle.base_sha,
                "problem": cycle.problem,
                "busy": cycle.busy,
                "failed": cycle.failed,
                "outcomes": [_outcome(outcome) for outcome in cycle.outcomes],
                "plan": plan_document(cycle.plan),
            }
            for cycle in cycles
        ],
    }


def _outcome(outcome: Outcome) -> dict[str, Any]:
    return {
        "key": outcome.key,
        "title": outcome.title,
        "branch": outcome.branch,
        "action": outcome.action,
        "reason": outcome.reason,
        "number": outcome.number,
        "url": outcome.url,
        "failed": outcome.failed,
    }


def _decision(decision: Decision) -> dict[str, Any]:
    return {
        "where": _where(decision.use.where),
        "label": decision.use.label,
        "environment": decision.environment,
        "image": str(decision.use.image),
        "status": decision.status,
        "target": str(decision.target) if decision.target else None,
        "why": decision.why,
    }


def _group(group: Group) -> dict[str, Any]:
    return {
        "key": group.key,
        "title": group.title,
        "updates": [
            {
                "where": _where(update.use.where),
                "environment": update.environment,
                "from": str(update.old),
                "to": str(update.new),
                "size": update.size,
                "why": update.why,
                "details": _details(update.details),
            }
            for update in group.updates
        ],
        "files": [{"path": change.path, "diff": unified(change)} for change in group.files],
        "notes": list(group.notes),
    }


def _details(details: ImageDetails | None) -> dict[str, Any] | None:
    if details is None:
        return None
    return {
        "digest": details.digest,
        "mediaType": details.media_type,
        "created": details.created,
        "platforms": list(details.platforms),
        "labels": dict(details.labels),
    }


def _alarm(alarm: Alarm) -> dict[str, Any]:
    return {
        "repository": str(alarm.repository),
        "tag": alarm.tag,
        "before": alarm.before,
        "after": alarm.after,
        "since": alarm.since,
        "message": str(alarm),
    }


def _skipped(skip: Skipped) -> dict[str, Any]:
    return {"where": _where(skip.where), "reason": skip.reason}


def _where(where: Where) -> dict[str, Any]:
    return {"path": where.path, "line": where.line, "column": where.column}
