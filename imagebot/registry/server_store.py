"""What an embedded registry holds: blobs, manifests, tags and referrers.

Knows content, digests and the rules that keep a repository consistent; every method is safe to
call from several threads. It refuses to know HTTP: routes turn its refusals into answers.
"""

from __future__ import annotations

import bisect
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from imagebot.errors import RegistryError
from imagebot.imageref import is_digest, is_tag
from imagebot.registry.server_disk import Directory, SavedRepository
from imagebot.registry.server_manifest import Descriptor, Manifest, read_manifest
from imagebot.registry.server_rules import Limits, Refused, check_digest, check_name, digest_of


@dataclass(slots=True)
class _Repository:
    blobs: set[str] = field(default_factory=set)
    manifests: dict[str, Manifest] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    sorted_tags: list[str] | None = None


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

    # Room

    def reserve(self, added: int, size: int, limit: int) -> None:
        """Take room for `added` bytes of something that is now `size` bytes of at most `limit`.

        Raises Refused (SIZE_INVALID) when it, or everything together, is too large.
        """
        with self._lock:
            if size > limit or self._stored + added > self.limits.total:
                raise Refused(413, "SIZE_INVALID", "this is more than the registry takes")
            self._stored += added

    def release(self, size: int) -> None:
        """Give room back."""
        with self._lock:
            self._stored -= size

    # Inside

    def _known(self, name: str) -> _Repository:
        repository = self._repositories.get(name)
        if repository is None:
            check_name(name)
            raise Refused(404, "NAME_UNKNOWN", "the registry has no such repository", name)
        return repository

    def _open(self, name: str) -> _Repository:
        if name not in self._repositories:
            check_name(name)
            self._repositories[name] = _Repository()
        return self._repositories[name]

    def _check_parts(self, repository: _Repository, manifest: Manifest) -> None:
        for digest in manifest.children:
            if digest not in repository.manifests:
                raise Refused(404, "MANIFEST_BLOB_UNKNOWN", "a child manifest is missing", digest)
        for digest in manifest.blobs:
            if digest not in repository.blobs:
                raise Refused(404, "MANIFEST_BLOB_UNKNOWN", "a blob is missing", digest)

    def _keep(self, digest: str, data: bytes, limit: int) -> None:
        if digest in self._contents:
            return
        self.reserve(len(data), len(data), limit)
        if self._directory:
            self._directory.write_content(digest, data)
        self._contents[digest] = data

    def _forget(self, digest: str) -> None:
        for repository in self._repositories.values():
            if digest in repository.blobs or digest in repository.manifests:
                return
        self.release(len(self._contents.pop(digest)))
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
