"""`imagebot plan`: what would change and why. Writes nothing."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import click

from imagebot.cli.common import (
    config_option,
    open_folder,
    operator_option,
    output_option,
    path_argument,
    print_json,
    progress_bar,
    read_operator,
    verbose_option,
)
from imagebot.errors import EXIT_DIFFERENCES, EXIT_OK, EXIT_PARTIAL


@click.command("plan")
@path_argument
@config_option
@operator_option
@output_option
@click.option("--exit-code", "by_code", is_flag=True, help="Exit 1 when there are changes.")
@click.option("--diff/--no-diff", default=True, help="Show the unified diff as well.")
@verbose_option
def command(
    path: Path,
    config_file: str | None,
    operator_file: str | None,
    output: str,
    *,
    by_code: bool,
    diff: bool,
) -> int:
    """Show what would change in PATH and why: a table, then a unified diff."""
    from imagebot.cycle import look
    from imagebot.report import document, text
    from imagebot.wiring import Services

    view, config = open_folder(path, config_file)
    with Services(read_operator(operator_file)) as services, progress_bar() as progress:
        seen = look(view, config, services.registry, datetime.now(UTC), progress=progress)
    if output == "json":
        print_json(document.plan_document(seen.plan))
    else:
        text.print_plan(text.console(), seen.plan, diffs=diff)
    if seen.plan.undecided or seen.plan.with_status("refused"):
        return EXIT_PARTIAL
    return EXIT_DIFFERENCES if by_code and seen.plan.groups else EXIT_OK
