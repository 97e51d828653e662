"""What `apply` works on: one repository, how it is reached, who commits. Decides nothing."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from imagebot.config import PullRequests
from imagebot.errors import StartError
from imagebot.forge.port import Forge
from imagebot.gitrepo.mirror import Mirror
from imagebot.gitrepo.objects import Identity
from imagebot.imageref import ImageRef
from imagebot.model import ImageDetails
from imagebot.state import State

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Target:
    """One repository to bring to a plan.

    `repo_key` names it in the state; `running` knows images as they run now, for the text of
    requests.
    """

    mirror: Mirror
    forge: Forge
    state: State
    identity: Identity
    settings: PullRequests
    repo_key: str
    now: datetime
    running: Mapping[ImageRef, ImageDetails] = field(default_factory=dict)

    def known_pull(self, branch: str) -> int | None:
        """The number last known for a branch. A memory that fails knows nothing, stops nothing."""
        try:
            return self.state.pull_number(self.repo_key, branch)
        except StartError as error:
            _log.warning("%s", error)
            return None

    def remember_pull(self, branch: str, number: int) -> None:
        """Remember the request of a branch, where memory works."""
        try:
            self.state.remember_pull(self.repo_key, branch, number)
        except StartError as error:
            _log.warning("%s", error)
