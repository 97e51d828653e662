"""`imagebot init`: a commented `.imagebot.yaml` that fits what lies in a folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from imagebot.cli.common import path_argument, verbose_option
from imagebot.errors import EXIT_OK, StartError, UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from imagebot.compat.draft import Draft
    from imagebot.model import FileScan
    from imagebot.views import View

SOURCES = ("flux", "argocd-image-updater", "renovate")


@click.command("init")
@path_argument
@click.option(
    "--from",
    "source",
    type=click.Choice(SOURCES),
    help="Translate the configuration of this tool as well.",
)
@click.option("--print", "only_print", is_flag=True, help="Print the file, write nothing.")
@verbose_option
def command(path: Path, source: str | None, *, only_print: bool) -> int:
    """Write a commented .imagebot.yaml for PATH. A file that exists is never overwritten."""
    from imagebot.compat.discover import discover
    from imagebot.compat.draft import render
    from imagebot.config import Config, load
    from imagebot.config.find import NAMES
    from imagebot.gather import scan_repository
    from imagebot.gitrepo.worktree import WorkingTree
    from imagebot.views import FolderView

    view = FolderView(WorkingTree(path))
    if not only_print:
        _refuse_second(view)
    scans = scan_repository(view, Config.default())
    draft = discover(scans)
    _translate(draft, source, view, scans)
    text = render(draft)
    load(NAMES[0], text.encode())
    if only_print:
        click.echo(text, nl=False)
    else:
        _write(path / NAMES[0], text)
        click.echo(f"{NAMES[0]}: {len(draft.seen)} images, {len(draft.rules)} rules")
    if draft.missing:
        click.echo("not carried over:", err=only_print)
    for line in draft.missing:
        click.echo(f"  {line}", err=only_print)
    return EXIT_OK


def _refuse_second(view: View) -> None:
    from imagebot.config import find_config

    name = find_config(entry.path for entry in view.entries())
    if name:
        raise UsageError(f"{name} exists", hint="--print shows what would be written")


def _translate(draft: Draft, source: str | None, view: View, scans: Mapping[str, FileScan]) -> None:
    from imagebot.compat.translate import from_objects

    if source == "flux":
        draft.source = "Flux's image policies"
        from_objects(draft, scans, "ImagePolicy")
    elif source == "argocd-image-updater":
        draft.source = "Argo CD Image Updater's settings"
        from_objects(draft, scans, "Application")
    elif source == "renovate":
        _from_renovate(draft, view)


def _from_renovate(draft: Draft, view: View) -> None:
    from imagebot.compat.json5 import parse
    from imagebot.compat.renovate import FILES, from_renovate

    entries = {entry.path: entry for entry in view.entries() if not entry.refusal}
    name = next((name for name in FILES if name in entries), None)
    if name is None:
        raise UsageError("there is no configuration of Renovate", hint=f"one of {', '.join(FILES)}")
    data = view.read([entries[name]]).get(name, b"")
    draft.source = name
    from_renovate(draft, name, parse(name, data.decode("utf-8", "replace")))


def _write(path: Path, text: str) -> None:
    try:
        with path.open("x", encoding="utf-8", newline="\n") as file:
            file.write(text)
    except OSError as error:
        raise StartError(f"{path}: {error.strerror}") from error
