"""`imagebot apply`: the edits of a plan, written into a folder."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from imagebot.cli.common import (
    config_option,
    opened_view,
    operator_option,
    output_option,
    path_argument,
    print_json,
    progress_bar,
    read_config,
    read_operator,
    verbose_option,
)
from imagebot.errors import EXIT_OK, EXIT_PARTIAL

if TYPE_CHECKING:
    from imagebot.model import Plan


@click.command("apply")
@path_argument
@config_option
@operator_option
@output_option
@verbose_option
def command(path: Path, config_file: str | None, operator_file: str | None, output: str) -> int:
    """Write the planned edits into the files under PATH, and nothing else."""
    from imagebot.cycle import look
    from imagebot.gitrepo.worktree import WorkingTree
    from imagebot.plan import merged_changes
    from imagebot.report import document, text
    from imagebot.wiring import Services

    with (
        Services(read_operator(operator_file)) as services,
        opened_view(path, None, services) as view,
        progress_bar() as progress,
    ):
        config = read_config(view, config_file)
        seen = look(view, config, services.registry, datetime.now(UTC), progress=progress)
    changes = merged_changes(seen.plan)
    refused = WorkingTree(path).write(changes)
    written = [change for change in changes if change.path not in refused]
    if output == "json":
        print_json(document.written_document(seen.plan, written, refused))
    else:
        out = text.console()
        text.print_plan(out, seen.plan, diffs=False)
        text.print_written(out, written, seen.plan)
    for name, error in sorted(refused.items()):
        click.echo(f"imagebot: not written: {name}: {error.message}", err=True)
    return EXIT_PARTIAL if refused or _incomplete(seen.plan) else EXIT_OK


def _incomplete(plan: Plan) -> bool:
    return bool(plan.undecided or plan.with_status("refused"))
