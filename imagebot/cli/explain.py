"""`imagebot explain`: every tag of one image, and the rule that dropped or chose it."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from imagebot.cli.common import (
    config_option,
    opened_view,
    operator_option,
    output_option,
    print_json,
    progress_bar,
    read_config,
    read_operator,
    repo_option,
    verbose_option,
)
from imagebot.errors import EXIT_OK, EXIT_PARTIAL, UsageError

if TYPE_CHECKING:
    from imagebot.imageref import ImageRef
    from imagebot.policy import Selection
    from imagebot.views import View

SCHEMA = "imagebot.dev/explain/v1"


@click.command("explain")
@click.argument("image")
@click.argument("path", default=".", type=click.Path(exists=True, file_okay=False, path_type=Path))
@repo_option
@config_option
@operator_option
@output_option
@click.option("--all", "every", is_flag=True, help="Every dropped tag, not only the first fifty.")
@verbose_option
def command(
    image: str,
    path: Path,
    *,
    repo: str | None,
    config_file: str | None,
    operator_file: str | None,
    output: str,
    every: bool,
) -> int:
    """Explain the choice of a tag for IMAGE, as the files under PATH use it.

    IMAGE may name a tag (`nginx:1.27.0`); then that tag stands for the one that runs.
    """
    from imagebot import imageref
    from imagebot.wiring import Services

    reference = imageref.parse(image)
    with (
        Services(read_operator(operator_file)) as services,
        opened_view(path, repo, services) as view,
        progress_bar() as progress,
    ):
        config = read_config(view, config_file)
        currents = [reference.tag] if reference.tag else _used(view, config, reference)
        found = [
            _elect(reference, current, config, services.registry, progress) for current in currents
        ]
    if output == "json":
        print_json(
            {
                "schema": SCHEMA,
                "image": str(reference.repository),
                "elections": [
                    _document(current, selection, problem)
                    for current, (selection, problem) in zip(currents, found, strict=True)
                ],
            }
        )
    else:
        for current, (selection, problem) in zip(currents, found, strict=True):
            _print(reference, current, selection, problem, every=every)
    return EXIT_PARTIAL if any(problem for _, problem in found) else EXIT_OK


def _used(view: View, config: Any, reference: ImageRef) -> list[str]:
    from imagebot.gather import scan_repository

    scans = scan_repository(view, config)
    tags = {
        use.image.tag
        for scan in scans.values()
        for use in scan.uses
        if use.image.repository == reference.repository
    }
    if not tags:
        raise UsageError(
            f"no file uses {reference.repository.familiar}",
            hint=f"name the tag that runs: {reference.repository.familiar}:TAG",
        )
    return sorted(tags)


def _elect(
    reference: ImageRef, current: str, config: Any, registry: Any, progress: Any
) -> tuple[Selection | None, str]:
    """The election for one running tag, or why there is none."""
    from imagebot.config import settings_for
    from imagebot.errors import Where
    from imagebot.gather import gather
    from imagebot.model import Facts, FileScan, ImageUse
    from imagebot.plan import selection_for

    now = datetime.now(UTC)
    use = ImageUse("given", str(reference), reference.with_version(current, ""), (), Where("-"))
    facts = Facts(scans={"-": FileScan(uses=(use,))}, texts={"-": b""})
    facts = gather(config, facts, registry, now, progress=progress)
    answer = facts.tags[reference.repository]
    if answer.problem:
        return None, answer.problem
    settings = settings_for(config, reference.repository)
    return selection_for(reference.repository, settings, facts, current, now), ""


def _document(current: str, selection: Selection | None, problem: str) -> dict[str, Any]:
    from imagebot.policy.explain import rows

    if selection is None:
        return {"current": current, "problem": problem}
    return {
        "current": current,
        "chosen": selection.chosen,
        "why": selection.why,
        "error": selection.error,
        "tags": [
            {"tag": row.tag, "verdict": row.verdict, "rank": row.rank, "reason": row.reason}
            for row in rows(selection, current or None)
        ],
    }


def _print(
    reference: ImageRef, current: str, selection: Selection | None, problem: str, *, every: bool
) -> None:
    from imagebot.policy.explain import rows, sentence
    from imagebot.report import text

    out = text.console()
    text.print_heading(out, f"{reference.repository.familiar}:{current}")
    if selection is None:
        text.print_heading(out, f"undecided: {problem}")
        return
    text.print_election(out, rows(selection, current or None), limit=0 if every else 50)
    out.print(sentence(selection, current or None), markup=False)
