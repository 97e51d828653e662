"""`imagebot explain`: every tag of one image, and the rule that dropped or chose it."""

from __future__ import annotations

from dataclasses import replace
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
    from collections.abc import Mapping

    from imagebot.config import Config
    from imagebot.gather import Progress
    from imagebot.governing import Governed
    from imagebot.imageref import ImageRef
    from imagebot.model import ImageUse
    from imagebot.policy import Selection
    from imagebot.registry.port import Registry
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

    IMAGE may name a tag (`nginx:1.27.0`); then that tag stands for the one that runs, and what
    governs the image in the files still counts.
    """
    from imagebot import imageref
    from imagebot.compat import settings_of
    from imagebot.wiring import Services

    reference = imageref.parse(image)
    with (
        Services(read_operator(operator_file)) as services,
        opened_view(path, repo, services) as view,
        progress_bar() as progress,
    ):
        config = read_config(view, config_file)
        running = _used(view, config, reference)
        found = [_elect(use, config, services.registry, progress) for use in running]
    if output == "json":
        print_json(
            {
                "schema": SCHEMA,
                "image": str(reference.repository),
                "elections": [
                    _document(use, files, selection, problem)
                    for (use, files), (selection, problem) in zip(
                        running.items(), found, strict=True
                    )
                ],
            }
        )
    else:
        for use, (selection, problem) in zip(running, found, strict=True):
            _print(_heading(use, running), use, selection, problem, every=every)
    asked = [use for use, (_, problem) in zip(running, found, strict=True) if problem]
    failed = any(settings_of(config, use).enabled for use in asked)
    return EXIT_PARTIAL if failed else EXIT_OK


def _given(reference: ImageRef, governed: Governed | None = None) -> ImageUse:
    """A use of an image wherever it is: its tag and who governs it are all that counts."""
    from imagebot.errors import Where
    from imagebot.model import ImageUse

    return ImageUse("given", str(reference), reference, (), Where("-"), governed)


def _used(view: View, config: Config, reference: ImageRef) -> dict[ImageUse, list[str]]:
    """One use for each tag that runs and each thing that governs it, with the files it is in.

    Policies of one name in several clusters may say different things, so a name is not enough.
    """
    from imagebot.gather import scan_repository

    scans = scan_repository(view, config)
    found: dict[ImageUse, dict[str, None]] = {}
    for path in sorted(scans):
        for use in scans[path].uses:
            if use.image.repository == reference.repository:
                asked = reference.with_version(reference.tag or use.image.tag, "")
                found.setdefault(_given(asked, _choosing(use.governed)), {})[path] = None
    if found:
        order = sorted(found, key=lambda use: (use.image.tag, _by(use), *found[use]))
        return {use: list(found[use]) for use in order}
    if reference.tag:
        return {_given(reference): []}
    raise UsageError(
        f"no file uses {reference.repository.familiar}",
        hint=f"name the tag that runs: {reference.repository.familiar}:TAG",
    )


def _choosing(governed: Governed | None) -> Governed | None:
    """What counts for a choice: how it would be written does not."""
    return governed and replace(governed, digest=False, renames=False)


def _by(use: ImageUse) -> str:
    return use.governed.by if use.governed else ""


def _heading(use: ImageUse, running: Mapping[ImageUse, list[str]]) -> str:
    """The image, its tag and what governs it; and where, when only that tells two apart."""
    alike = [one for one in running if (one.image.tag, _by(one)) == (use.image.tag, _by(use))]
    said = [_by(use)] if use.governed else []
    if len(alike) > 1:
        first, *more = running[use]
        said.append(f"{first} and {len(more)} more" if more else first)
    image = f"{use.image.repository.familiar}:{use.image.tag}"
    return f"{image} ({', '.join(said)})" if said else image


def _elect(
    use: ImageUse, config: Config, registry: Registry, progress: Progress
) -> tuple[Selection | None, str]:
    """The election for one running tag, or why there is none."""
    from imagebot.compat import settings_of, why_off
    from imagebot.gather import gather
    from imagebot.model import Facts, FileScan
    from imagebot.plan import selection_for

    now, repository = datetime.now(UTC), use.image.repository
    settings = settings_of(config, use)
    if not settings.enabled:
        return None, why_off(use)
    facts = Facts(scans={"-": FileScan(uses=(use,))}, texts={"-": b""})
    facts = gather(config, facts, registry, now, progress=progress)
    answer = facts.tags[repository]
    if answer.problem:
        return None, answer.problem
    return selection_for(repository, settings, facts, use.image.tag, now), ""


def _document(
    use: ImageUse, files: list[str], selection: Selection | None, problem: str
) -> dict[str, Any]:
    from imagebot.policy.explain import rows

    current = use.image.tag
    asked = {"current": current, "governedBy": _by(use), "files": files}
    if selection is None:
        return {**asked, "problem": problem}
    return {
        **asked,
        "chosen": selection.chosen,
        "why": selection.why,
        "error": selection.error,
        "tags": [
            {"tag": row.tag, "verdict": row.verdict, "rank": row.rank, "reason": row.reason}
            for row in rows(selection, current or None)
        ],
    }


def _print(
    heading: str, use: ImageUse, selection: Selection | None, problem: str, *, every: bool
) -> None:
    from imagebot.policy.explain import rows, sentence
    from imagebot.report import text

    out = text.console()
    current = use.image.tag
    text.print_heading(out, heading)
    if selection is None:
        text.print_heading(out, f"no choice: {problem}")
        return
    text.print_election(out, rows(selection, current or None), limit=0 if every else 50)
    out.print(sentence(selection, current or None), markup=False)
