"""What an embedded registry holds: blobs, manifests, tags, referrers and unfinished uploads.

Knows content, digests and the rules that keep a repository consistent; every method is safe to
call from several threads. It refuses to know HTTP: routes turn its refusals into answers.
"""

from __future__ import annotations

import bisect
import hashlib
import threading
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from imagebot.errors import InvalidReference, RegistryError
from imagebot.imageref import is_digest, is_tag, parse_repository
from imagebot.registry.server_disk import Directory, SavedRepository
from imagebot.registry.server_manifest import Descriptor, Manifest, read_manifest

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


@dataclass(slots=True)
class _Repository:
    blobs: set[str] = field(default_factory=set)
    manifests: dict[str, Manifest] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    sorted_tags: list[str] | None = None


@dataclass(slots=True)
class _Upload:
    name: str
    data: bytearray = field(default_factory=bytearray)


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


class Store:
    """The content of a registry, in memory; with a `directory`, every change is kept there too.

    Raises RegistryError when the directory holds something that is no registry's content, and
    Refused for a request against the rules.
    """

    def __init__(self, directory: Path | None = None, limits: Limits | None = None) -> None:
        self.limits = limits or Limits()
        self._lock = threading.RLock()
        self._contents: dict[str, bytes] = {}
        self._repositories: dict[str, _Repository] = {}
        self._uploads: dict[str, _Upload] = {}
        self._stored = 0
        self._directory = Directory(directory) if directory else None
        if self._directory:
            self._load(self._directory)

    # Blobs

    def put_blob(self, name: str, data: bytes, digest: str = "") -> str:
        """Keep a blob in a repository and return its digest, which `digest` must equal if given."""
        if digest:
            check_digest(data, digest)
        digest = digest or digest_of(data)
        with self._lock:
            repository = self._open(name)
            self._keep(digest, data, self.limits.blob)
            if digest not in repository.blobs:
                repository.blobs.add(digest)
                self._save(name)
        return digest

    def mount_blob(self, name: str, digest: str, source: str) -> bool:
        """Take over a blob from another repository; False when it is not there."""
        with self._lock:
            other = self._repositories.get(source)
            if other is None or digest not in other.blobs:
                return False
            self._open(name).blobs.add(digest)
            self._save(name)
        return True

    def blob(self, name: str, digest: str) -> bytes:
        """The content of a blob of this repository."""
        with self._lock:
            if digest in self._known(name).blobs:
                return self._contents[digest]
        if not is_digest(digest):
            raise Refused(400, "DIGEST_INVALID", "this is no digest", digest)
        raise Refused(404, "BLOB_UNKNOWN", "the repository has no such blob", digest)

    def delete_blob(self, name: str, digest: str) -> None:
        """Remove a blob from this repository; other repositories keep theirs."""
        with self._lock:
            self.blob(name, digest)
            self._known(name).blobs.discard(digest)
            self._forget(digest)
            self._save(name)

    # Uploads

    def start_upload(self, name: str) -> str:
        """Open an upload and return its session id."""
        _check_name(name)
        session = uuid.uuid4().hex
        with self._lock:
            self._uploads[session] = _Upload(name)
        return session

    def upload_size(self, name: str, session: str) -> int:
        """How many bytes an unfinished upload has so far."""
        with self._lock:
            return len(self._upload(name, session).data)

    def append_upload(self, name: str, session: str, data: bytes, start: int | None) -> int:
        """Add a chunk that begins at byte `start` (None: at the end) and return the new size."""
        with self._lock:
            upload = self._upload(name, session)
            if start is not None and start != len(upload.data):
                raise Refused(416, "BLOB_UPLOAD_INVALID", "the chunk is out of order")
            self._make_room(len(upload.data) + len(data), len(data), self.limits.blob)
            upload.data += data
            self._stored += len(data)
            return len(upload.data)

    def finish_upload(self, name: str, session: str, digest: str) -> str:
        """Turn an upload into a blob. The session is over, whether that succeeds or not."""
        with self._lock:
            data = bytes(self._upload(name, session).data)
            self.cancel_upload(name, session)
            return self.put_blob(name, data, digest)

    def cancel_upload(self, name: str, session: str) -> None:
        """Drop an unfinished upload and its bytes."""
        with self._lock:
            self._stored -= len(self._upload(name, session).data)
            del self._uploads[session]

    # Manifests

    def put_manifest(self, name: str, reference: str, media_type: str, body: bytes) -> Manifest:
        """Keep a manifest under a tag or its own digest. What it points at must be there."""
        if ":" in reference:
            check_digest(body, reference)
        elif not is_tag(reference):
            raise Refused(400, "MANIFEST_INVALID", "this is no tag", reference)
        if len(body) > self.limits.manifest:
            raise Refused(
                413, "SIZE_INVALID", f"manifests are {self.limits.manifest} bytes at most"
            )
        digest = reference if ":" in reference else digest_of(body)
        try:
            manifest = read_manifest(digest, media_type, body)
        except RegistryError as error:
            raise Refused(400, "MANIFEST_INVALID", error.message) from error
        with self._lock:
            repository = self._open(name)
            self._check_parts(repository, manifest)
            self._keep(digest, body, self.limits.manifest)
            repository.manifests[digest] = manifest
            if ":" not in reference:
                repository.tags[reference] = digest
                repository.sorted_tags = None
            self._save(name)
        return manifest

    def manifest(self, name: str, reference: str) -> Manifest:
        """The manifest that a tag or digest of this repository names now."""
        with self._lock:
            repository = self._known(name)
            digest = repository.tags.get(reference, reference)
            manifest = repository.manifests.get(digest)
        if manifest is None:
            raise Refused(404, "MANIFEST_UNKNOWN", "the repository has no such manifest", reference)
        return manifest

    def delete_manifest(self, name: str, reference: str) -> None:
        """Remove a tag, or a manifest by digest together with every tag that names it."""
        with self._lock:
            digest = self.manifest(name, reference).digest
            repository = self._known(name)
            if reference in repository.tags:
                del repository.tags[reference]
            else:
                del repository.manifests[digest]
                kept = {tag: at for tag, at in repository.tags.items() if at != digest}
                repository.tags = kept
                self._forget(digest)
            repository.sorted_tags = None
            self._save(name)

    # Discovery

    def tags(self, name: str, limit: int, after: str = "") -> tuple[Sequence[str], bool]:
        """At most `limit` tags behind `after` in byte order, and whether more follow."""
        with self._lock:
            repository = self._known(name)
            if repository.sorted_tags is None:
                repository.sorted_tags = sorted(repository.tags)
            tags = repository.sorted_tags
        start = bisect.bisect_right(tags, after) if after else 0
        return tags[start : start + limit], start + limit < len(tags)

    def referrers(self, name: str, subject: str, artifact_type: str = "") -> list[Descriptor]:
        """Descriptors of the manifests whose subject is `subject`, in order of their digests."""
        if not is_digest(subject):
            raise Refused(400, "DIGEST_INVALID", "this is no digest", subject)
        with self._lock:
            repository = self._repositories.get(name)
            manifests = sorted(repository.manifests.items()) if repository else []
        return [
            manifest.descriptor()
            for _, manifest in manifests
            if manifest.subject == subject and artifact_type in {"", manifest.artifact_type}
        ]

    # Inside

    def _known(self, name: str) -> _Repository:
        repository = self._repositories.get(name)
        if repository is None:
            _check_name(name)
            raise Refused(404, "NAME_UNKNOWN", "the registry has no such repository", name)
        return repository

    def _open(self, name: str) -> _Repository:
        if name not in self._repositories:
            _check_name(name)
            self._repositories[name] = _Repository()
        return self._repositories[name]

    def _upload(self, name: str, session: str) -> _Upload:
        upload = self._uploads.get(session)
        if upload is None or upload.name != name:
            raise Refused(404, "BLOB_UPLOAD_UNKNOWN", "the registry has no such upload", session)
        return upload

    def _check_parts(self, repository: _Repository, manifest: Manifest) -> None:
        for digest in manifest.children:
            if digest not in repository.manifests:
                raise Refused(404, "MANIFEST_BLOB_UNKNOWN", "a child manifest is missing", digest)
        for digest in manifest.blobs:
            if digest not in repository.blobs:
                raise Refused(404, "MANIFEST_BLOB_UNKNOWN", "a blob is missing", digest)

    def _make_room(self, size: int, added: int, limit: int) -> None:
        if size > limit or self._stored + added > self.limits.total:
            raise Refused(413, "SIZE_INVALID", "this is more than the registry takes")

    def _keep(self, digest: str, data: bytes, limit: int) -> None:
        if digest in self._contents:
            return
        self._make_room(len(data), len(data), limit)
        if self._directory:
            self._directory.write_content(digest, data)
        self._contents[digest] = data
        self._stored += len(data)

    def _forget(self, digest: str) -> None:
        for repository in self._repositories.values():
            if digest in repository.blobs or digest in repository.manifests:
                return
        self._stored -= len(self._contents.pop(digest))
        if self._directory:
            self._directory.remove_content(digest)

    def _save(self, name: str) -> None:
        if self._directory:
            self._directory.write_repository(name, self._saved(self._repositories[name]))

    def _saved(self, repository: _Repository) -> SavedRepository:
        types = {digest: m.media_type for digest, m in repository.manifests.items()}
        return SavedRepository(sorted(repository.blobs), types, dict(repository.tags))

    def _load(self, directory: Directory) -> None:
        for digest, data in directory.contents():
            check_digest(data, digest)
            self._contents[digest] = data
            self._stored += len(data)
        for name, saved in directory.repositories():
            repository = self._open(name)
            repository.blobs = set(saved.blobs)
            repository.tags = dict(saved.tags)
            repository.manifests = dict(self._manifests(saved))

    def _manifests(self, saved: SavedRepository) -> Iterator[tuple[str, Manifest]]:
        for digest, media_type in saved.manifests.items():
            if digest not in self._contents:
                raise RegistryError(f"the registry's directory has lost the manifest {digest}")
            yield digest, read_manifest(digest, media_type, self._contents[digest])


def _check_name(name: str) -> None:
    try:
        parse_repository(f"localhost/{name}")
    except InvalidReference as error:
        raise Refused(400, "NAME_INVALID", "this is no repository name", name) from error
