"""`imagebot select`: the election alone, with no network and no repository."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import click

from imagebot.cli.common import output_option, print_json
from imagebot.errors import EXIT_DIFFERENCES, EXIT_OK

SIMPLE = ("semver", "alphabetical", "numerical", "calendar", "follow", "regex")


@click.command("select")
@click.option("--semver", metavar="RANGE", help='A range, such as ">=1.4 <3".')
@click.option("--alphabetical", metavar="ORDER", help="asc or desc.")
@click.option("--numerical", metavar="ORDER", help="asc or desc.")
@click.option("--calendar", is_flag=True, help="Dates, such as 2024.01.15.")
@click.option("--follow", is_flag=True, help="The scheme of the current tag (the default).")
@click.option("--policy", metavar="JSON", help='Any policy as JSON, such as {"regex": {...}}.')
@click.option("--filter", "pattern", metavar="RE", default="", help="Only tags that match (RE2).")
@click.option("--extract", metavar="TEMPLATE", default="", help="What of the match is compared.")
@click.option("--current", metavar="TAG", help="The tag that runs now.")
@click.option("--strict", is_flag=True, help="Versions need three parts, as Flux reads them.")
@click.option(
    "--batch",
    metavar="FILE",
    type=click.Path(exists=True, dir_okay=False, allow_dash=True),
    help="Questions as JSON lines, `-` for standard input; one JSON line each comes back.",
)
@output_option
def command(batch: str | None, output: str, **options: Any) -> int:
    """Choose a tag from the lines of standard input, and say why."""
    if batch is not None:
        _batch(batch)
        return EXIT_OK
    from imagebot.policy import decide_line

    tags = [line.strip() for line in sys.stdin if line.strip()]
    reply = decide_line(
        {
            "id": "",
            "policy": _policy(options),
            "filter": {"pattern": options["pattern"], "extract": options["extract"]}
            if options["pattern"] or options["extract"]
            else None,
            "tags": tags,
            "current": options["current"],
            "strict": options["strict"],
        }
    )
    if output == "json":
        print_json(reply)
    elif reply["chosen"] is not None:
        click.echo(reply["chosen"])
    if reply["error"]:
        click.echo(f"imagebot: {reply['error']}", err=True)
    return EXIT_OK if reply["chosen"] is not None else EXIT_DIFFERENCES


def _policy(options: dict[str, Any]) -> dict[str, Any]:
    given: list[dict[str, Any]] = [
        {name: options[name]} for name in ("semver", "alphabetical", "numerical") if options[name]
    ]
    given += [{name: {}} for name in ("calendar", "follow") if options[name]]
    if options["policy"]:
        try:
            given.append(json.loads(options["policy"]))
        except ValueError as error:
            raise click.UsageError(f"--policy is no JSON: {error}") from error
    if len(given) > 1:
        raise click.UsageError("name one policy only")
    return given[0] if given else {"follow": {}}


def _batch(name: str) -> None:
    lines = sys.stdin.buffer if name == "-" else Path(name).open("rb")  # noqa: SIM115 -- closed below
    with lines:
        for line in lines:
            if line.strip():
                # ASCII, so that the output is JSON whatever the terminal's encoding is.
                sys.stdout.write(_answer(line) + "\n")


def _answer(line: bytes) -> str:
    """The reply to one line; a line that cannot be read never takes the others with it."""
    from imagebot.policy import decide_line

    try:
        question = json.loads(line)
    except ValueError as error:
        return _unread(f"no JSON: {error}")
    except RecursionError:
        return _unread("nested too deeply")
    try:
        return json.dumps(decide_line(question))
    except RecursionError:
        # What could just be read may be too deep to be repeated in the reply.
        return _unread("nested too deeply")


def _unread(error: str) -> str:
    return json.dumps({"id": None, "chosen": None, "dropped": {}, "error": error})
