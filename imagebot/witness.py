"""What the bot sees for itself: when tags came, what they point to, how long their lists are.

Knows what to remember of registries' answers, and gives what is remembered back as evidence. It
refuses to know registries, and decides nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Protocol

from imagebot.config import Config, settings_for
from imagebot.imageref import Repository
from imagebot.model import Facts, Listing, Move, Sightings
from imagebot.policy.guards import doubt


class Memory(Protocol):
    """Where it is remembered. Losing it makes the guards weaker, and nothing wrong."""

    def sightings(
        self, lists: Mapping[str, Sequence[str]], now: float
    ) -> dict[str, tuple[float, dict[str, float]]]:
        """By repository the first look, and when each tag was first passed here."""
        ...

    def recall_listings(self, repo_key: str) -> dict[str, tuple[int, int]]:
        """Size and doubts of each repository's list."""
        ...

    def remember_listings(self, repo_key: str, rows: Mapping[str, tuple[int, int]]) -> None:
        """Remember sizes and doubts."""
        ...

    def digest_moves(
        self, digests: Mapping[tuple[str, str], str], now: float
    ) -> dict[tuple[str, str], tuple[str, float]]:
        """Remember digests by (repository, tag); the ones that moved, from what and when."""
        ...


@dataclass
class Witness:
    """Watches the answers of one look at one repository.

    `repo_key` names the git repository and its base branch: each counts its own runs.
    """

    config: Config
    memory: Memory
    repo_key: str
    now: datetime
    _listings: dict[str, tuple[int, int]] | None = field(default=None)

    def add(self, before: Facts, facts: Facts) -> Facts:
        """`facts` with what is remembered about everything that was not in `before`."""
        fresh = {
            repository: answer.tags
            for repository, answer in facts.tags.items()
            if repository not in before.tags and not answer.problem
        }
        digests = {
            (str(repository), tag): details.digest
            for (repository, tag), details in facts.details.items()
            if (repository, tag) not in before.details
        }
        moved = self.memory.digest_moves(digests, self.now.timestamp()) if digests else {}
        names = {str(repository): repository for repository, _ in facts.details}
        moves = {(names[name], tag): Move(*move) for (name, tag), move in moved.items()}
        return replace(
            facts,
            sightings={**facts.sightings, **self._sightings(fresh)},
            listings={**facts.listings, **self._believed(fresh)},
            moves={**facts.moves, **moves},
        )

    def _sightings(
        self, fresh: Mapping[Repository, tuple[str, ...]]
    ) -> dict[Repository, Sightings]:
        """Of images whose age matters: others may have very many tags."""
        aged = {
            str(repository): (repository, tags)
            for repository, tags in fresh.items()
            if settings_for(self.config, repository).minimum_age
        }
        if not aged:
            return {}
        lists = {name: tags for name, (_, tags) in aged.items()}
        seen = self.memory.sightings(lists, self.now.timestamp())
        return {aged[name][0]: Sightings(*sighted) for name, sighted in seen.items()}

    def _believed(self, fresh: Mapping[Repository, tuple[str, ...]]) -> dict[Repository, Listing]:
        """What was remembered of these lists before this run; what this run makes of it is kept."""
        if not fresh:
            return {}
        if self._listings is None:
            self._listings = self.memory.recall_listings(self.repo_key)
        found: dict[Repository, Listing] = {}
        rows: dict[str, tuple[int, int]] = {}
        for repository, tags in fresh.items():
            kept = self._listings.get(str(repository))
            before = None if kept is None else Listing(*kept)
            if before is not None:
                found[repository] = before
            percent = settings_for(self.config, repository).tag_list_shrink
            after, _ = doubt(before, len(tags), percent)
            if (after.size, after.doubts) != kept:
                rows[str(repository)] = (after.size, after.doubts)
        self.memory.remember_listings(self.repo_key, rows)
        return found
