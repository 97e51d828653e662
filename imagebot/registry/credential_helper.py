"""Docker credential helpers: which program answers for a server, asked once for all threads.

Knows names, PATH and how long an answer is remembered. It refuses to know which helper is meant
for which image, and never quotes what a helper says: that may hold the secret.
"""

from __future__ import annotations

import copy
import os
import re
import shutil
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from imagebot.errors import RegistryError
from imagebot.registry.auth import Credential

TTL = 300.0
"""Seconds for which an answer or a failure is remembered: cloud tokens live for an hour or more."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)
_TOKEN_USER = "<token>"  # noqa: S105 - the protocol's mark of an identity token, no secret


class HelperMissing(RegistryError):
    """The helper's program is not on PATH."""


@dataclass(slots=True)
class _Answer:
    lock: threading.Lock = field(default_factory=threading.Lock)
    until: float = float("-inf")
    result: Credential | RegistryError | None = None


class Helpers:
    """The helpers on the PATH of `env`. Safe to use from several threads.

    `seconds` is how long one may take, `monotonic` a clock in seconds.
    """

    def __init__(
        self, env: Mapping[str, str], seconds: float, monotonic: Callable[[], float]
    ) -> None:
        self._env = dict(env)
        self._seconds = seconds
        self._monotonic = monotonic
        self._answers: dict[tuple[str, str], _Answer] = {}
        self._lock = threading.Lock()

    def ask(self, helper: str, server: str) -> Credential | None:
        """What `docker-credential-<helper>` has for a server, None when it has nothing.

        Raises HelperMissing, and RegistryError when it fails, is late or answers nonsense.
        """
        with self._lock:
            answer = self._answers.setdefault((helper, server), _Answer())
        with answer.lock:
            if answer.until <= self._monotonic():
                answer.result = self._run(helper, server)
                answer.until = self._monotonic() + TTL
            result = answer.result
        if isinstance(result, RegistryError):
            # One error object must not be raised in two threads: it carries a traceback.
            raise copy.copy(result)
        return result

    def _run(self, helper: str, server: str) -> Credential | RegistryError | None:
        name = f"docker-credential-{helper}"
        if _NAME.fullmatch(helper) is None:
            hint = "a helper's name has letters, digits, '.', '_' and '-'"
            return RegistryError(f"{server}: its credential helper is no program's name", hint=hint)
        program = shutil.which(name, path=self._env.get("PATH", os.defpath))
        if program is None:
            hint = "install it, or remove it from the docker configuration"
            return HelperMissing(f"{server}: {name} is not installed", hint=hint)
        # Imported here: it imports the docker package.
        from imagebot.registry.credential_store import HelperFailed, get_secret

        hint = f"try: echo {server} | {name} get"
        try:
            found = get_secret(program, server, self._env, self._seconds)
        except TimeoutError:
            late = f"{server}: {name} took longer than {self._seconds:g} s"
            return RegistryError(late, hint=hint, retryable=True)
        except HelperFailed:
            return RegistryError(f"{server}: {name} failed", hint=hint)
        return _credential(*found) if found else None


def _credential(username: str, secret: str) -> Credential:
    if username == _TOKEN_USER:
        return Credential(identity_token=secret)
    return Credential(username=username, password=secret)
