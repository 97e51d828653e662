"""How long to wait before asking again. Pure arithmetic over headers and a given time."""

from __future__ import annotations

import random
from collections.abc import Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime

AGAIN = frozenset({408, 429, 499, 500, 502, 503, 504, 520, 522})
"""Statuses that a GET or HEAD is worth repeating for."""

SICK = AGAIN - {408, 499, 500}
"""Statuses that speak of the host as a whole; 500, 408 and 499 may be about one resource."""

MAX_DEFERRAL = 86_400.0
"""A server that names a longer wait is asked again after a day: its clock may be wrong."""

_RANDOM = random.SystemRandom()
_MAX_DIGITS = 12


def retry_after(headers: Mapping[str, str], now: float) -> float | None:
    """Seconds that a Retry-After header asks for, at most a day; None when it asks for nothing.

    Takes seconds and HTTP dates; zero, the past and nonsense count as absent.
    """
    text = headers.get("retry-after", "").strip()
    if text.isascii() and text.isdigit():
        seconds = float(text) if len(text) <= _MAX_DIGITS else MAX_DEFERRAL
    else:
        seconds = _until_date(text, now)
    return min(seconds, MAX_DEFERRAL) if seconds > 0 else None


def backoff(attempt: int) -> float:
    """Seconds before the retry after `attempt` (from 0): 1, 3, 9 less a random half at most."""
    return float(3**attempt) * _RANDOM.uniform(0.5, 1.0)


def _until_date(text: str, now: float) -> float:
    try:
        moment = parsedate_to_datetime(text)
        # "-0000" gives a naive time; the standard says that HTTP dates are always UTC.
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return moment.timestamp() - now
    except (TypeError, ValueError, OverflowError, IndexError):
        return 0.0
