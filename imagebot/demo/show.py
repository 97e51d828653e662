"""Shows pull requests in a terminal as a reviewer would see them: title, text, diff."""

from __future__ import annotations

import re
from pathlib import Path

from rich.console import Console
from rich.markdown import Markdown
from rich.rule import Rule
from rich.text import Text

from imagebot.forge.port import PullRequest
from imagebot.gitrepo.run import GitRunner
from imagebot.report.text import print_diff

_HIDDEN = re.compile(r"(?m)^(\[//\]: # \(.*\)|<!--.*?-->)\n?")


def heading(out: Console, text: str) -> None:
    """A line across the screen with what happens next."""
    out.print()
    out.print(Rule(Text(text, style="bold cyan"), align="left", characters="─"))


def pull_request(out: Console, pull: PullRequest, repository: Path) -> None:
    """One request: number, title, branches, labels, text, and the diff of its branch."""
    out.print()
    out.print(Text(f"#{pull.number}  {pull.title}", style="bold"))
    labels = f"  [{', '.join(pull.labels)}]" if pull.labels else ""
    out.print(Text(f"{pull.head} → {pull.base}{labels}", style="dim"))
    out.print()
    out.print(Markdown(_HIDDEN.sub("", pull.body)))
    print_diff(out, branch_diff(repository, pull))


def branch_diff(repository: Path, pull: PullRequest) -> str:
    """What a request changes, as `git diff` prints it."""
    git = GitRunner(directory=repository, home=repository)
    heads = [f"refs/heads/{pull.base}", f"refs/heads/{pull.head}"]
    base = git.run(["merge-base", *heads]).decode().strip()
    words = ["diff", "--no-color", "--no-ext-diff", "--no-textconv", base, heads[1], "--"]
    return git.run(words).decode("utf-8", "replace")
