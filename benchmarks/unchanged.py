"""A repository of which nothing changed since the last cycle, beside a bare `git ls-tree` loop.

The scans of the last cycle are in the state, by path and blob, so that no file is read again. The
bare loop lists the tree as well and compares every blob with the one it had before.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from benchmarks import trees
from benchmarks.measure import Figure, call, in_turns
from benchmarks.peer import serving
from imagebot.config import Config
from imagebot.cycle import look
from imagebot.gather import scan_repository
from imagebot.gitrepo.mirror import Mirror
from imagebot.state import State
from imagebot.views import CommitView
from imagebot.wiring import Services

KEY = "repository main"


def figures(*, tiny: bool = False) -> list[Figure]:
    files, uses, rounds = (20, 2, 1) if tiny else (10_000, 100, 9)
    with (
        tempfile.TemporaryDirectory() as temporary,
        serving(uses, 50) as peer,
        Services(None) as services,
        State.open(f"sqlite:///{temporary}/state.db") as state,
    ):
        root = Path(temporary)
        remote = root / "remote.git"
        content = trees.plain_files(files - uses) | trees.overlays(peer.host, uses, "1.0.1")
        commit = trees.bare_repository(remote, content)
        with Mirror.open(str(remote), root / "work", allow_local=True) as mirror:
            mirror.fetch()
            known = dict(_listed(remote, commit))
            config = Config.default()

            def scan() -> object:
                return scan_repository(CommitView(mirror, commit), config, state, KEY)

            def whole() -> object:
                view, now = CommitView(mirror, commit), datetime.now(UTC)
                seen = look(view, config, services.registry, now, state=state, repo_key=KEY)
                assert len(seen.plan.groups) == uses
                return seen

            def bare() -> object:
                changed = [p for p, sha in _listed(remote, commit) if known[p] != sha]
                assert not changed
                return changed

            name = f"{files:,} files, {uses} uses"
            first = call(scan)
            scanned, listed = in_turns(lambda: call(scan), lambda: call(bare), rounds)
            looked, listed_too = in_turns(lambda: call(whole), lambda: call(bare), rounds)
            return [
                Figure(f"first scan, {name}", first, listed),
                Figure(f"second scan, {name}", scanned, listed, "0.5 s"),
                Figure(f"second look, {name}, {uses} tag lists", looked, listed_too),
            ]


def _listed(repository: Path, commit: str) -> Iterator[tuple[str, str]]:
    """Path and blob of every file."""
    for line in trees.git(repository, "ls-tree", "-r", commit).decode().splitlines():
        meta, _, path = line.partition("\t")
        yield path, meta[12:]
