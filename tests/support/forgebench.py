"""One adapter, the fake forge behind it and the git repository behind that, for one test.

Knows how each kind is put together; refuses to know what is tested with it.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from imagebot.forge.github_app import App
from imagebot.forge.port import Forge
from imagebot.forge.select import Connection, connect
from imagebot.http import HttpClient
from tests.support.fakeforge import FakeForge
from tests.support.fakegit import GitBranches, commit_file
from tests.support.fakegitea import FakeGitea
from tests.support.fakegithub import FakeGitHub
from tests.support.fakegitlab import FakeGitLab
from tests.support.localrace import local_forge
from tests.support.skipclock import SkipClock

FAKES: dict[str, type[FakeForge]] = {
    "github": FakeGitHub,
    "github-app": FakeGitHub,
    "gitlab": FakeGitLab,
    "gitea": FakeGitea,
}
KINDS = ("local", *FAKES)
REST = tuple(FAKES)


@functools.cache
def key_pair() -> tuple[str, str]:
    """A private and a public RSA key as PEM text, made once."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    )
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return private.decode(), public.decode()


@dataclass
class Bench:
    """What a test holds. `fake` is None for the local forge."""

    kind: str
    forge: Forge
    bare: Path
    clock: SkipClock
    fake: Any = None
    connection: Connection | None = None

    def commit(self, branch: str, text: str = "one") -> str:
        """One commit on top of main, as the branch's only one."""
        return commit_file(self.bare, branch, "app.yaml", f"{branch} {text}\n", base="main")

    def delete(self, branch: str) -> None:
        GitBranches(self.bare).delete(branch)

    def close(self, number: int) -> None:
        """A person closes it without merging."""
        if self.fake:
            self.fake.close(number)
            return
        self.edit_record(number, state="closed")

    def merge(self, number: int) -> None:
        """A person merges it with a merge commit."""
        if self.fake:
            self.fake.merge(number)
            return
        pull = self.forge.get(number)
        assert pull is not None
        GitBranches(self.bare).merge(pull.head_sha, pull.base, squash=False)

    def edit_record(self, number: int, **changes: Any) -> None:
        path = self.bare / "imagebot" / "pulls" / f"{number}.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | changes))

    def comments(self, number: int) -> list[str]:
        if self.fake:
            return list(self.fake.pulls[number].comments)
        path = self.bare / "imagebot" / "pulls" / f"{number}.json"
        return list(json.loads(path.read_text())["comments"])


@contextmanager
def open_bench(
    kind: str, branches: Path | dict[str, str], clock: SkipClock, **fake: Any
) -> Iterator[Bench]:
    """The bench of one kind over a bare repository (or made-up branches, on a REST forge).

    `fake` goes to the fake forge.
    """
    bare = branches if isinstance(branches, Path) else Path("/nonexistent")
    if kind == "local":
        yield Bench(kind, local_forge(bare), bare, clock)
        return
    with (
        FAKES[kind](**{"branches": branches, "now": clock.now} | fake) as server,
        HttpClient(user_agent="imagebot-tests", clock=clock) as http,
    ):
        with_app: dict[str, Any] = {"token": server.token}
        if isinstance(server, FakeGitHub) and kind == "github-app":
            private, public = key_pair()
            app = server.add_app(public)
            with_app = {"app": App(app.client_id, private, app.installation)}
        connection = connect(
            kind.partition("-")[0],
            url=server.url,
            project=server.project,
            http=http,
            clock=clock,
            **with_app,
        )
        yield Bench(kind, connection.forge, bare, clock, server, connection)
        assert not getattr(server, "violations", None), server.violations
