"""`imagebot run`: one cycle for every repository of the operator's file. A CronJob calls this."""

from __future__ import annotations

import click

from imagebot.cli.common import (
    exit_code,
    operator_option,
    output_option,
    print_json,
    progress_bar,
    required_operator,
    verbose_option,
    warn,
)


@click.command("run")
@operator_option
@click.option(
    "--repo", "only", multiple=True, metavar="URL", help="Only this repository of the file."
)
@output_option
@verbose_option
def command(operator_file: str | None, only: tuple[str, ...], output: str) -> int:
    """Look, plan, and bring branches and pull requests to the plan; once."""
    from imagebot.cycle import Runner
    from imagebot.report import document, text
    from imagebot.wiring import Services

    operator = required_operator(operator_file)
    unknown = set(only) - {shape.url for shape in operator.repositories}
    if unknown:
        raise click.UsageError(f"not in the operator's file: {', '.join(sorted(unknown))}")
    with Services(operator) as services, progress_bar() as progress:
        cycles = Runner(services, operator, progress).all(only)
        for warning in services.warnings:
            warn(warning)
    if output == "json":
        print_json(document.run_document(cycles))
    else:
        out = text.console()
        for cycle in cycles:
            text.print_cycle(out, cycle)
    return exit_code(cycles)
