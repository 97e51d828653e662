"""What verbs share: options, the place to work on, output, and what is said while working.

Results go to standard output; progress and warnings to standard error.
"""

from __future__ import annotations

import functools
import json
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from imagebot.errors import EXIT_OK, EXIT_PARTIAL, StartError

if TYPE_CHECKING:
    from imagebot.config import Config
    from imagebot.config.operator import Operator
    from imagebot.gather import Progress
    from imagebot.gitrepo.mirror import Mirror
    from imagebot.model import Cycle
    from imagebot.views import View
    from imagebot.wiring import Services

Command = TypeVar("Command", bound=Callable[..., Any])

path_argument = click.argument(
    "path",
    default=".",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
)
repo_option = click.option(
    "--repo",
    metavar="URL",
    help="Look at this git repository's base branch instead of PATH.",
)
config_option = click.option(
    "--config",
    "config_file",
    metavar="FILE",
    type=click.Path(exists=True, dir_okay=False),
    help="Use this configuration instead of the one in the repository.",
)
operator_option = click.option(
    "--operator",
    "operator_file",
    metavar="FILE",
    envvar="IMAGEBOT_OPERATOR",
    type=click.Path(exists=True, dir_okay=False),
    help="The operator's file: repositories, credentials, limits. [env: IMAGEBOT_OPERATOR]",
)


def output_option(command: Command) -> Command:
    """Add `--output text|json`."""
    return click.option(
        "-o",
        "--output",
        type=click.Choice(["text", "json"]),
        default="text",
        help="Text for people or JSON for programs.",
    )(command)


def verbose_option(command: Command) -> Command:
    """Add `-v`, which shows what the libraries and rooms log."""

    @click.option("-v", "--verbose", count=True, help="Say more on standard error; twice: all.")
    @functools.wraps(command)
    def wrapped(*args: Any, verbose: int, **options: Any) -> Any:
        _log_to_stderr(verbose)
        return command(*args, **options)

    return wrapped  # type: ignore[return-value]


def read_operator(path: str | None) -> Operator | None:
    """The operator's file, with its warnings said; None when none is named."""
    if path is None:
        return None
    from imagebot.config.operator import load_operator

    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise StartError(f"{path}: {error.strerror}") from error
    operator = load_operator(path, data)
    for warning in operator.warnings():
        warn(warning)
    return operator


def required_operator(path: str | None) -> Operator:
    """The operator's file, which this verb cannot do without."""
    operator = read_operator(path or _default_operator())
    if operator is None:
        raise click.UsageError("name the operator's file with --operator or IMAGEBOT_OPERATOR")
    return operator


@contextmanager
def opened_view(path: Path, repo: str | None, services: Services) -> Iterator[View]:
    """The files to look at: a folder on this machine, or a repository's base branch.

    A repository that the operator's file names is reached as that file says, any other one
    without credentials.
    """
    from imagebot.gitrepo.worktree import WorkingTree
    from imagebot.views import CommitView, FolderView

    if repo is None:
        yield FolderView(WorkingTree(path))
        return
    with _mirror(repo, services) as mirror:
        yield CommitView(mirror, mirror.fetch().base_sha)


@contextmanager
def _mirror(repo: str, services: Services) -> Iterator[Mirror]:
    from imagebot.gitrepo.mirror import Mirror
    from imagebot.wiring import connected

    shapes = services.operator.repositories if services.operator else ()
    shape = next((shape for shape in shapes if shape.url == repo), None)
    if shape is not None:
        with connected(services, shape) as connection:
            yield connection.mirror
        return
    with (
        tempfile.TemporaryDirectory(prefix="imagebot-") as folder,
        Mirror.open(repo, Path(folder), allow_local=True) as mirror,
    ):
        yield mirror


def read_config(view: View, config_file: str | None) -> Config:
    """The configuration that holds for a view. Raises ConfigError with every problem."""
    from imagebot import cycle

    return cycle.read_config(view, config_file)


def print_json(document: object) -> None:
    """One JSON document on standard output."""
    json.dump(document, sys.stdout, indent=2, ensure_ascii=False)
    sys.stdout.write("\n")


def warn(text: str) -> None:
    """One line on standard error."""
    click.echo(f"imagebot: warning: {text}", err=True)


def exit_code(cycles: list[Cycle]) -> int:
    """What a run's cycles mean: 0, 3 when a part failed, or why nothing at all could start."""
    codes = {cycle.exit_code for cycle in cycles}
    if len(codes) == 1 and codes != {EXIT_OK}:
        return codes.pop()
    return EXIT_PARTIAL if any(cycle.failed for cycle in cycles) else EXIT_OK


@contextmanager
def progress_bar(*, wanted: bool = True) -> Iterator[Progress]:
    """A progress bar on standard error while it is a terminal; silence elsewhere."""
    from imagebot.gather import silent

    if not (wanted and sys.stderr.isatty()):
        yield silent
        return
    from rich.console import Console
    from rich.progress import Progress as Bar

    with Bar(console=Console(stderr=True), transient=True) as bar:
        tasks: dict[str, Any] = {}

        def told(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = bar.add_task(what, total=total)
            bar.update(tasks[what], completed=done, total=total)

        yield told


def _default_operator() -> str | None:
    from imagebot.config.operator import OPERATOR_FILE

    return OPERATOR_FILE if Path(OPERATOR_FILE).is_file() else None


def _log_to_stderr(verbose: int) -> None:
    import logging

    level = {0: logging.WARNING, 1: logging.INFO}.get(verbose, logging.DEBUG)
    logging.basicConfig(level=level, stream=sys.stderr, format="%(levelname)s %(name)s %(message)s")
