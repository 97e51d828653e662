"""`imagebot check`: configuration, markers and silent faults of a folder, offline."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

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
from imagebot.errors import EXIT_DIFFERENCES, EXIT_OK, ConfigError

if TYPE_CHECKING:
    from imagebot.config import Config
    from imagebot.manifests.findings import Finding
    from imagebot.views import View

SCHEMA = "imagebot.dev/check/v1"


@click.command("check")
@path_argument
@repo_option
@config_option
@operator_option
@output_option
@verbose_option
def command(
    path: Path, repo: str | None, config_file: str | None, operator_file: str | None, output: str
) -> int:
    """Check configuration, markers and manifests. Exits 1 when something is found."""
    from imagebot.config import Config
    from imagebot.wiring import Services

    found: list[Finding] = []
    operator = None
    try:
        operator = read_operator(operator_file)
    except ConfigError as error:
        found.extend(_config_findings(error))
    with Services(operator) as services, opened_view(path, repo, services) as view:
        config = Config.default()
        try:
            config = read_config(view, config_file)
        except ConfigError as error:
            found.extend(_config_findings(error))
        found.extend(_file_findings(view, config))
    found.sort(key=lambda finding: (finding.where.path, finding.where.line, finding.where.column))
    if output == "json":
        print_json({"schema": SCHEMA, "findings": [_document(finding) for finding in found]})
    else:
        for finding in found:
            click.echo(f"{finding.where}: {finding.severity}: {finding.message} [{finding.id}]")
            if finding.fix:
                click.echo(f"    {finding.fix}")
        click.echo(f"{len(found)} findings" if found else "nothing found")
    return EXIT_DIFFERENCES if found else EXIT_OK


def _config_findings(error: ConfigError) -> Iterator[Finding]:
    from imagebot.manifests.findings import Finding

    for problem in error.problems:
        yield Finding("config", problem.where, problem.message, problem.hint, "error")


def _file_findings(view: View, config: Config) -> Iterator[Finding]:
    from imagebot.compat import govern
    from imagebot.config import is_in_paths
    from imagebot.manifests import lint, markers
    from imagebot.manifests.findings import Finding
    from imagebot.manifests.scan import is_candidate, scan_file

    entries = [
        entry
        for entry in view.entries()
        if not entry.refusal and is_candidate(entry.path) and is_in_paths(config, entry.path)
    ]
    scans = {}
    for path, data in view.read(entries).items():
        yield from lint.findings(path, data)
        yield from markers.findings(path, data)
        scans[path] = scan_file(path, data)
        for skip in scans[path].skipped:
            if skip.whole:
                fix = "repair it, or leave it out by `paths` in .imagebot.yaml"
                yield Finding("unreadable", skip.where, skip.reason, fix, "warning")
    yield from govern(scans, config)[1]


def _document(finding: Finding) -> dict[str, Any]:
    return {
        "id": finding.id,
        "severity": finding.severity,
        "path": finding.where.path,
        "line": finding.where.line,
        "column": finding.where.column,
        "message": finding.message,
        "fix": finding.fix,
    }
