"""One of many processes that open requests on one local forge at the same time.

`python -m tests.support.localrace BARE WORKER` prints the numbers it was given, as JSON.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from imagebot.errors import DuplicatePullRequest
from imagebot.forge.local import Branches, LocalForge
from tests.support.fakegit import GitBranches


def local_forge(bare: Path) -> LocalForge:
    """The local forge of a bare repository, asking git itself."""
    git = GitBranches(bare)
    return LocalForge(bare, branches=Branches(head_of=git.tip, is_ancestor=git.contains))


def race(bare: Path, worker: int) -> list[int]:
    """Open four requests of one's own, and try to be first with four that all want."""
    forge = local_forge(bare)
    numbers = []
    for index in range(4):
        for head in (f"imagebot/own-{worker}-{index}", f"imagebot/shared-{index}"):
            try:
                made = forge.create(head=head, base="main", title=head, body="")
            except DuplicatePullRequest:
                continue
            numbers.append(made.number)
    return numbers


if __name__ == "__main__":
    print(json.dumps(race(Path(sys.argv[1]), int(sys.argv[2]))))
