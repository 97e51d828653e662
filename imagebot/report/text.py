"""Plans, scans and cycles for a terminal. Tables go to stdout; colour obeys NO_COLOR.

Everything that came from a registry or a file is printed as text, never as markup.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from imagebot.model import Cycle, Decision, FileScan, Plan, Skipped
from imagebot.policy.explain import Row
from imagebot.report.diff import unified

if TYPE_CHECKING:
    from rich.syntax import Syntax

ACTION_STYLES = {
    "created": "green",
    "updated": "yellow",
    "closed": "magenta",
    "failed": "red",
    "held": "red",
}
_CONTROL = dict.fromkeys((*range(0x20), 0x7F), " ")


def console() -> Console:
    """Standard output as a console: wide enough for a pipe, plain where colour is unwanted."""
    made = Console(highlight=False, soft_wrap=False)
    if not made.is_terminal:
        made = Console(highlight=False, soft_wrap=False, width=max(made.width, 160))
    return made


def print_scan(out: Console, scans: Mapping[str, FileScan]) -> None:
    """Every image use with its place, then what was skipped and why."""
    uses = [use for path in sorted(scans) for use in scans[path].uses]
    rows = [(str(use.where), use.label, str(use.image)) for use in uses]
    _table(out, ("place", "use", "image"), rows)
    _print_skipped(out, [skip for path in sorted(scans) for skip in scans[path].skipped])
    out.print(f"{len(uses)} image uses in {len({use.path for use in uses})} files")


def print_plan(out: Console, plan: Plan, *, diffs: bool = True) -> None:
    """The table of what would change, why the rest does not, then the diffs."""
    updates = plan.with_status("update")
    if updates:
        _table(
            out,
            ("environment", "place", "from", "to", "why"),
            [
                (
                    decision.environment or "-",
                    str(decision.use.where),
                    str(decision.use.image),
                    _version(decision),
                    decision.why,
                )
                for decision in updates
            ],
        )
    for status, heading in (
        ("undecided", "undecided this time (evidence is missing)"),
        ("refused", "refused (cannot be edited safely)"),
        ("unordered", "not followed (no policy orders these tags)"),
    ):
        _print_decisions(out, heading, plan.with_status(status))  # type: ignore[arg-type]
    _print_alarms(out, plan)
    _print_skipped(out, plan.skipped)
    if diffs:
        print_diffs(out, plan)
    current = len(plan.with_status("current"))
    out.print(
        f"{len(updates)} to change in {len(plan.groups)} pull requests, {current} current, "
        f"{len(plan.with_status('undecided'))} undecided"
    )


def print_diffs(out: Console, plan: Plan) -> None:
    """Every group's unified diff under its title."""
    for group in plan.groups:
        text = "".join(unified(change) for change in group.files)
        if not out.is_terminal:
            out.file.write(f"\n{group.title.translate(_CONTROL)}\n{text}")
            continue
        out.print()
        out.print(Text(group.title, style="bold"))
        if out.no_color:
            out.file.write(text)
        else:
            out.print(_coloured(text))
    if plan.groups:
        out.print()


def _coloured(diff: str) -> Syntax:
    from rich.syntax import Syntax  # the highlighter behind it is for terminals alone

    return Syntax(diff, "diff", background_color="default", word_wrap=False)


def print_heading(out: Console, heading: str) -> None:
    """One bold line."""
    out.print(Text(heading, style="bold"))


def print_election(out: Console, rows: Sequence[Row], *, limit: int = 0) -> None:
    """Every tag with its verdict and the rule; `limit` cuts the dropped ones (0: none)."""
    kept = [row for row in rows if row.verdict != "dropped"]
    dropped = [row for row in rows if row.verdict == "dropped"]
    shown = kept + (dropped[:limit] if limit else dropped)
    _table(
        out,
        ("rank", "tag", "verdict", "why"),
        [(str(row.rank or "-"), row.tag, row.verdict, row.reason) for row in shown],
    )
    if len(dropped) > limit > 0:
        out.print(f"... and {len(dropped) - limit} more dropped tags (--all shows them)")


def print_cycle(out: Console, cycle: Cycle) -> None:
    """What was done for each group, then what needs somebody's eyes."""
    out.print(Text(f"{cycle.repository} ({cycle.base or 'default branch'})", style="bold"))
    if cycle.busy:
        out.print("  another run holds this repository; nothing was done")
        return
    for outcome in cycle.outcomes:
        line = Text("  ")
        line.append(f"{outcome.action:<10}", style=ACTION_STYLES.get(outcome.action, "dim"))
        line.append(f"{'#' + str(outcome.number) if outcome.number else '-':<6}")
        line.append(outcome.title or outcome.branch)
        out.print(line)
        out.print(Text(f"{'':18}{outcome.reason}", style="dim"))
        if outcome.url:
            out.print(Text(f"{'':18}{outcome.url}", style="dim"))
    _print_decisions(
        out, "undecided this time (evidence is missing)", cycle.plan.with_status("undecided")
    )
    _print_decisions(out, "refused", cycle.plan.with_status("refused"))
    _print_alarms(out, cycle.plan)
    if cycle.problem:
        out.print(Text(f"  failed: {cycle.problem}", style="red"))
    if not cycle.outcomes and not cycle.failed:
        out.print("  nothing to change")


def _version(decision: Decision) -> str:
    target = decision.target
    if target is None:
        return ""
    return f"{target.tag}@{target.digest[:19]}…" if target.digest else target.tag


def _print_decisions(out: Console, heading: str, decisions: Sequence[Decision]) -> None:
    if not decisions:
        return
    out.print(Text(heading, style="bold"))
    for decision in decisions:
        out.print(Text(f"  {decision.use.where}  {decision.use.image}: {decision.why}"))


def _print_alarms(out: Console, plan: Plan) -> None:
    if plan.alarms:
        out.print(Text("alarms (look at these images)", style="bold red"))
    for alarm in plan.alarms:
        out.print(Text(f"  {alarm}"))


def _print_skipped(out: Console, skipped: Iterable[Skipped]) -> None:
    rows = [Text(f"  {skip.where}: {skip.reason}") for skip in skipped]
    if rows:
        out.print(Text("skipped", style="bold"))
    for row in rows:
        out.print(row)


def _table(out: Console, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Columns: folded into a terminal's width; elsewhere one row a line, for grep and for speed."""
    if not rows:
        return
    if not out.is_terminal:
        out.file.write(_columns([columns, *rows]))
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    out.print(table)


def _columns(rows: Sequence[Sequence[str]]) -> str:
    cells = [[cell.translate(_CONTROL) for cell in row] for row in rows]
    widths = [max(map(cell_len, column)) for column in zip(*cells, strict=True)]
    lines = (
        " ".join(
            cell + " " * (width - cell_len(cell)) for cell, width in zip(row, widths, strict=True)
        ).rstrip()
        for row in cells
    )
    return "".join(f"{line}\n" for line in lines)
