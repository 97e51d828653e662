"""`imagebot plan`: what would change and why. Writes nothing."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

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
    repo_option,
    verbose_option,
)
from imagebot.errors import EXIT_DIFFERENCES, EXIT_OK, EXIT_PARTIAL


@click.command("plan")
@path_argument
@repo_option
@config_option
@operator_option
@output_option
@click.option("--exit-code", "by_code", is_flag=True, help="Exit 1 when there are changes.")
@click.option("--diff/--no-diff", default=True, help="Show the unified diff as well.")
@verbose_option
def command(
    path: Path,
    repo: str | None,
    config_file: str | None,
    operator_file: str | None,
    output: str,
    *,
    by_code: bool,
    diff: bool,
) -> int:
    """Show what would change and why: a table, then a unified diff."""
    from imagebot.cycle import look
    from imagebot.report import document, text
    from imagebot.wiring import Services

    with (
        Services(read_operator(operator_file)) as services,
        opened_view(path, repo, services) as view,
        progress_bar() as progress,
    ):
        config = read_config(view, config_file)
        seen = look(view, config, services.registry, datetime.now(UTC), progress=progress)
    if output == "json":
        print_json(document.plan_document(seen.plan))
    else:
        text.print_plan(text.console(), seen.plan, diffs=diff)
    if seen.plan.undecided or seen.plan.with_status("refused"):
        return EXIT_PARTIAL
    return EXIT_DIFFERENCES if by_code and seen.plan.groups else EXIT_OK
