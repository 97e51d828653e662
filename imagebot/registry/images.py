"""Small, valid, deterministic images: the same arguments give the same digests everywhere.

Knows how an image is put together (layer, configuration, manifest, index, attestation), in OCI's
media types and in Docker's. It refuses to know what is inside a real image.
"""

from __future__ import annotations

import hashlib
import io
import json
import struct
import tarfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol, TypedDict, Unpack

from imagebot.registry import mediatypes as media

_GZIP_HEAD = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"
_PREDICATE = "https://slsa.dev/provenance/v1"
_UNKNOWN = {"architecture": "unknown", "os": "unknown"}


class ImageOptions(TypedDict, total=False):
    """What an image shall be.

    `platforms` are `os/architecture[/variant]`; `created` is RFC 3339 text, left out when empty;
    `labels` go to the configuration and `annotations` to the manifests; `payload` is the content
    of the one file in its layer. `flavour` chooses OCI's or Docker's media types. `index` False
    gives a plain manifest, of one platform. `attestation` adds BuildKit's entries of platform
    unknown/unknown, which exist in OCI's index only.
    """

    platforms: Sequence[str]
    created: str
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    payload: bytes
    flavour: Literal["oci", "docker"]
    index: bool
    attestation: bool


@dataclass(frozen=True, slots=True)
class Part:
    """One blob or manifest of an image."""

    media_type: str
    body: bytes = field(repr=False)

    @property
    def digest(self) -> str:
        """The SHA-256 digest of the body."""
        return f"sha256:{hashlib.sha256(self.body).hexdigest()}"

    def descriptor(self, **more: object) -> dict[str, Any]:
        """How a manifest points at this part."""
        found = {"mediaType": self.media_type, "digest": self.digest, "size": len(self.body)}
        return {**found, **more}


@dataclass(frozen=True, slots=True)
class Image:
    """An image's parts in an order in which a registry takes them. The last manifest is its top."""

    blobs: tuple[Part, ...]
    manifests: tuple[Part, ...]

    @property
    def digest(self) -> str:
        """The digest of the top: of the index, or of the only manifest."""
        return self.manifests[-1].digest


class Target(Protocol):
    """Where an image can be put; the embedded registry's store is one."""

    def put_blob(self, name: str, data: bytes) -> object:
        """Keep a blob in a repository."""

    def put_manifest(self, name: str, reference: str, media_type: str, body: bytes) -> object:
        """Keep a manifest under a tag or its digest."""


def push_image(target: Target, repository: str, tag: str, **options: Unpack[ImageOptions]) -> str:
    """Make an image, put it into `repository` under `tag`, and return its digest."""
    image = make_image(**options)
    for blob in image.blobs:
        target.put_blob(repository, blob.body)
    *children, top = image.manifests
    for child in children:
        target.put_manifest(repository, child.digest, child.media_type, child.body)
    target.put_manifest(repository, tag, top.media_type, top.body)
    return image.digest


def make_image(**options: Unpack[ImageOptions]) -> Image:
    """Make an image. Raises ValueError for options that fit no image."""
    platforms = options.get("platforms", ("linux/amd64",))
    docker = options.get("flavour", "oci") == "docker"
    index = options.get("index", True)
    attestation = options.get("attestation", False)
    if not platforms or (not index and len(platforms) > 1):
        raise ValueError("an index has a platform or more, a plain manifest has one")
    if attestation and (docker or not index):
        raise ValueError("attestations are entries of OCI's index")
    layer = _Layer.holding(options.get("payload", b""), docker=docker)
    images = [_platform_image(name, layer, options, docker=docker) for name in platforms]
    blobs = [layer.part, *(config for config, _, _ in images)]
    manifests = [manifest for _, manifest, _ in images]
    if not index:
        return Image(tuple(blobs), tuple(manifests))
    entries = [manifest.descriptor(platform=platform) for _, manifest, platform in images]
    if attestation:
        for subject in tuple(manifests):
            parts = list(_attestation_blobs(subject))
            blobs += parts
            manifests.append(_manifest(parts[0], parts[1:], {}, docker=False))
            entries.append(_attestation_entry(manifests[-1], subject))
    kind = media.DOCKER_LIST if docker else media.OCI_INDEX
    top = {"schemaVersion": 2, "mediaType": kind, "manifests": entries}
    notes = options.get("annotations", {})
    if notes and not docker:
        top["annotations"] = dict(notes)
    return Image(tuple(blobs), (*manifests, Part(kind, _json(top))))


@dataclass(frozen=True, slots=True)
class _Layer:
    part: Part
    diff_id: str

    @classmethod
    def holding(cls, payload: bytes, *, docker: bool) -> _Layer:
        """A layer with one file."""
        tar = io.BytesIO()
        with tarfile.open(fileobj=tar, mode="w", format=tarfile.USTAR_FORMAT) as archive:
            entry = tarfile.TarInfo("payload")
            entry.size = len(payload)
            archive.addfile(entry, io.BytesIO(payload))
        kind = media.DOCKER_LAYER if docker else media.OCI_LAYER
        plain = tar.getvalue()
        return cls(Part(kind, _gzip(plain)), f"sha256:{hashlib.sha256(plain).hexdigest()}")


def _platform_image(
    name: str, layer: _Layer, options: ImageOptions, *, docker: bool
) -> tuple[Part, Part, dict[str, str]]:
    """Configuration, manifest and platform of one of the image's platforms."""
    system, architecture, variant = (*name.split("/"), "")[:3]
    platform = {"architecture": architecture, "os": system}
    if variant:
        platform["variant"] = variant
    created = options.get("created", "")
    dated = {"created": created} if created else {}
    body = {
        **dated,
        **platform,
        "config": {"Labels": dict(options.get("labels", {}))},
        "rootfs": {"type": "layers", "diff_ids": [layer.diff_id]},
        "history": [{**dated, "created_by": "imagebot"}],
    }
    config = Part(media.DOCKER_CONFIG if docker else media.OCI_CONFIG, _json(body))
    notes = {} if docker else options.get("annotations", {})
    return config, _manifest(config, [layer.part], notes, docker=docker), platform


def _manifest(
    config: Part, layers: Sequence[Part], annotations: Mapping[str, str], *, docker: bool
) -> Part:
    kind = media.DOCKER_MANIFEST if docker else media.OCI_MANIFEST
    body: dict[str, Any] = {
        "schemaVersion": 2,
        "mediaType": kind,
        "config": config.descriptor(),
        "layers": [layer.descriptor() for layer in layers],
    }
    if annotations:
        body["annotations"] = dict(annotations)
    return Part(kind, _json(body))


def _attestation_blobs(subject: Part) -> Iterator[Part]:
    """Configuration and statement of an attestation manifest, as BuildKit lays them out."""
    digest = subject.digest.removeprefix("sha256:")
    statement = _json(
        {
            "_type": "https://in-toto.io/Statement/v1",
            "predicateType": _PREDICATE,
            "subject": [{"name": "_", "digest": {"sha256": digest}}],
            "predicate": {},
        }
    )
    layers = {"type": "layers", "diff_ids": [Part("", statement).digest]}
    yield Part(media.OCI_CONFIG, _json({**_UNKNOWN, "config": {}, "rootfs": layers}))
    yield Part(media.IN_TOTO, statement)


def _attestation_entry(attestation: Part, subject: Part) -> dict[str, Any]:
    notes = {media.REFERENCE_DIGEST: subject.digest, media.REFERENCE_TYPE: media.ATTESTATION}
    return attestation.descriptor(annotations=notes, platform=_UNKNOWN)


def _gzip(data: bytes) -> bytes:
    """A gzip stream of stored blocks: compressors differ between machines, this does not."""
    packer = zlib.compressobj(0, zlib.DEFLATED, -zlib.MAX_WBITS)
    body = packer.compress(data) + packer.flush()
    return _GZIP_HEAD + body + struct.pack("<II", zlib.crc32(data), len(data) & 0xFFFFFFFF)


def _json(document: object) -> bytes:
    return json.dumps(document, separators=(",", ":"), sort_keys=True).encode()
