"""`imagebot scan`: what is there; no registry is asked."""

from __future__ import annotations

from pathlib import Path

import click

from imagebot.cli.common import (
    config_option,
    opened_view,
    operator_option,
    output_option,
    path_argument,
    print_json,
    read_config,
    read_operator,
    repo_option,
    verbose_option,
)


@click.command("scan")
@path_argument
@repo_option
@config_option
@operator_option
@output_option
@verbose_option
def command(
    path: Path, repo: str | None, config_file: str | None, operator_file: str | None, output: str
) -> None:
    """List every image use with its place, and what was skipped and why."""
    from imagebot.gather import scan_repository
    from imagebot.report import document, text
    from imagebot.wiring import Services

    with (
        Services(read_operator(operator_file)) as services,
        opened_view(path, repo, services) as view,
    ):
        scans = scan_repository(view, read_config(view, config_file))
    if output == "json":
        print_json(document.scan_document(scans))
    else:
        text.print_scan(text.console(), scans)
