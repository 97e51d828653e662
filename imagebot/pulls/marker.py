"""The bot's memory in a pull request's body: a hidden line, and a block that is the bot's own.

Knows how to write, find and check that line in text which anybody may edit. It refuses to trust
it: whatever does not look exactly right is no marker at all.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from dataclasses import dataclass

from imagebot.pulls.markdown import clean, cut, hidden

VERSION = 1
MAX_ENCODED = 20_000
MAX_KEY = 600
MAX_TITLE = 400
MAX_HISTORY = 20
BOT = "imagebot"

_WORD = re.compile(r"[0-9A-Za-z_-]{0,128}")
_DATA = rf"imagebot:marker ([A-Za-z0-9+/=]{{1,{MAX_ENCODED}}})"
# Only at the start of a line, where text from elsewhere never stands.
_OPEN, _SHUT = r"^(?:<!-- |\[//\]: # \()", r"(?: -->|\))"
_MARKER = re.compile(_OPEN + _DATA + _SHUT, re.MULTILINE)
_BEGIN = re.compile(_OPEN + "imagebot:begin" + _SHUT, re.MULTILINE)
_END = re.compile(_OPEN + "imagebot:end" + _SHUT, re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Marker:
    """What the bot last wrote into a request.

    `title` and `text` (a digest) are what it last said, `version` the wanted versions in words,
    `history` the versions that were superseded while the request was open, `told` the reasons
    for which people were told that the bot stops, `closed_by` "imagebot" or empty.
    """

    key: str
    fingerprint: str = ""
    commit: str = ""
    title: str = ""
    text: str = ""
    version: str = ""
    closed_by: str = ""
    told: tuple[str, ...] = ()
    history: tuple[str, ...] = ()


def encode(marker: Marker, *, html: bool = True) -> str:
    """One hidden line of printable ASCII. Base64 cannot end a comment; long history is cut."""
    values = {
        "v": VERSION,
        "key": marker.key[:MAX_KEY],
        "fingerprint": marker.fingerprint,
        "commit": marker.commit,
        "title": marker.title[:MAX_TITLE],
        "text": marker.text,
        "version": cut(marker.version, 100),
        "closedBy": marker.closed_by,
        "told": list(marker.told),
        "history": [cut(entry, 100) for entry in marker.history[-MAX_HISTORY:]],
    }
    kept = {name: value for name, value in values.items() if value}
    compact = json.dumps(kept, separators=(",", ":"), sort_keys=True, ensure_ascii=False)
    encoded = base64.b64encode(compact.encode("utf-8", "surrogatepass")).decode("ascii")
    return hidden(f"imagebot:marker {encoded}", html=html)


def decode(body: str) -> Marker | None:
    """The first marker in a body, or None: absent, damaged, of another version, or oversized."""
    match = _MARKER.search(body)
    if match is None:
        return None
    try:
        values = json.loads(base64.b64decode(match[1], validate=True))
    except (binascii.Error, ValueError, RecursionError):
        return None
    return _checked(values) if isinstance(values, dict) and values.get("v") == VERSION else None


def block(content: str, marker: Marker, *, html: bool = True) -> str:
    """The bot's own part of a body: begin, content, marker, end."""
    begin, end = hidden("imagebot:begin", html=html), hidden("imagebot:end", html=html)
    return "\n\n".join(part for part in (begin, content, encode(marker, html=html), end) if part)


def merge_body(existing: str, rendered: str) -> str:
    """`existing` with its bot block replaced by `rendered`; what people wrote around it stays.

    Without a block, `rendered` goes below their text. Second blocks (copies) are dropped.
    """
    before, after = around(existing)
    return "\n\n".join(part for part in (before, rendered.strip(), after) if part)


def around(body: str) -> tuple[str, str]:
    """What people wrote above and below the bot's block, without the block's copies."""
    parts = _outside(body.replace("\r\n", "\n"))
    before = parts[0].strip()
    after = "\n\n".join(part.strip() for part in parts[1:] if part.strip())
    return before, after


def with_marker(body: str, marker: Marker, *, html: bool = True) -> str:
    """The body with another marker and every other character kept; a block is added if missing."""
    line = encode(marker, html=html)
    changed, count = _MARKER.subn(lambda _: line, body, count=1)
    return changed if count else merge_body(body, block("", marker, html=html))


def _outside(body: str) -> list[str]:
    """The pieces of text outside of begin..end. A begin without an end hides nothing."""
    pieces: list[str] = []
    position = 0
    while begin := _BEGIN.search(body, position):
        end = _END.search(body, begin.end())
        if end is None:
            break
        pieces.append(body[position : begin.start()])
        position = end.end()
    rest = _MARKER.sub("", _BEGIN.sub("", body[position:]))
    return [*pieces, rest]


def _checked(values: dict[str, object]) -> Marker | None:
    """A marker whose every field has its type, its alphabet and its length, else None."""
    words = [values.get(name, "") for name in ("fingerprint", "commit", "text", "closedBy")]
    texts = [values.get(name, "") for name in ("key", "title", "version")]
    lists = [values.get(name, []) for name in ("told", "history")]
    if not all(isinstance(word, str) and _WORD.fullmatch(word) for word in words):
        return None
    if not all(isinstance(text, str) and len(text) <= MAX_KEY for text in texts):
        return None
    if not all(_short_list(entries) for entries in lists):
        return None
    (seal, commit, text, closed_by), (key, title, version) = map(str, words), map(str, texts)
    told, history = (tuple(map(str, e)) for e in lists if isinstance(e, list))
    cleaned = tuple(clean(entry) for entry in history)
    return Marker(key, seal, commit, title, text, version, closed_by, told, cleaned)


def _short_list(entries: object) -> bool:
    return (
        isinstance(entries, list)
        and len(entries) <= MAX_HISTORY
        and all(isinstance(entry, str) and len(entry) <= MAX_TITLE for entry in entries)
    )
