"""What a forge says in an error reply, fit for a person's terminal and for a log.

Knows the usual JSON shapes of error replies and what must not be printed. Refuses to decide by
what it reads.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterable
from typing import Any
from urllib.parse import quote

MAX_CHARS = 300
_MAX_READ = 65_536
_MAX_DEPTH = 5
_MAX_ITEMS = 20
_NO_SENTENCE = frozenset(
    {"documentation_url", "url", "status", "resource", "code", "index", "field", "value"}
)


def told_by(body: bytes) -> str:
    """The sentences of an error reply; '' for an HTML page."""
    text = body[:_MAX_READ].decode("utf-8", "replace")
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        return "" if text.lstrip().startswith("<") else text
    return "; ".join(dict.fromkeys(_sentences(data, 0)))


def sanitise(text: str, secrets: Iterable[str] = ()) -> str:
    """One printable line of at most 300 characters, without any of `secrets`."""
    for secret in sorted(filter(None, secrets), key=len, reverse=True):
        for form in (secret, quote(secret, safe="")):
            text = text.replace(form, "***")
    # Categories C and Z: controls, invisible and direction marks, line breaks of all kinds.
    plain = "".join(" " if unicodedata.category(char)[0] in "CZ" else char for char in text)
    line = " ".join(plain.split())
    return line if len(line) <= MAX_CHARS else line[: MAX_CHARS - 1] + "…"


def _sentences(value: Any, depth: int) -> Iterable[str]:
    if isinstance(value, str):
        yield value
    elif depth < _MAX_DEPTH and isinstance(value, list):
        for item in value[:_MAX_ITEMS]:
            yield from _sentences(item, depth + 1)
    elif depth < _MAX_DEPTH and isinstance(value, dict):
        if isinstance(value.get("field"), str) and "message" not in value:
            yield f"{value['field']} {value.get('code', 'invalid')}"
        for key, item in list(value.items())[:_MAX_ITEMS]:
            if key not in _NO_SENTENCE:
                yield from _sentences(item, depth + 1)
