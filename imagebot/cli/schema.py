"""`imagebot schema`: JSON Schema of the configuration files."""

from __future__ import annotations

import click

from imagebot.cli.common import print_json


@click.command("schema")
@click.argument("which", type=click.Choice(["repository", "operator"]), default="repository")
def command(which: str) -> None:
    """Print the JSON Schema (draft-07) of `.imagebot.yaml`, or of the operator's file."""
    if which == "operator":
        from imagebot.config.operator import operator_schema

        print_json(operator_schema())
    else:
        from imagebot import config

        print_json(config.schema())
