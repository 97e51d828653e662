"""Which credential is meant for which repository: docker configurations, pull secrets, helpers.

Knows where such files are and how an entry is matched: by exact host and port and by whole path
segments, the longest path first. It refuses to know how a credential is used on a wire.
"""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Self

from imagebot.errors import ConfigError, Problem, Where
from imagebot.imageref import HUB, Repository
from imagebot.registry.auth import Credential
from imagebot.registry.credential_file import Entry, Unusable, read_file, read_text
from imagebot.registry.credential_helper import HelperMissing, Helpers

HELPER_SECONDS = 15.0

_HUB_SERVER = "https://index.docker.io/v1/"
_KINDS = ("credHelpers", "credsStore", "auths")
_log = logging.getLogger(__name__)


class Credentials:
    """Every credential that this process was given. Safe to use from several threads.

    `entries` are in order of precedence, the most trusted source first; `env` is what helpers
    run with, `helper_seconds` how long one may take, `monotonic` a clock in seconds.
    """

    def __init__(
        self,
        entries: Sequence[Entry],
        *,
        env: Mapping[str, str],
        helper_seconds: float = HELPER_SECONDS,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._entries = tuple(entries)
        self._warned: set[str] = set()
        self._helpers = Helpers(env, helper_seconds, monotonic)

    @classmethod
    def from_environment(
        cls,
        env: Mapping[str, str],
        *,
        files: Sequence[Path] = (),
        helper_seconds: float = HELPER_SECONDS,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> Self:
        """Read every credential file there is. Raises ConfigError with all that is wrong.

        In order of precedence: `files` (mounted pull secrets), REGISTRY_AUTH_FILE,
        $XDG_RUNTIME_DIR/containers/auth.json, DOCKER_AUTH_CONFIG (a file's content), and
        config.json in DOCKER_CONFIG or else in ~/.docker, with ~/.dockercfg in its absence.
        """
        entries: list[Entry] = []
        problems: list[Problem] = []
        for name, read in _sources(env, files):
            try:
                entries += read()
            except Unusable as error:
                where = Where(name, error.line, error.column)
                problems.append(Problem(where, f"the credential file {error}"))
        if problems:
            raise ConfigError(problems)
        return cls(entries, env=env, helper_seconds=helper_seconds, monotonic=monotonic)

    def lookup(self, repository: Repository) -> Credential | None:
        """The credential for a repository, None when it is read without one.

        Raises RegistryError when an entry meant for this repository is broken or its helper
        fails: another entry may stand in for a missing program only, and says so in the log.
        """
        if repository.engine:
            return None
        missing: HelperMissing | None = None
        for entry in self._fitting(repository):
            try:
                found = self._credential(entry, repository)
            except HelperMissing as error:
                # A credsStore is asked for every host; only some entries name this very host.
                self._warn(f"{entry.source}: {error}")
                missing = missing or (error if entry.key else None)
                continue
            if found is not None:
                return found
        if missing is not None:
            raise missing
        return None

    def _credential(self, entry: Entry, repository: Repository) -> Credential | None:
        if entry.kind == "auths":
            return entry.credential(repository)
        server = _HUB_SERVER if repository.host == HUB else repository.host
        return self._helpers.ask(entry.helper, server)

    def _warn(self, message: str) -> None:
        if message not in self._warned:
            self._warned.add(message)
            _log.warning(message)

    def _fitting(self, repository: Repository) -> list[Entry]:
        """Entries meant for the repository: longest path, then source, kind, exact host."""

        def rank(numbered: tuple[int, Entry]) -> tuple[object, ...]:
            order, entry = numbered
            length, pattern = (
                (len(entry.key.path), entry.key.is_pattern) if entry.key else (0, True)
            )
            return -length, sources.index(entry.source), _KINDS.index(entry.kind), pattern, order

        sources = list(dict.fromkeys(entry.source for entry in self._entries))
        fitting = [(n, e) for n, e in enumerate(self._entries) if e.fits(repository)]
        return [entry for _, entry in sorted(fitting, key=rank)]


def _sources(
    env: Mapping[str, str], files: Sequence[Path]
) -> Iterator[tuple[str, Callable[[], Iterable[Entry]]]]:
    """The places to look at, in order of precedence: their names, and how each is read."""
    for path in files:
        yield str(path), partial(read_file, path, private=False)
    if name := env.get("REGISTRY_AUTH_FILE"):
        yield name, partial(read_file, Path(name), private=True)
    if runtime := env.get("XDG_RUNTIME_DIR"):
        yield from _present(Path(runtime, "containers", "auth.json"))
    if content := env.get("DOCKER_AUTH_CONFIG"):
        name = "$DOCKER_AUTH_CONFIG"
        yield name, partial(read_text, content.encode(), name)
    home = Path(env["HOME"]) if env.get("HOME") else None
    if directory := env.get("DOCKER_CONFIG"):
        yield from _present(Path(directory, "config.json"))
    elif home and os.path.lexists(home / ".docker" / "config.json"):
        yield from _present(home / ".docker" / "config.json")
    elif home:
        yield from _present(home / ".dockercfg")


def _present(path: Path) -> Iterator[tuple[str, Callable[[], Iterable[Entry]]]]:
    """A file that need not be there."""
    if os.path.lexists(path):
        yield str(path), partial(read_file, path, private=True)
