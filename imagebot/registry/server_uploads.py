"""Unfinished uploads to an embedded registry: their bytes so far, chunk after chunk, in order.

Knows sessions and takes room for them in the store. It refuses to know what the bytes mean.
"""

from __future__ import annotations

import threading
import uuid
from dataclasses import dataclass, field

from imagebot.registry.server_rules import Refused, check_name
from imagebot.registry.server_store import Store

MAX_SESSIONS = 4096


@dataclass(slots=True)
class _Upload:
    name: str
    data: bytearray = field(default_factory=bytearray)


class Uploads:
    """The sessions of one registry. Safe to use from several threads; raises Refused."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._sessions: dict[str, _Upload] = {}

    def start(self, name: str) -> str:
        """Open an upload to a repository and return its session id."""
        check_name(name)
        session = uuid.uuid4().hex
        with self._lock:
            if len(self._sessions) >= MAX_SESSIONS:
                raise Refused(429, "TOOMANYREQUESTS", "too many uploads are unfinished")
            self._sessions[session] = _Upload(name)
        return session

    def size(self, name: str, session: str) -> int:
        """How many bytes an upload has so far."""
        with self._lock:
            return len(self._find(name, session).data)

    def append(self, name: str, session: str, data: bytes, start: int | None) -> int:
        """Add a chunk that begins at byte `start` (None: at the end) and return the new size."""
        with self._lock:
            held = self._find(name, session).data
            if start is not None and start != len(held):
                raise Refused(416, "BLOB_UPLOAD_INVALID", "the chunk is out of order")
            self._store.reserve(len(data), len(held) + len(data), self._store.limits.blob)
            held += data
            return len(held)

    def finish(self, name: str, session: str, digest: str) -> str:
        """Turn an upload into a blob. The session is over, whether that succeeds or not."""
        return self._store.put_blob(name, self._end(name, session), digest)

    def cancel(self, name: str, session: str) -> None:
        """Drop an upload and its bytes."""
        self._end(name, session)

    def _end(self, name: str, session: str) -> bytes:
        with self._lock:
            data = bytes(self._find(name, session).data)
            del self._sessions[session]
        self._store.release(len(data))
        return data

    def _find(self, name: str, session: str) -> _Upload:
        upload = self._sessions.get(session)
        if upload is None or upload.name != name:
            raise Refused(404, "BLOB_UPLOAD_UNKNOWN", "the registry has no such upload", session)
        return upload
