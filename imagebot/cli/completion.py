"""`imagebot completion`: a script for the shell."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class


@click.command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def command(ctx: click.Context, shell: str) -> None:
    """Print the completion script for SHELL: `source <(imagebot completion bash)`."""
    made = get_completion_class(shell)
    if made is None:
        raise click.UsageError(f"no completion for {shell}")
    complete = made(ctx.find_root().command, {}, "imagebot", "_IMAGEBOT_COMPLETE")
    click.echo(complete.source())
