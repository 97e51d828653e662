"""`imagebot demo`: watch a whole cycle, with nothing to install."""

from __future__ import annotations

import tempfile
from pathlib import Path

import click

from imagebot.errors import UsageError


@click.command("demo")
@click.option(
    "--keep",
    metavar="DIR",
    type=click.Path(file_okay=False, path_type=Path),
    help="Leave registry, repository and requests in this new or empty folder.",
)
def command(keep: Path | None) -> None:
    """Start a registry, make a GitOps repository, and open its pull requests; three cycles."""
    from imagebot.demo.play import play
    from imagebot.report.text import console

    out = console()
    if keep is None:
        with tempfile.TemporaryDirectory(prefix="imagebot-demo-") as folder:
            play(Path(folder), out)
        out.print("Everything was removed; `imagebot demo --keep DIR` leaves it to look at.")
        return
    keep = keep.absolute()
    if keep.exists() and any(keep.iterdir()):
        raise UsageError(f"{keep} is not empty", hint="name a new folder")
    keep.mkdir(parents=True, exist_ok=True)
    stage = play(keep, out)
    out.print(f"Look at it: git --git-dir {stage.repository} log --all --stat", soft_wrap=True)
    out.print(f"Requests:   {stage.repository / 'imagebot' / 'pulls'}", soft_wrap=True)
    out.print(f"Operator:   {keep / 'imagebot.operator.yaml'}", soft_wrap=True)
