"""Details are asked for once a digest, and never answered from another repository's memory."""

from __future__ import annotations

from pathlib import Path

import pytest

from imagebot.imageref import Repository
from imagebot.model import ImageDetails
from imagebot.registry.remembering import Remembering
from imagebot.state import State

APP = Repository("registry.example.com", "acme/app")
OTHER = Repository("registry.example.com", "acme/other")
DIGEST = "sha256:" + "a" * 64
MOVED = "sha256:" + "b" * 64


class Counting:
    """A registry whose one tag can be moved, and that counts what it is asked."""

    def __init__(self) -> None:
        self.now = DIGEST
        self.asked: list[str] = []

    def tags(self, repository: Repository) -> tuple[str, ...]:
        self.asked.append("tags")
        return ("1.0",)

    def digest(self, repository: Repository, reference: str) -> str:
        self.asked.append("digest")
        return self.now

    def details(self, repository: Repository, reference: str) -> ImageDetails:
        self.asked.append(f"details {reference[:10]}")
        return ImageDetails(
            reference, "type", "2026-01-01T00:00:00Z", ("linux/amd64",), {"a": "é"}, 7
        )


def test_a_known_digest_costs_one_head(tmp_path: Path) -> None:
    """The second look at an unchanged tag asks for its digest and nothing else."""
    inner = Counting()
    with State.open(f"sqlite:///{tmp_path / 's.db'}") as state:
        first = Remembering(inner, state).details(APP, "1.0")
        second = Remembering(inner, state).details(APP, "1.0")

    assert (
        first
        == second
        == ImageDetails(DIGEST, "type", "2026-01-01T00:00:00Z", ("linux/amd64",), {"a": "é"}, 7)
    )
    assert inner.asked == ["digest", "details sha256:aaa", "digest"]


def test_a_moved_tag_is_asked_again(tmp_path: Path) -> None:
    """Memory is by digest: a tag that moved gets the facts of what it names now."""
    inner = Counting()
    with State.open(f"sqlite:///{tmp_path / 's.db'}") as state:
        remembering = Remembering(inner, state)
        remembering.details(APP, "1.0")
        inner.now = MOVED
        assert remembering.details(APP, "1.0").digest == MOVED


def test_repositories_do_not_share_memory(tmp_path: Path) -> None:
    """Whoever may read one repository is not told what only another's reader may see."""
    inner = Counting()
    with State.open(f"sqlite:///{tmp_path / 's.db'}") as state:
        remembering = Remembering(inner, state)
        remembering.details(APP, DIGEST)
        remembering.details(OTHER, DIGEST)

    assert inner.asked == ["details sha256:aaa", "details sha256:aaa"]


def test_tags_are_always_asked(tmp_path: Path) -> None:
    """A list of tags is never remembered."""
    inner = Counting()
    with State.open(f"sqlite:///{tmp_path / 's.db'}") as state:
        remembering = Remembering(inner, state)
        assert remembering.tags(APP) == remembering.tags(APP) == ("1.0",)

    assert inner.asked == ["tags", "tags"]


@pytest.mark.parametrize(
    "payload", ["{broken", "[]", "null", '{"format": 1}', '{"format": 1, "platforms": 7}']
)
def test_a_damaged_memory_is_none(tmp_path: Path, payload: str) -> None:
    """A payload that cannot be read costs a question, never the cycle."""
    inner = Counting()
    with State.open(f"sqlite:///{tmp_path / 's.db'}") as state:
        state.remember_image(str(APP), DIGEST, payload)
        assert Remembering(inner, state).details(APP, DIGEST).platforms == ("linux/amd64",)
