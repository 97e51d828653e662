"""Where a repo's configuration is. Knows names only."""

from __future__ import annotations

from collections.abc import Iterable

from imagebot.errors import ConfigError, Problem, Where

NAMES = (".imagebot.yaml", ".github/imagebot.yaml")
MISSPELT = {".imagebot.yml": NAMES[0], ".github/imagebot.yml": NAMES[1]}


def find_config(paths: Iterable[str]) -> str | None:
    """The configuration file among a repo's paths; None when there is none.

    Raises ConfigError for two of them, and for a name that is nearly right: a file that is
    silently ignored helps nobody.
    """
    here = set(paths)
    found = [name for name in NAMES if name in here]
    problems = [
        Problem(Where(name), "this file is not read", f"rename it to {right}")
        for name, right in MISSPELT.items()
        if name in here
    ]
    if len(found) > 1:
        problems.append(Problem(Where(found[1]), f"{found[0]} exists too", "keep one of the two"))
    if problems:
        raise ConfigError(problems)
    return found[0] if found else None
