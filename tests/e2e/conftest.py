"""A world for each test, and one fork server for all of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from imagebot.registry.server import EmbeddedRegistry
from tests.support.crash import Zygote
from tests.support.worlds import World


@pytest.fixture(scope="session")
def zygote() -> Iterator[Zygote]:
    with Zygote() as server:
        yield server


@pytest.fixture
def registry() -> Iterator[EmbeddedRegistry]:
    with EmbeddedRegistry() as server:
        yield server


@pytest.fixture
def world(tmp_path: Path, registry: EmbeddedRegistry, zygote: Zygote) -> World:
    """`web` at 1.0.0 in three environments; 1.1.0 is in the registry."""
    made = World(tmp_path / "world", registry, zygote)
    made.release("1.0.0", "1.1.0")
    return made
