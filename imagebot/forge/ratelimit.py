"""When a forge that refuses for its rate limit may be asked again.

Knows the headers of GitHub, GitLab, Gitea and plain HTTP. Refuses to sleep: it only tells.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from http import HTTPStatus

from imagebot.http.retry import MAX_DEFERRAL, retry_after

UNKNOWN_WAIT = 60.0
_LIMITS = frozenset({HTTPStatus.FORBIDDEN, HTTPStatus.TOO_MANY_REQUESTS})
_PHRASES = (b"rate limit", b"abuse detection")
_MAX_DIGITS = 12


@dataclass(frozen=True, slots=True)
class Wait:
    """Seconds to wait before the same request. `unknown` means that the forge named no time."""

    seconds: float
    unknown: bool = False


def wait_asked(status: int, headers: Mapping[str, str], body: bytes, now: float) -> Wait | None:
    """How long a 403 or 429 asks us to wait; None when it is no rate limit."""
    if status not in _LIMITS:
        return None
    # The forge's own clock, where it tells it, makes a skewed clock of ours harmless.
    server_now = http_date(headers.get("date", "")) or now
    if (seconds := retry_after(headers, server_now)) is not None:
        return Wait(seconds)
    for prefix in ("x-ratelimit", "ratelimit"):
        reset = headers.get(f"{prefix}-reset", "").strip()
        spent = headers.get(f"{prefix}-remaining", "").strip() == "0"
        if spent and reset.isascii() and reset.isdigit() and len(reset) <= _MAX_DIGITS:
            # One second more: the reset names a whole second, and both clocks round.
            return Wait(min(max(float(reset) + 1 - server_now, 1.0), MAX_DEFERRAL))
    told = body[:4096].lower()
    limited = status == HTTPStatus.TOO_MANY_REQUESTS or any(phrase in told for phrase in _PHRASES)
    return Wait(UNKNOWN_WAIT, unknown=True) if limited else None


def http_date(text: str) -> float | None:
    """Epoch seconds of an HTTP date, None when it is none."""
    try:
        return parsedate_to_datetime(text).timestamp()
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
