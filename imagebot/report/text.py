"""Plans, scans and cycles for a terminal. Tables go to stdout; colour obeys NO_COLOR.

Everything that came from a registry or a file is printed as text: never as markup, and never as
the control characters by which a file name could move a terminal's cursor.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from imagebot.model import Cycle, Decision, FileChange, FileScan, Plan, Skipped
from imagebot.policy.explain import Row
from imagebot.report.diff import unified

ACTION_STYLES = {
    "created": "green",
    "updated": "yellow",
    "closed": "magenta",
    "failed": "red",
    "held": "red",
}
_CONTROL = dict.fromkeys((*range(0x20), *range(0x7F, 0xA0)), "\N{REPLACEMENT CHARACTER}")
_DIFF_CONTROL = {code: shown for code, shown in _CONTROL.items() if chr(code) not in "\n\t"}


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
    files = len({use.path for use in uses})
    out.print(f"{counted(len(uses), 'image use')} in {counted(files, 'file')}")


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
    requests = counted(len(plan.groups), "pull request")
    out.print(
        f"{len(updates)} to change in {requests}, {len(plan.with_status('current'))} current, "
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
        print_heading(out, group.title)
        print_diff(out, text)
    if plan.groups:
        out.print()


def print_diff(out: Console, diff: str) -> None:
    """A diff: coloured on a terminal that wants it, and byte for byte where nobody looks."""
    if not out.is_terminal:
        out.file.write(diff)
        return
    harmless = diff.translate(_DIFF_CONTROL)
    if out.no_color:
        out.file.write(harmless)
        return
    from rich.syntax import Syntax  # the highlighter behind it is for terminals alone

    out.print(Syntax(harmless, "diff", background_color="default", word_wrap=True))


def print_heading(out: Console, heading: str) -> None:
    """One bold line."""
    out.print(plain(heading, "bold"), soft_wrap=True)


def print_written(out: Console, changes: Sequence[FileChange], plan: Plan) -> None:
    """What `apply` wrote: the diff of each file, then one line."""
    print_diff(out, "".join(unified(change) for change in changes))
    undecided = len(plan.with_status("undecided"))
    out.print(f"{counted(len(changes), 'file')} written, {undecided} images undecided")


def plain(text: object, style: str = "") -> Text:
    """Foreign text as it is to be read: no markup, no control characters."""
    return Text(str(text).translate(_CONTROL), style=style)


def counted(number: int, what: str) -> str:
    """`1 file`, `2 files`."""
    return f"{number} {what}{'' if number == 1 else 's'}"


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
    print_heading(out, f"{cycle.repository} ({cycle.base or 'default branch'})")
    if cycle.busy:
        out.print("  another run holds this repository; nothing was done")
        return
    for outcome in cycle.outcomes:
        line = Text("  ")
        line.append(f"{outcome.action:<10}", style=ACTION_STYLES.get(outcome.action, "dim"))
        line.append(f"{'#' + str(outcome.number) if outcome.number else '-':<6}")
        line.append(plain(outcome.title or outcome.branch))
        out.print(line, soft_wrap=True)
        for more in (outcome.reason, outcome.url):
            if more:
                # Never folded: a link that is broken over two lines cannot be clicked.
                out.print(plain(f"{'':18}{more}", "dim"), soft_wrap=True)
    _print_decisions(
        out, "undecided this time (evidence is missing)", cycle.plan.with_status("undecided")
    )
    _print_decisions(out, "refused", cycle.plan.with_status("refused"))
    _print_alarms(out, cycle.plan)
    _print_skipped(out, [skip for skip in cycle.plan.skipped if skip.whole], "not read")
    if cycle.problem:
        out.print(plain(f"  failed: {cycle.problem}", "red"), soft_wrap=True)
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
    print_heading(out, heading)
    for decision in decisions:
        line = f"  {decision.use.where}  {decision.use.image}: {decision.why}"
        out.print(plain(line), soft_wrap=True)


def _print_alarms(out: Console, plan: Plan) -> None:
    if plan.alarms:
        out.print(plain("alarms (look at these images)", "bold red"))
    for alarm in plan.alarms:
        out.print(plain(f"  {alarm}"), soft_wrap=True)


def _print_skipped(out: Console, skipped: Iterable[Skipped], heading: str = "skipped") -> None:
    rows = [plain(f"  {skip.where}: {skip.reason}") for skip in skipped]
    if rows:
        print_heading(out, heading)
    for row in rows:
        out.print(row, soft_wrap=True)


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
        table.add_row(*(plain(cell) for cell in row))
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
