"""Who we are to a forge, and how fast we may write.

Knows how a secret travels (in headers, or as the password of git over HTTPS) and the gap between
writes. Refuses to know any forge's paths.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Protocol

from imagebot.errors import StartError
from imagebot.http import Clock


class Credential(Protocol):
    """Who we are to one forge. Its secret leaves it in headers, or as `token` for git."""

    def headers(self) -> Mapping[str, str]:
        """Secret headers for the next request. May fetch a token and so raise ForgeError."""
        ...

    def token(self) -> str:
        """The secret alone, for git over HTTPS; '' when there is none. Raises ForgeError."""
        ...

    def secrets(self) -> tuple[str, ...]:
        """What no message may hold."""
        ...

    def renew(self) -> bool:
        """After a 401: drop what was refused. True when another try makes sense."""
        ...

    def close(self) -> None:
        """Give back what can be given back. Never raises."""
        ...


class Token:
    """A fixed token, sent in one header. An empty one sends nothing."""

    def __init__(self, secret: str, *, header: str = "Authorization", scheme: str = "") -> None:
        self._secret = secret.strip()
        if any(char.isspace() or not char.isprintable() for char in self._secret):
            raise StartError("the forge token holds blanks or control characters")
        self._headers = {header: f"{scheme} {self._secret}".strip()} if self._secret else {}

    def headers(self) -> Mapping[str, str]:
        """The same header each time."""
        return self._headers

    def token(self) -> str:
        """The token itself."""
        return self._secret

    def secrets(self) -> tuple[str, ...]:
        """The token itself."""
        return (self._secret,)

    def renew(self) -> bool:
        """A fixed token cannot be renewed."""
        return False

    def close(self) -> None:
        """Nothing to give back."""


class Pace:
    """Writes one after another, `gap` seconds from one's end to the next one's start.

    For all threads and forges that share it. A gap of 0 holds nothing up.
    """

    def __init__(self, clock: Clock, gap: float) -> None:
        self._clock = clock
        self._gap = gap
        self._ended = float("-inf")
        self._lock = threading.Lock()

    @contextmanager
    def turn(self) -> Iterator[None]:
        """The time for one write."""
        if not self._gap:
            yield
            return
        with self._lock:
            rest = self._ended + self._gap - self._clock.monotonic()
            if rest > 0:
                self._clock.sleep(rest)
            try:
                yield
            finally:
                self._ended = self._clock.monotonic()
