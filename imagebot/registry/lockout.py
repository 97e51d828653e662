"""Keeps a wrong login from being sent again and again: registries lock accounts for that.

Knows how often a login was rejected and whether it ever worked. It refuses to know what a login
is made of, and what is asked with it.
"""

from __future__ import annotations

import threading
from collections.abc import Hashable, Iterator
from contextlib import contextmanager

from imagebot.errors import RegistryError
from imagebot.http import Origin

MAX_REJECTIONS = 3
"""Rejected logins in a row after which a credential is not sent again."""

_UNAUTHORIZED = 401
_REFUSALS = 400


class _Login:
    """One credential at one origin."""

    def __init__(self) -> None:
        self.turn = threading.Lock()
        self.proven = False
        self.rejections = 0
        self._lock = threading.Lock()

    def answered(self, status: int) -> None:
        """Learn from an answer. Refusals other than 401, and failures, say nothing of a login."""
        with self._lock:
            if status == _UNAUTHORIZED:
                self.rejections += 1
                self.proven = False
            elif status < _REFUSALS:
                self.rejections = 0
                self.proven = True


class Lockout:
    """The logins of a run. Safe in several threads."""

    def __init__(self) -> None:
        self._logins: dict[Hashable, _Login] = {}
        self._lock = threading.Lock()

    @contextmanager
    def attempt(self, origin: Origin, credential: Hashable) -> Iterator[_Login]:
        """Send a login inside the block, and tell what is yielded the status of the answer.

        A login is sent by one thread at a time until it has worked once: what a rejection teaches
        must be known before the next try. Raises RegistryError when it was rejected too often.
        """
        with self._lock:
            login = self._logins.setdefault((origin, credential), _Login())
        with login.turn:
            _check(origin, login)
            if not login.proven:
                yield login
                return
        yield login


def _check(origin: Origin, login: _Login) -> None:
    if login.rejections >= MAX_REJECTIONS:
        raise RegistryError(
            f"{origin}: the login was rejected {MAX_REJECTIONS} times and is not sent again",
            hint="is the login for this registry still valid?",
            status=_UNAUTHORIZED,
        )
