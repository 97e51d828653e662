"""What the rest of imagebot asks of its memory, without knowing where it is kept.

Importing this costs nothing: the database library is loaded when a state is opened.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Self

Scan = tuple[str, str]
"""What is remembered of one file: the id of its git blob, and the scan as text."""

Listing = tuple[int, int]
"""How many tags the last list had that was believed, and how many since were not."""

Sighted = tuple[float, dict[str, float]]
"""When a repository was first looked at, and when each of its tags was first seen: epoch seconds.

A time, once given, never changes. The first look is the earliest sighting of any tag, also of
one that is gone.
"""


class State(ABC):
    """A memory shared by threads and runs. Every method raises StartError when it is lost.

    `warnings` tells in words what happened to the memory: a damaged file that was moved aside.
    """

    @staticmethod
    def open(url: str) -> State:
        """Open `sqlite:///relative`, `sqlite:////absolute` or `postgresql://host/database`.

        A SQLite file is made with its folder when missing, readable by its owner only. One that
        is damaged, foreign or stuck is moved aside and begun anew. Raises StartError when the
        place is out of reach, or was written by a newer imagebot.
        """
        from imagebot.state.sql import open_state

        return open_state(url)

    @property
    @abstractmethod
    def warnings(self) -> Sequence[str]:
        """What went wrong with the memory so far, in words."""

    @abstractmethod
    def recall_scans(self, repo_key: str, version: int) -> dict[str, Scan]:
        """The scans of one repo by path; none when another version of the scanner wrote them."""

    @abstractmethod
    def remember_scans(self, repo_key: str, version: int, rows: Mapping[str, Scan]) -> None:
        """Replace every scan of one repo, at once or not at all."""

    @abstractmethod
    def until(self, host: str) -> float:
        """Epoch seconds before which the host must not be asked; 0.0 when it may be."""

    @abstractmethod
    def defer(self, host: str, until: float) -> None:
        """Leave a host alone until then (epoch seconds). An earlier time never shortens it."""

    @abstractmethod
    def pull_number(self, repo_key: str, branch: str) -> int | None:
        """The number of the pull request last known for a branch."""

    @abstractmethod
    def remember_pull(self, repo_key: str, branch: str, number: int) -> None:
        """Remember the pull request of a branch."""

    @abstractmethod
    def recall_image(self, repository: str, digest: str) -> str | None:
        """What was remembered of an image by its digest, which never changes its meaning."""

    @abstractmethod
    def remember_image(self, repository: str, digest: str, payload: str) -> None:
        """Remember an image by its digest."""

    @abstractmethod
    def sightings(self, lists: Mapping[str, Sequence[str]], now: float) -> dict[str, Sighted]:
        """When each repository's tags were first passed to this method; new ones are seen now."""

    @abstractmethod
    def recall_listings(self, repo_key: str) -> dict[str, Listing]:
        """What is remembered of lists of tags, by repository."""

    @abstractmethod
    def remember_listings(self, repo_key: str, rows: Mapping[str, Listing]) -> None:
        """Remember these lists; others stay as they are."""

    @abstractmethod
    def digest_moves(
        self, digests: Mapping[tuple[str, str], str], now: float
    ) -> dict[tuple[str, str], tuple[str, float]]:
        """Remember what tags point to now, by (repository, tag); tell which of them ever moved.

        A tag that moved is given with the digest before and the time (epoch seconds) at which the
        last move was noticed.
        """

    @abstractmethod
    def close(self) -> None:
        """Let go of every connection. The state cannot be used afterwards."""

    def __enter__(self) -> Self:
        """Use the state in a `with` block, which closes it."""
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
