"""Names that outlive a run: the branch of a group, and the fingerprint of a wanted end state.

Knows how a key becomes a valid git ref. It refuses to know versions: a newer tag keeps its branch.
"""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from collections.abc import Sequence

from imagebot.model import Edit

BRANCH_PREFIX = "imagebot/"
MAX_SLUG = 60
_HASH_DIGITS = 8
_FINGERPRINT_DIGITS = 32
_OTHER = re.compile(r"[^a-z0-9]+")


def branch_name(base: str, key: str) -> str:
    """The branch of a group: `imagebot/<slug>-<8 hex digits>`, at most 100 characters.

    Depends on the base branch and the key alone. The slug is for people; the digits tell apart
    keys whose slugs are equal. Lower-case ASCII only, so file systems that fold case are safe.
    """
    plain = unicodedata.normalize("NFKD", key).encode("ascii", "ignore").decode("ascii")
    slug = _OTHER.sub("-", plain.lower())[:MAX_SLUG].strip("-") or "update"
    return f"{BRANCH_PREFIX}{slug}-{_digest([base, key])[:_HASH_DIGITS]}"


def fingerprint(edits: Sequence[Edit]) -> str:
    """What the files shall say in the end, as 32 hex digits.

    Covers every place and its new text, in any order. Texts before the edit do not count: the
    same end state wanted from another start is the same wish.
    """
    wanted = {json.dumps([e.path, e.document, list(e.keys), e.new]) for e in edits}
    return _digest(sorted(wanted))[:_FINGERPRINT_DIGITS]


def _digest(value: list[str]) -> str:
    """SHA-256 of a list of strings. JSON keeps the borders between them, and is plain ASCII."""
    return hashlib.sha256(json.dumps(value).encode("ascii")).hexdigest()
