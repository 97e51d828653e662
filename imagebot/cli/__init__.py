"""The command line: one module a verb, imported when that verb is called.

Knows the verbs and their one-line help; everything else is the verb's own.
"""

from __future__ import annotations

import sys
from importlib import import_module
from typing import Any

import click

from imagebot import __version__
from imagebot.errors import EXIT_OK, EXIT_USAGE

VERBS = {
    "init": "A commented configuration that fits a folder, or translates another tool's.",
    "scan": "Every image use found, with its place, and what was skipped and why.",
    "plan": "What would change and why: a table, then a unified diff. Writes nothing.",
    "apply": "The same edits as plan, written into the working tree.",
    "run": "One cycle: look, plan, branches, commits, pull requests.",
    "serve": "The daemon: cycles on a schedule, with /healthz and /readyz.",
    "explain": "Every tag a registry has, and the rule that dropped or chose it.",
    "select": "The same decision with no network, from a list of tags.",
    "check": "Configuration, markers and silent faults, with file:line:col.",
    "schema": "The JSON Schema of either configuration file.",
    "completion": "A completion script for bash, zsh or fish.",
    "demo": "A whole cycle on this machine, with nothing to install.",
}


class _Verbs(click.Group):
    """A group whose verbs are imported on use, so that `--help` is instant."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        del ctx
        if cmd_name not in VERBS:
            return None
        module = import_module(f"imagebot.cli.{cmd_name}")
        command: click.Command = module.command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        del ctx
        with formatter.section("Verbs"):
            formatter.write_dl(list(VERBS.items()))

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in VERBS:
            import difflib

            close = difflib.get_close_matches(args[0], VERBS, 1)
            hint = f" Did you mean {close[0]!r}?" if close else ""
            ctx.fail(f"No such verb {args[0]!r}.{hint}")
        return super().resolve_command(ctx, args)


@click.group(
    cls=_Verbs,
    name="imagebot",
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Exit codes: 0 done; 1 differences or findings, where asked for; 2 usage or "
    "configuration; 3 finished, but part of it failed; 4 could not start; 70 a bug; 130 and 143 "
    "on signals.",
)
@click.version_option(__version__, message="imagebot %(version)s")
def cli() -> None:
    """Pull requests for new image tags in GitOps repositories."""


def main(args: list[str] | None = None) -> int:
    """Run one verb and give its exit code. Raises ImagebotError and its subclasses."""
    try:
        result: Any = cli.main(args=args, prog_name="imagebot", standalone_mode=False)
    except click.exceptions.Exit as stop:
        return stop.exit_code
    except click.Abort as stop:
        raise KeyboardInterrupt from stop
    except click.ClickException as error:
        error.show(sys.stderr)
        return EXIT_USAGE
    return result if isinstance(result, int) else EXIT_OK
