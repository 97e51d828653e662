"""The whole loop over the wire: a registry, git over HTTP and a forge's API, all on loopback.

Knows how the parts are wired to one bare repository and to an operator's file, what went over
each wire, and where a secret may never turn up. Refuses to know what imagebot should do.
"""

from __future__ import annotations

import base64
import io
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote

import pytest

from imagebot import __main__ as process
from imagebot.pulls.naming import branch_name
from imagebot.registry.server import EmbeddedRegistry
from imagebot.registry.server_routes import Request, answer
from tests.support import gitserver
from tests.support.fakeforge import FakeForge
from tests.support.fakegit import GitBranches
from tests.support.fakegithub import FakeGitHub
from tests.support.fakeserver import Pull, Seen
from tests.support.forgebench import FAKES, REST, key_pair
from tests.support.gitrepos import RemoteRepo, git
from tests.support.skipclock import SkipClock

LOGINS = REST
THREE = ("dev", "staging", "production")
LABELS = ["dependencies", "images"]
CREATED = "2026-01-05T09:00:00Z"
PLATFORMS = ("linux/amd64", "linux/arm64")
CONFIG = """\
version: 1
environments:
  - {name: dev, paths: ["dev/**"]}
  - {name: staging, paths: ["staging/**"]}
  - {name: production, paths: ["production/**"]}
images:
  - match: "**"
    policy: {semver: "*"}
pullRequests: {labels: [dependencies, images]}
"""
OVERLAY = """\
images:
  - name: web
    newName: %s/acme/web
    newTag: %s
"""


class Registry(EmbeddedRegistry):
    """The embedded registry behind a port that keeps the headers of every request."""

    def start(self) -> None:
        self.heard: list[dict[str, str]] = []
        handler = type("Handler", (_RegistryHandler,), {"registry": self})
        self._front = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._front_thread = threading.Thread(target=self._front.serve_forever, args=(0.02,))
        self._front_thread.start()

    def stop(self) -> None:
        self._front.shutdown()
        self._front.server_close()
        self._front_thread.join()

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self._front.server_address[1]}"

    def release(self, *tags: str, repository: str = "acme/web") -> str:
        """Push images, and give the last one's digest."""
        digest = ""
        for tag in tags:
            payload = f"{repository} {tag}".encode()
            digest = self.put_image(
                repository, tag, platforms=PLATFORMS, created=CREATED, payload=payload
            )
        return digest


class _RegistryHandler(BaseHTTPRequestHandler):
    registry: Registry

    def do_GET(self) -> None:
        self.registry.heard.append({name.lower(): text for name, text in self.headers.items()})
        reply = answer(self.registry.service, Request(self.command, self.path, self.headers))
        self.send_response(reply.status)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(reply.body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(reply.body)

    do_HEAD = do_GET  # noqa: N815 - http.server names it

    def log_message(self, *args: Any) -> None:
        """Nothing on stderr."""


class _Branches(GitBranches):
    """Branches read from their files: one process for each look would take most of a test."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._known: dict[tuple[str, str], bool] = {}

    def tip(self, branch: str) -> str:
        loose = self.path / "refs" / "heads" / branch
        if loose.is_file():
            return loose.read_text().strip()
        return super().tip(branch) if (self.path / "packed-refs").exists() else ""

    def contains(self, sha: str, branch: str) -> bool:
        key = (sha, self.tip(branch))
        if key not in self._known:
            self._known[key] = super().contains(sha, branch)
        return self._known[key]


class _GitOfApp(gitserver.GitServer):
    """Takes the installation token that the App's forge issued last, and no other."""

    fake: FakeGitHub

    @property
    def token(self) -> str:  # type: ignore[override]
        return next(reversed(self.fake.issued), "nobody")

    @token.setter
    def token(self, value: str) -> None:
        """The forge says which token holds."""


@dataclass
class Site:
    """One forge of the kind that a login is for, its project, and git over HTTP beside it."""

    login: str
    folder: Path
    registry: Registry
    clock: SkipClock
    repo: str = "deploy"
    environments: Sequence[str] = THREE

    def __post_init__(self) -> None:
        self.remote = RemoteRepo(self.folder / "git" / "acme" / f"{self.repo}.git")
        self.secret = f"canary-{self.repo}-{self.login}-5f3a9c"
        self.secret_file = self.folder / "secrets" / f"{self.repo}.secret"
        self.secret_file.parent.mkdir(exist_ok=True)
        files = {f"{name}/kustomization.yaml": self.overlay("1.0.0") for name in self.environments}
        self.remote.commit({".imagebot.yaml": CONFIG.encode(), **files})
        self.fake = self._fake()
        self.git = self._git()

    def _fake(self) -> FakeForge:
        fake = FAKES[self.login](
            repo=self.repo, branches=self.remote.path, token=self.secret, now=self.clock.now
        )
        fake.git = _Branches(self.remote.path)
        secret = self.secret
        if self.app:
            assert isinstance(fake, FakeGitHub)
            secret, public = key_pair()
            fake.add_app(public)
            fake.tokens.clear()
        self.secret_file.write_text(secret)
        self.secret_file.chmod(0o600)
        return fake

    def _git(self) -> gitserver.GitServer:
        root = self.folder / "git"
        if not self.app:
            return gitserver.GitServer(root, token=self.secret)
        served = _GitOfApp(root)
        served.fake = self.fake  # type: ignore[assignment]
        return served

    @contextmanager
    def running(self) -> Iterator[Self]:
        with self.fake, self.git.running():
            yield self

    @property
    def app(self) -> bool:
        return self.login == "github-app"

    @property
    def kind(self) -> str:
        return self.login.partition("-")[0]

    @property
    def url(self) -> str:
        return self.git.url(f"acme/{self.repo}.git")

    @property
    def variable(self) -> str:
        """The environment variable that holds the token, for logins that use one."""
        return f"FORGE_TOKEN_{self.repo.upper()}"

    def shape(self) -> str:
        """This repository in the operator's file: a secret is a file or a variable by turns."""
        place = {
            "github": f"token: {{env: {self.variable}}}",
            "github-app": (
                "app: {clientId: Iv23liCanaryClient, installationId: 4711, "
                f"privateKey: {{file: {self.secret_file}}}}}"
            ),
        }.get(self.login, f"token: {{file: {self.secret_file}}}")
        return (
            f"  - url: {self.url}\n"
            f"    forge: {{kind: {self.kind}, url: {self.fake.url}, {place}}}\n"
        )

    def overlay(self, tag: str) -> bytes:
        return (OVERLAY % (self.registry.host, tag)).encode()

    def key(self, environment: str) -> str:
        return f"{environment}/{self.registry.host}/acme/web"

    def branch(self, environment: str) -> str:
        return branch_name("main", self.key(environment))

    def bot_branches(self) -> set[str]:
        return {name for name in self.remote.branches() if name.startswith("imagebot/")}

    def tag_on(self, branch: str, environment: str) -> str:
        """The tag that a branch runs; the rest of its file must be as it was."""
        text = self.remote.show(branch, f"{environment}/kustomization.yaml")
        tag = text.decode().rpartition("newTag: ")[2].strip()
        assert text == self.overlay(tag)
        return tag

    def bump(self, environment: str, tag: str) -> None:
        """A person writes a tag on the base branch by hand."""
        self.remote.commit({f"{environment}/kustomization.yaml": self.overlay(tag)})

    def pull(self, environment: str) -> Pull:
        """The one open request of an environment from this repository."""
        head = self.branch(environment)
        ours = (p for p in self.fake.pulls.values() if not p.fork)
        (pull,) = [p for p in ours if (p.head, p.state) == (head, "open")]
        return pull

    def begin(self) -> None:
        """From here on, `writes` and `pushes` count."""
        self._asked, self._gitted = len(self.fake.requests), len(self.git.seen)

    @property
    def asked(self) -> list[Seen]:
        """What the forge was asked in the last run."""
        return self.fake.requests[self._asked :]

    @property
    def writes(self) -> list[str]:
        """The write operations of the last run, without an App's own token."""
        found = [seen for seen in self.asked if seen.method not in {"GET", "HEAD"}]
        return [seen.operation for seen in found if seen.operation not in {"token", "revoke"}]

    @property
    def pushes(self) -> int:
        """How often the last run pushed."""
        seen = self.git.seen[self._gitted :]
        return sum(s.method == "POST" and s.path.endswith("/git-receive-pack") for s in seen)

    @property
    def secrets(self) -> set[str]:
        """Every string that is a secret of this site, in each form in which it may leak."""
        if self.app:
            lines = key_pair()[0].splitlines()[1:-1]
            tokens = {f"ghs_canary{number:04d}" for number in range(8)}
        else:
            lines, tokens = [], {self.secret}
        coded = {
            base64.b64encode(text.encode()).decode()
            for token in tokens
            for text in (token, f"x-access-token:{token}")
        }
        return {*lines, *tokens, *coded, *(quote(text, safe="") for text in coded)}


@dataclass(frozen=True)
class Ran:
    """A finished run."""

    code: int
    out: str
    err: str

    @property
    def cycles(self) -> list[dict[str, Any]]:
        return json.loads(self.out)["repositories"]

    @property
    def cycle(self) -> dict[str, Any]:
        """The one repository of the run."""
        (cycle,) = self.cycles
        return cycle

    def __getitem__(self, environment: str) -> dict[str, Any]:
        """The outcome of one environment of the one repository."""
        outcomes = {o["key"].partition("/")[0]: o for o in self.cycle["outcomes"]}
        return outcomes[environment]

    @property
    def actions(self) -> dict[str, str]:
        """What was done, by environment."""
        return {o["key"].partition("/")[0]: o["action"] for o in self.cycle["outcomes"]}


@dataclass
class Loop:
    """Sites, a registry and one operator's file over them."""

    folder: Path
    registry: Registry
    clock: SkipClock
    patch: pytest.MonkeyPatch
    sites: list[Site] = field(default_factory=list)
    ran: list[Ran] = field(default_factory=list)
    stack: ExitStack = field(default_factory=ExitStack)

    @property
    def site(self) -> Site:
        """The only site."""
        (site,) = self.sites
        return site

    @property
    def workdir(self) -> Path:
        return self.folder / "work"

    @property
    def operator_file(self) -> Path:
        return self.folder / "imagebot.operator.yaml"

    def add(self, login: str, repo: str = "deploy", environments: Sequence[str] = THREE) -> Site:
        """One more forge with a repository, and with its place in the operator's file."""
        site = Site(login, self.folder, self.registry, self.clock, repo, environments)
        self.stack.enter_context(site.running())
        self.sites.append(site)
        self.patch.setenv(site.variable, site.secret)
        self.write_operator()
        return site

    def write_operator(self) -> None:
        self.operator_file.write_text(
            f"version: 1\nworkdir: {self.workdir}\nnetwork: {{insecureHosts: [127.0.0.1]}}\n"
            "repositories:\n" + "".join(site.shape() for site in self.sites)
        )

    @property
    def argv(self) -> list[str]:
        return ["imagebot", "run", "--operator", str(self.operator_file), "--output", "json"]

    def run(self, *, code: int = 0) -> Ran:
        """One `imagebot run` in this process, on a clock whose sleeps take no time."""
        for site in self.sites:
            site.begin()
        out, err = io.StringIO(), io.StringIO()
        handler = signal.getsignal(signal.SIGTERM)
        with self.patch.context() as patch, redirect_stdout(out), redirect_stderr(err):
            for place in ("imagebot.http", "imagebot.http.client"):
                patch.setattr(f"{place}.SystemClock", lambda: self.clock)
            patch.setattr(sys, "argv", self.argv)
            with pytest.raises(SystemExit) as exit_:
                process.main()
        signal.signal(signal.SIGTERM, handler)
        return self._noted(Ran(int(exit_.value.code or 0), out.getvalue(), err.getvalue()), code)

    def run_process(self, *, code: int = 0) -> Ran:
        """One `imagebot run` as a process of its own, on the machine's clock."""
        for site in self.sites:
            site.begin()
        done = subprocess.run(
            [sys.executable, "-m", *self.argv],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        )
        return self._noted(Ran(done.returncode, done.stdout, done.stderr), code)

    def _noted(self, ran: Ran, code: int) -> Ran:
        self.ran.append(ran)
        assert ran.code == code, (ran.code, ran.out[-3000:], ran.err[-3000:])
        return ran

    def settled(self, *words: str) -> Ran:
        """A run that has nothing to do (or just these `words`), and writes and pushes nothing."""
        ran = self.run()
        for cycle in ran.cycles:
            assert not cycle["failed"]
            done = {outcome["action"] for outcome in cycle["outcomes"]}
            assert done <= set(words or ("unchanged",)), cycle["outcomes"]
        assert self.silent, [(site.writes, site.pushes) for site in self.sites]
        return ran

    @property
    def silent(self) -> bool:
        """Whether the last run wrote to no forge and pushed nowhere."""
        return not any(site.writes or site.pushes for site in self.sites)

    def forget(self) -> None:
        """The database of the state is lost."""
        for path in self.workdir.glob("state.db*"):
            path.unlink()

    # What must be true after every scenario.

    def check(self) -> None:
        """No request broke a forge's description, and no secret is where it must not be."""
        for site in self.sites:
            assert not getattr(site.fake, "violations", None), site.fake.violations  # type: ignore[attr-defined]
            self._check_origins(site)
        secrets = {secret.encode() for site in self.sites for secret in site.secrets}
        for place, text in self._told():
            assert not any(secret in text for secret in secrets), f"a secret is in {place}"
        for headers in self.registry.heard:
            assert not {"authorization", "private-token", "cookie"} & set(headers), headers

    def _check_origins(self, site: Site) -> None:
        """A site's secrets reach its own forge in one header, and its own git; nobody else."""
        for other in self.sites:
            for seen in other.fake.requests:
                kept = {k: v for k, v in seen.headers.items() if k not in _CREDENTIAL_HEADERS}
                shown = kept if other is site else seen.headers
                said = f"{seen.target} {shown}".encode() + seen.raw
                assert not any(secret.encode() in said for secret in site.secrets)
            for request in other.git.seen:
                said = request.path + ("" if other is site else request.authorization)
                assert not any(secret in said for secret in site.secrets)

    def _told(self) -> Iterator[tuple[str, bytes]]:
        """Everything that is shown or kept, with a name for each."""
        for number, ran in enumerate(self.ran):
            yield f"the output of run {number}", (ran.out + ran.err).encode()
        for path in self.workdir.rglob("*"):
            if path.is_file() and not path.is_symlink():
                yield str(path), path.read_bytes()
        mirrors = [path.parent for path in self.workdir.rglob("HEAD")]
        for repository in (*mirrors, *(site.remote.path for site in self.sites)):
            yield str(repository), git(repository, *_EVERY_OBJECT)
        for site in self.sites:
            yield "the operator's file", site.shape().encode()
            for pull in site.fake.pulls.values():
                yield f"#{pull.number}", repr(pull).encode()


_CREDENTIAL_HEADERS = {"authorization", "private-token"}
_EVERY_OBJECT = ("cat-file", "--batch", "--batch-all-objects")


@contextmanager
def open_loop(folder: Path, patch: pytest.MonkeyPatch, *, checked: bool = True) -> Iterator[Loop]:
    """A loop with no site yet, `web` 1.0.0 and 1.1.0 in its registry; checked when it ends."""
    folder.mkdir(exist_ok=True)
    with Registry() as registry:
        registry.release("1.0.0", "1.1.0")
        loop = Loop(folder, registry, SkipClock(), patch)
        with loop.stack:
            yield loop
            if checked:
                loop.check()
