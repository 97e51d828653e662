"""The one place that names adapters: from the operator's file to registries, forges and git.

It decides nothing. Whatever is opened here is closed when its `with` block ends.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Self

from imagebot import __version__
from imagebot.errors import RegistryError, StartError
from imagebot.forge.port import Forge
from imagebot.gitrepo.credentials import GitCredentials, HttpsCredentials, SshCredentials
from imagebot.gitrepo.failure import failure
from imagebot.gitrepo.objects import check_sha
from imagebot.gitrepo.process import Finished
from imagebot.gitrepo.run import GitRunner
from imagebot.registry.port import Registry
from imagebot.registry.remembering import Remembering
from imagebot.registry.routes import Routes
from imagebot.state import State

if TYPE_CHECKING:
    from imagebot.config.operator import Operator, RepositoryShape
    from imagebot.forge.credential import Pace
    from imagebot.forge.select import Connection
    from imagebot.gitrepo.mirror import Mirror
    from imagebot.http import HttpClient

USER_AGENT = f"imagebot/{__version__}"
ENGINE_SOCKET = "unix:///var/run/docker.sock"


class Paces:
    """The gaps between writes, one for each login of each forge. Safe in several threads."""

    def __init__(self) -> None:
        self._paces: dict[tuple[str, str], Pace] = {}
        self._lock = threading.Lock()

    def of(self, url: str, token: str) -> Pace:
        """The gap that all repositories share which use this login."""
        from imagebot.forge.credential import Pace
        from imagebot.forge.github import WRITE_GAP
        from imagebot.http import SystemClock

        with self._lock:
            if (url, token) not in self._paces:
                self._paces[url, token] = Pace(SystemClock(), WRITE_GAP)
            return self._paces[url, token]


@dataclass
class Services:
    """What a run shares: HTTP, registries, state. Each is opened when it is first used.

    Runs beside each other share `paces`. git stops soon after `cancelled` says so.
    """

    operator: Operator | None
    environment: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    paces: Paces = field(default_factory=Paces)
    cancelled: Callable[[], bool] = lambda: False
    _stack: ExitStack = field(default_factory=ExitStack)

    def __enter__(self) -> Self:
        """The services themselves."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close what was opened, last first."""
        self._stack.close()

    @cached_property
    def state(self) -> State:
        """What is remembered between runs. Raises StartError."""
        if self.operator is None:
            raise StartError("no operator file names a place for the state")
        return self._stack.enter_context(State.open(self.operator.state_url))

    @property
    def warnings(self) -> Sequence[str]:
        """What went wrong with the memory, where it was used at all."""
        return self.state.warnings if "state" in self.__dict__ else ()

    @cached_property
    def http(self) -> HttpClient:
        """The HTTP layer, with the operator's limits. Raises StartError for its `caFile`."""
        from imagebot.http import HttpClient

        if self.operator is None:
            return self._stack.enter_context(HttpClient(user_agent=USER_AGENT))
        network, state = self.operator.network, self.state
        try:
            client = HttpClient(
                user_agent=USER_AGENT,
                ca_bundle=network.ca_file,
                proxies=network.proxies.mapping,
                insecure_hosts=frozenset(network.insecure_hosts),
                budget=network.request_budget,
                deferrals=state,
            )
        except StartError as error:
            raise StartError(f"`network.caFile`: {error.message}") from error
        return self._stack.enter_context(client)

    @cached_property
    def registry(self) -> Registry:
        """Every registry, and the Docker Engine for images that none serves."""
        routes = Routes(self._network_registry, self._engine)
        return Remembering(routes, self.state) if self.operator else routes

    def _network_registry(self) -> Registry:
        import time

        from imagebot.registry.auth import Authenticator
        from imagebot.registry.credentials import Credentials
        from imagebot.registry.distribution import DistributionRegistry

        files = [Path(path) for path in self.operator.docker_configs] if self.operator else []
        credentials = Credentials.from_environment(self.environment, files=files)
        trusted = self.operator.network.token_servers if self.operator else {}
        authenticator = Authenticator(
            time.time, token_servers={host: frozenset(more) for host, more in trusted.items()}
        )
        return DistributionRegistry(self.http, credentials.lookup, authenticator)

    def _engine(self) -> Registry:
        from imagebot.registry.engine import EngineRegistry

        if self.operator is None:
            return EngineRegistry(self.environment.get("DOCKER_HOST", ENGINE_SOCKET))
        if self.operator.engine is None:
            raise RegistryError(
                "no Docker Engine is configured",
                hint="name one under `engine` in the operator file",
            )
        return EngineRegistry(self.operator.engine.url)


@dataclass(frozen=True)
class Connected:
    """One repository, ready for a cycle: its mirror under lock, and its forge."""

    mirror: Mirror
    forge: Forge


@contextmanager
def connected(services: Services, shape: RepositoryShape) -> Iterator[Connected]:
    """Open one repository. Raises StartError, UsageError, PeerError, or BusyError."""
    if services.operator is None:
        raise StartError("no operator file names this repository")
    from imagebot.gitrepo.mirror import Mirror

    with ExitStack() as stack:
        _ = services.http  # What is wrong with it is told before anything is fetched.
        local = shape.forge.kind == "local"
        connection = None if local else stack.enter_context(_forge(services, shape))
        mirror = stack.enter_context(
            Mirror.open(
                shape.url,
                services.operator.folder,
                credentials=_git_credentials(shape, connection),
                base=shape.base,
                cancelled=services.cancelled,
                allow_local=local or bool(services.operator.network.insecure_hosts),
            )
        )
        forge = connection.forge if connection else _local_forge(shape, mirror)
        yield Connected(mirror, forge)


@contextmanager
def _forge(services: Services, shape: RepositoryShape) -> Iterator[Connection]:
    from imagebot.forge.github_app import App
    from imagebot.forge.select import connect, locate
    from imagebot.http import SystemClock

    place = locate(shape.url, web=shape.forge.url or "")
    app = shape.forge.app
    token = shape.forge.token.read().reveal() if shape.forge.token else ""
    connection = connect(
        shape.forge.kind,
        url=place.url,
        project=shape.forge.project or place.project,
        http=services.http,
        clock=SystemClock(),
        token=token,
        app=App(app.client_id, app.private_key.read().reveal(), app.installation_id)
        if app
        else None,
        pace=services.paces.of(place.url, token) if shape.forge.kind == "github" else None,
    )
    try:
        yield connection
    finally:
        connection.close()


def _git_credentials(
    shape: RepositoryShape, connection: Connection | None
) -> GitCredentials | None:
    from imagebot.forge.select import GIT_USER

    git = shape.git
    if git.ssh_key and git.known_hosts:
        return SshCredentials(Path(git.ssh_key).absolute(), Path(git.known_hosts).absolute())
    if "://" not in shape.url or shape.url.startswith(("ssh://", "file://")):
        return None
    if git.password is not None:
        token = git.password.read().reveal()
    else:
        token = connection.credential.token() if connection else ""
    return HttpsCredentials(token, git.username or GIT_USER) if token else None


def _local_forge(shape: RepositoryShape, mirror: Mirror) -> Forge:
    from imagebot.forge.local import Branches, LocalForge

    bare = Path(shape.url.removeprefix("file://")).absolute()
    root = mirror.directory.root
    runner = GitRunner(directory=root, home=root, git_dir=bare)
    tips = _Tips(runner)
    return LocalForge(bare, branches=Branches(tips.head_of, tips.is_ancestor))


@dataclass(frozen=True)
class _Tips:
    """What a bare repository on this machine says of its branches."""

    git: GitRunner

    def head_of(self, branch: str) -> str:
        """The commit of a branch, empty when there is none."""
        words = ["rev-parse", "--verify", "--quiet", "--end-of-options", f"refs/heads/{branch}"]
        return self._asked(words, no=(1,)).stdout.decode("ascii", "replace").strip()

    def is_ancestor(self, sha: str, branch: str) -> bool:
        """Whether a commit is in a branch; a commit or branch that is unknown is not."""
        words = ["merge-base", "--is-ancestor", check_sha(sha), f"refs/heads/{branch}"]
        return self._asked(words, no=(1, 128)).returncode == 0

    def _asked(self, words: Sequence[str], *, no: Sequence[int]) -> Finished:
        """Git's answer. A git that died is no answer: a branch would seem to be gone."""
        finished = self.git.attempt(words)
        if finished.stopped or finished.returncode not in {0, *no}:
            raise failure(words[0], finished, ())
        return finished
