"""One cycle for one repository: fetch, read its configuration, gather, plan, converge.

Knows the order of steps and that one repository's failure is not another's. Everything else is in
the rooms it calls.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from imagebot.config import Config, find_config, load
from imagebot.errors import (
    EXIT_BUG,
    EXIT_PARTIAL,
    EXIT_START,
    BusyError,
    ConfigError,
    ImagebotError,
    PeerError,
    Problem,
    StartError,
    Where,
)
from imagebot.gather import (
    Progress,
    gather,
    read_texts,
    running_details,
    scan_repository,
    silent,
)
from imagebot.model import Cycle, Facts, FileScan, Place, Plan
from imagebot.plan import Elections, plan
from imagebot.registry.port import Registry
from imagebot.rollback import replaced_tags
from imagebot.state import State
from imagebot.views import CommitView, View
from imagebot.wiring import Connected, Services, connected
from imagebot.witness import Witness

if TYPE_CHECKING:
    from imagebot.config.operator import Operator, RepositoryShape
    from imagebot.gitrepo.mirror import Snapshot

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Seen:
    """What one look at a repository gave."""

    config: Config
    scans: Mapping[str, FileScan]
    facts: Facts
    plan: Plan


def look(
    view: View,
    config: Config,
    registry: Registry,
    now: datetime,
    *,
    state: State | None = None,
    repo_key: str = "",
    describe: bool = False,
    progress: Progress = silent,
) -> Seen:
    """Scan, gather and plan. Writes nothing but what the state remembers."""
    scans = scan_repository(view, config, state, repo_key)
    facts = Facts(scans=scans, texts=read_texts(view, scans))
    elections = Elections()
    facts = gather(
        config,
        facts,
        registry,
        now,
        describe=describe,
        progress=progress,
        elections=elections,
        witness=Witness(config, state, repo_key, now) if state else None,
    )
    planned = plan(config, facts, now, elections=elections)
    replaced = _replaced(view, config, planned)
    if replaced:
        facts = replace(facts, replaced=replaced)
        planned = plan(config, facts, now, elections=elections)
    return Seen(config, scans, facts, planned)


def _replaced(view: View, config: Config, planned: Plan) -> Mapping[Place, str]:
    """What people wrote over, of the uses about to move; a folder has no history to ask."""
    if not planned.groups or not isinstance(view, CommitView):
        return {}
    uses = [update.use for group in planned.groups for update in group.updates]
    try:
        return replaced_tags(view.mirror, view.commit, uses, config)
    except ImagebotError as error:
        # A guard that is out of order is no reason to stop all updates.
        _log.warning("versions that were taken back in git are not held this time: %s", error)
        return {}


def read_config(view: View, override: str | None = None) -> Config:
    """The repository's own configuration, or the operator's file instead of it.

    Raises ConfigError with every problem.
    """
    if override:
        return load(override, _local_file(override))
    entries = {entry.path: entry for entry in view.entries()}
    name = find_config(entries)
    if name is None:
        return Config.default()
    if entries[name].refusal:
        raise StartError(f"{name}: {entries[name].refusal}")
    text = view.read([entries[name]]).get(name)
    if text is None:
        raise ConfigError([Problem(Where(name), "the file cannot be read, or is too large")])
    return load(name, text)


@dataclass(frozen=True)
class Runner:
    """Runs cycles for the operator's repositories, one after another."""

    services: Services
    operator: Operator
    progress: Progress = silent

    def all(self, only: Iterable[str] = ()) -> list[Cycle]:
        """One cycle for every repository, or for those whose URL is in `only`."""
        wanted = set(only)
        shapes = self.operator.repositories
        return [self.one(shape) for shape in shapes if not wanted or shape.url in wanted]

    def one(self, shape: RepositoryShape) -> Cycle:
        """One cycle. What is wrong with this repository is in the result, never raised."""
        begun = Cycle(shape.url)
        try:
            with connected(self.services, shape) as connection:
                snapshot = connection.mirror.fetch()
                begun = replace(begun, base=snapshot.base, base_sha=snapshot.base_sha)
                return self._cycle(shape, connection, snapshot, begun)
        except BusyError:
            return replace(begun, busy=True)
        except PeerError as error:
            # Before the first fetch nothing has been seen, so that nothing could start.
            code = error.exit_code if begun.base_sha else EXIT_START
            return replace(begun, problem=str(error), exit_code=code)
        except ImagebotError as error:
            return replace(begun, problem=str(error), exit_code=error.exit_code)
        except OSError as error:
            where = f"{error.filename}: " if error.filename else ""
            problem = f"{where}{error.strerror or error}"
            code = EXIT_PARTIAL if begun.base_sha else EXIT_START
            return replace(begun, problem=problem, exit_code=code)
        except Exception as error:  # noqa: BLE001 - one repository's bug is not another's
            _log.exception("%s: this is a bug; please report these lines", shape.url)
            problem = f"a bug: {type(error).__name__}, see the log"
            return replace(begun, problem=problem, exit_code=EXIT_BUG)

    def _cycle(
        self, shape: RepositoryShape, connection: Connected, snapshot: Snapshot, begun: Cycle
    ) -> Cycle:
        # Verbs that only look pay for none of this.
        from imagebot.apply import Target, converge
        from imagebot.config.operator import narrowed
        from imagebot.gitrepo.objects import Identity

        now = datetime.now(UTC)
        view = CommitView(connection.mirror, snapshot.base_sha)
        config = narrowed(read_config(view, shape.config), shape.allow)
        repo_key = f"{shape.url} {snapshot.base}"
        seen = look(
            view,
            config,
            self.services.registry,
            now,
            state=self.services.state,
            repo_key=repo_key,
            describe=True,
            progress=self.progress,
        )
        target = Target(
            mirror=connection.mirror,
            forge=connection.forge,
            state=self.services.state,
            identity=Identity(self.operator.identity.name, self.operator.identity.email),
            settings=config.pull_requests,
            repo_key=repo_key,
            now=now,
            running=running_details(
                self.services.registry,
                (update.old for group in seen.plan.groups for update in group.updates),
                self.progress,
            ),
        )
        begun = replace(begun, plan=seen.plan)
        try:
            return replace(begun, outcomes=converge(target, snapshot, seen.plan))
        except ImagebotError as error:
            return replace(begun, problem=str(error), exit_code=error.exit_code)


def _local_file(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise StartError(f"{path}: {error.strerror}") from error
