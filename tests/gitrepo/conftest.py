"""A remote repository with a few files, and mirrors of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from imagebot.gitrepo.mirror import Mirror
from imagebot.gitrepo.objects import Identity
from tests.support.gitrepos import RemoteRepo

FILES = {
    "apps/web.yaml": b"image: web:1.0\n",
    "apps/api.yaml": b"image: api:1.0\n",
    "run.sh": ("100755", b"#!/bin/sh\n"),
    "README.md": b"hello\r\n",
}
BOT = Identity("imagebot", "imagebot@example.com")

OpenMirror = Callable[..., Mirror]


@pytest.fixture
def remote(tmp_path: Path) -> RemoteRepo:
    repo = RemoteRepo(tmp_path / "remote.git")
    repo.commit(FILES)
    return repo


@pytest.fixture
def open_mirror(tmp_path: Path, remote: RemoteRepo) -> Iterator[OpenMirror]:
    """Open mirrors of the remote; each is closed at the end."""
    with ExitStack() as stack:

        def opened(name: str = "work", **options: object) -> Mirror:
            mirror = Mirror.open(remote.url, tmp_path / name, allow_local=True, **options)
            return stack.enter_context(mirror)

        yield opened
