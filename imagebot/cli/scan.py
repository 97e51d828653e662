"""`imagebot scan`: what is there, offline."""

from __future__ import annotations

from pathlib import Path

import click

from imagebot.cli.common import (
    config_option,
    open_folder,
    output_option,
    path_argument,
    print_json,
    verbose_option,
)


@click.command("scan")
@path_argument
@config_option
@output_option
@verbose_option
def command(path: Path, config_file: str | None, output: str) -> None:
    """List every image use with its place, and what was skipped and why."""
    from imagebot.gather import scan_repository
    from imagebot.report import document, text

    view, config = open_folder(path, config_file)
    scans = scan_repository(view, config)
    if output == "json":
        print_json(document.scan_document(scans))
    else:
        text.print_scan(text.console(), scans)
