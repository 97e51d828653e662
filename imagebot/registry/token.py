"""Bearer tokens: how an answer of a token server is read, and how long a token is used.

Knows lives in seconds and one fetch at a time for each key; refuses to know how tokens are got.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from imagebot.errors import PeerError, RegistryError
from imagebot.http import Response, redact

MIN_LIFE = 60.0
MAX_LIFE = 86_400.0
USED = 0.8
"""The part of a token's life in which it is used; the rest is for clocks that disagree."""

_TEXT = re.compile(r"[\x21-\x7e]{1,65536}")


@dataclass(frozen=True, slots=True, repr=False)
class Token:
    """A bearer token and the epoch second until which it is used."""

    text: str
    until: float


def read_token(response: Response, now: float) -> Token:
    """The token of a token server's answer, received at `now`. Raises RegistryError.

    `expires_in` is 60 s when absent or smaller and a day at most; `issued_at` counts only when
    it lies within the token's life before `now`, since the server's clock may be wrong.
    """
    try:
        answer = response.json()
    except PeerError as error:
        raise RegistryError(error.message, status=response.status) from None
    fields = answer if isinstance(answer, dict) else {}
    text = fields.get("token") or fields.get("access_token")
    if not isinstance(text, str) or _TEXT.fullmatch(text) is None:
        raise RegistryError(f"{redact(response.url)}: the token server's answer holds no token")
    life = _life(fields.get("expires_in")) * USED
    issued = _issued(fields.get("issued_at"))
    start = issued if now - life < issued <= now else now
    return Token(text, start + life)


def _life(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return MIN_LIFE
    return float(min(max(value, MIN_LIFE), MAX_LIFE))


def _issued(value: Any) -> float:
    if not isinstance(value, str):
        return 0.0
    try:
        moment = datetime.fromisoformat(value)
        return moment.timestamp() if moment.tzinfo else 0.0
    except (ValueError, OverflowError):
        return 0.0


class _Slot:
    """The place of one key's token."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._token: Token | None = None
        self.lock = threading.Lock()

    def fresh(self, *, unlike: str) -> Token | None:
        """The kept token, unless it is too old or the one that was just rejected."""
        token = self._token
        if token is None or token.until <= self._now() or token.text == unlike:
            return None
        return token

    def keep(self, token: Token) -> None:
        """Use this token from now on."""
        self._token = token


class Tokens:
    """Tokens by key, each fetched by one thread at a time. In memory only."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._slots: dict[Hashable, _Slot] = {}
        self._lock = threading.Lock()

    @contextmanager
    def flight(self, key: Hashable) -> Iterator[_Slot]:
        """Hold a key's slot: others who want the same token wait for what is fetched here."""
        with self._lock:
            slot = self._slots.setdefault(key, _Slot(self._now))
        with slot.lock:
            yield slot
