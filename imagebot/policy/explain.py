"""An election in words: a row for each tag, and a sentence for a pull request.

Knows how to tell an outcome. Refuses to decide anything.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from imagebot.policy.base import Selection
from imagebot.policy.election import shown

Verdict = Literal["chosen", "candidate", "dropped", "current"]


@dataclass(frozen=True, slots=True)
class Row:
    """One tag of an election. `rank` counts from 1 for what remained, 0 for what was dropped.

    The running tag is `current`, whatever else it is, unless it was chosen again.
    """

    tag: str
    verdict: Verdict
    rank: int
    reason: str


def rows(selection: Selection, current: str | None) -> tuple[Row, ...]:
    """Every tag: the chosen one, what else remained, best first, then the dropped, by name."""
    table = [
        _kept(tag, rank, selection, current) for rank, tag in enumerate(selection.order, start=1)
    ]
    table += [
        Row(tag, "current" if tag == current else "dropped", 0, selection.dropped[tag])
        for tag in sorted(selection.dropped)
    ]
    known = {row.tag for row in table}
    if current is not None and current not in known:
        verdict: Verdict = "chosen" if selection.chosen == current else "current"
        table.append(Row(current, verdict, 0, "runs now; not among the registry's tags"))
    return tuple(sorted(table, key=lambda row: row.verdict != "chosen"))


def sentence(selection: Selection, current: str | None) -> str:
    """One short sentence for the text of a pull request."""
    if selection.chosen is None:
        return f"Undecided: {selection.error or selection.why}."
    if selection.chosen == current:
        return f"Up to date: {selection.why}."
    size = f" ({selection.size})" if selection.size else ""
    start = f"From {shown(current)} to" if current else "To"
    return f"{start} {shown(selection.chosen)}{size}: {selection.why}."


def _kept(tag: str, rank: int, selection: Selection, current: str | None) -> Row:
    if tag == selection.chosen:
        return Row(tag, "chosen", rank, selection.why)
    reason = "admitted, but not the best" if rank > 1 else "equal to the running tag, which stays"
    return Row(tag, "current" if tag == current else "candidate", rank, reason)
