"""Secrets reach their own origin and nothing else: canaries through whole runs, good and bad.

Everything that a run leaves behind or shows is searched, in every form in which a secret travels.
"""

from __future__ import annotations

import base64
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest

from imagebot.registry.server import EmbeddedRegistry
from imagebot.registry.server_routes import Answer
from tests.support.crash import Ran, Zygote
from tests.support.fakegitea import FakeGitea
from tests.support.gitrepos import git
from tests.support.gitserver import GitServer
from tests.support.worlds import Front, World

FORGE = "canary/forge+T0ken=7f31"
GIT = "canary/git:pass%word&9c02"
REGISTRY = "canary/registry\"p'ss=51d8"
CANARIES = (FORGE, GIT, REGISTRY)


def forms(secret: str) -> set[bytes]:
    """A secret as it may be written: plain, escaped, in hexadecimal, in base64 at any offset."""
    plain = secret.encode()
    found = {plain, plain[::-1], plain.hex().encode(), plain.hex().upper().encode()}
    found |= {quote(secret, safe="").encode(), quote(secret).encode(), quote_plus(secret).encode()}
    found |= {json.dumps(secret)[1:-1].encode(), repr(secret)[1:-1].encode()}
    for offset in range(3):
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            encoded = encode(b"\0" * offset + plain)
            # The first and the last characters depend on the neighbours.
            found.add(encoded[4 if offset else 0 : -4])
    return found


def leaks(data: bytes) -> list[str]:
    return [secret for secret in CANARIES for form in forms(secret) if form in data]


def test_a_leak_would_be_seen() -> None:
    """The search finds each canary in each form, within other text."""
    for secret in CANARIES:
        pair = base64.b64encode(f"bot:{secret}".encode()).decode()
        for text in (secret, quote(secret), secret.encode().hex(), f"Basic {pair}"):
            assert leaks(f"before {text} after".encode()) != []


@dataclass
class Watch:
    """Reads every command line on this machine, over and over."""

    seen: int = 0
    found: list[bytes] = field(default_factory=list)

    @contextmanager
    def watching(self) -> Iterator[None]:
        done = threading.Event()
        thread = threading.Thread(target=self._look, args=(done,))
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()

    def _look(self, done: threading.Event) -> None:
        while not done.is_set():
            for process in Path("/proc").iterdir():
                if process.name.isdecimal():
                    with suppress(OSError):
                        command = (process / "cmdline").read_bytes()
                        self.seen += b"git" in command
                        if leaks(command):
                            self.found.append(command)
            time.sleep(0.005)


@dataclass
class Guarded:
    """A world in which the forge, git and the registry each want a secret of their own."""

    world: World
    forge: FakeGitea
    git: GitServer
    front: Front
    watch: Watch
    secrets: Path

    def run(self) -> Ran:
        """One run that says as much as it can; whatever it shows or leaves behind is searched."""
        env = self.world.env | {"FORGE_TOKEN": FORGE}
        with self.watch.watching():
            ran = self.world.cold(env=env, more=("-vv",))
            text = self.world.cold(env=env, more=("-vv", "--output", "text"))
        for shown in (ran, text):
            assert leaks(shown.out.encode()) == []
            assert leaks(shown.err.encode()) == []
        assert self.watch.found == []
        self._search_files()
        self._search_git()
        for pull in self.forge.pulls.values():
            told = "\n".join([pull.title, pull.body, *pull.comments, *pull.labels])
            assert leaks(told.encode()) == []
        return ran

    def _search_files(self) -> None:
        for path in self.world.folder.rglob("*"):
            assert leaks(str(path).encode()) == []
            if path.is_file():
                assert leaks(path.read_bytes()) == [], path

    def _search_git(self) -> None:
        """Objects are compressed: every one is unpacked, in the remote and in the mirror."""
        folders = [self.world.remote.path, *self.world.workdir.glob("*/mirror.git")]
        for folder in folders:
            objects = git(folder, "cat-file", "--batch", "--batch-all-objects", "--buffer")
            assert leaks(objects) == []


@pytest.fixture
def guarded(tmp_path: Path, zygote: Zygote) -> Iterator[Guarded]:
    secrets = tmp_path / "secrets"
    secrets.mkdir(mode=0o700)
    with (
        EmbeddedRegistry() as registry,
        Front(registry, account=("robot", REGISTRY)) as front,
        GitServer(tmp_path / "world", username="bot", token=GIT).running() as server,
    ):
        world = World(tmp_path / "world", registry, zygote, host=front.host)
        git(world.remote.path, "config", "http.receivepack", "true")
        world.release("1.0.0", "1.1.0")
        pair = base64.b64encode(f"robot:{REGISTRY}".encode()).decode()
        logins = {"auths": {front.host: {"auth": pair}}}
        for name, content in (("docker.json", json.dumps(logins)), ("git", GIT)):
            (secrets / name).write_text(content)
            (secrets / name).chmod(0o600)
        with FakeGitea(branches=world.remote.path, token=FORGE) as forge:
            world.write_operator(
                f"dockerConfigs: [{secrets / 'docker.json'}]\n"
                f"network: {{insecureHosts: ['127.0.0.1:{server.port}']}}\n"
                f"repositories:\n"
                f"  - url: {server.url('deploy.git')}\n"
                f"    git: {{username: bot, password: {{file: {secrets / 'git'}}}}}\n"
                f"    forge: {{kind: gitea, url: {forge.url!r}, project: acme/deploy, "
                f"token: {{env: FORGE_TOKEN}}}}\n"
            )
            yield Guarded(world, forge, server, front, Watch(), secrets)


def test_a_good_run_leaves_no_secret_behind(guarded: Guarded) -> None:
    """All three secrets are used, and none is anywhere but on its own wire."""
    ran = guarded.run()
    assert ran.code == 0, ran.out + ran.err
    assert len(guarded.forge.pulls) == 3
    assert guarded.front.authorized > 0
    assert any(seen.authorization for seen in guarded.git.seen)
    assert guarded.watch.seen > 0
    _assert_own_wires(guarded)


def _assert_own_wires(guarded: Guarded) -> None:
    """What each peer heard holds its own secret at most."""
    at_git = "\n".join(f"{seen.path} {seen.authorization}" for seen in guarded.git.seen)
    assert set(leaks(at_git.encode())) <= {GIT}
    at_forge = "\n".join(f"{s.path} {s.query} {s.headers} {s.body}" for s in guarded.forge.requests)
    assert set(leaks(at_forge.encode())) <= {FORGE}
    at_registry = "\n".join(f"{path} {headers}" for path, headers in guarded.front.heard)
    assert set(leaks(at_registry.encode())) <= {REGISTRY}


@pytest.mark.parametrize("broken", ["git", "forge", "registry"])
def test_a_refused_secret_is_not_repeated(guarded: Guarded, broken: str) -> None:
    """A peer says 401 to a secret, and repeats it in its answer: the error does not show it."""
    if broken == "git":
        guarded.git.token = "another"
    elif broken == "forge":
        guarded.forge.tokens = {"another"}
        guarded.forge.faults.status("list", 401, message=f"no such token: {FORGE}", times=9)
    else:
        body = json.dumps({"errors": [{"code": "DENIED", "message": f"bad {REGISTRY}"}]})
        guarded.front.spoil = lambda request, reply: Answer(403, {}, body.encode())
    ran = guarded.run()
    assert ran.code in {3, 4}, ran.out + ran.err
    assert ran.code != 70
    _assert_own_wires(guarded)


def test_a_hook_that_repeats_the_secret_is_cut(guarded: Guarded) -> None:
    """A server's hook prints what it was sent: the reason in outcome and log is without it."""
    said = f'echo "you said $(cat {guarded.secrets / "git"})" >&2; exit 1'
    guarded.world.remote.hook("pre-receive", said)
    ran = guarded.run()
    assert ran.code == 3, ran.out + ran.err
    assert all(outcome["failed"] for outcome in ran.cycle["outcomes"])
    assert all("you said" in reason for reason in ran.reasons.values())
