"""What `apply` works on: one repository, how it is reached, who commits. Decides nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from imagebot.config import PullRequests
from imagebot.forge.port import Forge
from imagebot.gitrepo.mirror import Mirror
from imagebot.gitrepo.objects import Identity
from imagebot.imageref import ImageRef
from imagebot.model import ImageDetails
from imagebot.state import State


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
