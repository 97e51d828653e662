"""What an embedded registry accepts: names, digests and sizes, and how it says no.

Knows the grammar and the error codes of the distribution specification. It refuses to know what
is kept, and HTTP beyond a status.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from imagebot.errors import InvalidReference, RegistryError
from imagebot.imageref import is_digest, parse_repository

_ALGORITHMS = frozenset({"sha256", "sha384", "sha512"})


class Refused(RegistryError):
    """The registry says no. `code` is a code of the distribution specification."""

    def __init__(self, status: int, code: str, message: str, detail: str = "") -> None:
        super().__init__(message, status=status)
        self.code = code
        self.detail = detail


@dataclass(frozen=True, slots=True)
class Limits:
    """What the registry takes at most, in bytes: one manifest, one blob, everything together."""

    manifest: int = 4 << 20
    blob: int = 256 << 20
    total: int = 1 << 30


def digest_of(data: bytes | bytearray, algorithm: str = "sha256") -> str:
    """The digest of `data` as text, `sha256:<64 hex digits>`."""
    return f"{algorithm}:{hashlib.new(algorithm, data).hexdigest()}"


def check_digest(data: bytes | bytearray, digest: str) -> None:
    """Raise Refused (DIGEST_INVALID) unless `data` has this digest, in a supported algorithm."""
    algorithm = digest.partition(":")[0]
    if not is_digest(digest) or algorithm not in _ALGORITHMS:
        raise Refused(400, "DIGEST_INVALID", "the digest is malformed or not supported", digest)
    if digest_of(data, algorithm) != digest:
        raise Refused(400, "DIGEST_INVALID", "the content does not have this digest", digest)


def check_name(name: str) -> None:
    """Raise Refused (NAME_INVALID) unless `name` is a repository's."""
    try:
        parse_repository(f"localhost/{name}")
    except InvalidReference as error:
        raise Refused(400, "NAME_INVALID", "this is no repository name", name) from error
