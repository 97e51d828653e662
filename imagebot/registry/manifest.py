"""What manifests, indexes and image configurations say. Pure: bytes in, checked values out.

Knows the OCI and Docker schemas. It trusts no length, no media type and no label: a label is
data that somebody else wrote. It refuses to know how any of it was fetched.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from imagebot.errors import RegistryError
from imagebot.http import NotJson, parse_json
from imagebot.imageref import is_digest
from imagebot.registry.mediatypes import (
    ATTESTATION,
    DOCKER_CONFIG,
    DOCKER_LIST,
    DOCKER_MANIFEST,
    INDEXES,
    MANIFESTS,
    OCI_CONFIG,
    OCI_INDEX,
    OCI_MANIFEST,
    REFERENCE_TYPE,
)

ACCEPT = f"{OCI_INDEX}, {OCI_MANIFEST}, {DOCKER_LIST}, {DOCKER_MANIFEST}"
"""The Accept header that makes a registry serve what is stored instead of converting it."""

MAX_ENTRIES = 64
_IMAGE_CONFIGS = frozenset({OCI_CONFIG, DOCKER_CONFIG})
_SHAPELESS = frozenset({"", "application/json", "application/octet-stream", "text/plain"})
_SCHEMA_1 = "application/vnd.docker.distribution.manifest.v1+"
_PLATFORM_PART = re.compile(r"[A-Za-z0-9._-]{1,64}")
_HASHES = {"sha256", "sha384", "sha512"}


@dataclass(frozen=True, slots=True)
class Descriptor:
    """What points at another piece of content. `platform` is empty when none is given."""

    media_type: str
    digest: str
    size: int
    platform: str = ""
    annotations: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Manifest:
    """One image for one platform. `config` is None for what is no image; `size` is in bytes."""

    media_type: str
    config: Descriptor | None
    size: int
    annotations: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Index:
    """Images for several platforms, attestations left out. An entry may be an index itself."""

    media_type: str
    entries: tuple[Descriptor, ...]
    annotations: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Config:
    """What an image says about itself: RFC 3339 `created`, `os/architecture[/variant]`, labels."""

    created: str = ""
    platform: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)


def check_digest(body: bytes, expected: str, what: str) -> None:
    """Raise RegistryError unless `body` has the digest `expected`."""
    algorithm, _, _ = expected.partition(":")
    if not is_digest(expected) or algorithm not in _HASHES:
        raise RegistryError(f"{what}: the digest {expected[:80]!r} is of no known kind")
    if digest_of(body, algorithm) != expected:
        raise RegistryError(f"{what}: the content does not have the digest {expected}")


def digest_of(body: bytes, algorithm: str = "sha256") -> str:
    """The digest of some bytes."""
    return f"{algorithm}:{hashlib.new(algorithm, body).hexdigest()}"


def read_manifest(body: bytes, content_type: str, what: str) -> Manifest | Index:
    """A manifest or index whose type, content and Content-Type agree. Raises RegistryError."""
    document = _object(body, what)
    kind = _kind(document, content_type, what)
    annotations = _texts(document.get("annotations"))
    if kind in INDEXES:
        return Index(kind, _entries(document, what), annotations)
    layers = _list(document.get("layers"), f"{what}: layers")
    config = _descriptor(document.get("config"), f"{what}: config")
    size = config.size + sum(_size(layer) for layer in layers)
    is_image = config.media_type in _IMAGE_CONFIGS
    return Manifest(kind, config if is_image else None, size, annotations)


def read_config(body: bytes, what: str) -> Config:
    """An image configuration. Raises RegistryError."""
    document = _object(body, what)
    inner = document.get("config")
    created = document.get("created")
    return Config(
        created=created if isinstance(created, str) else "",
        platform=_platform(document),
        labels=_texts(inner.get("Labels") if isinstance(inner, dict) else None),
    )


def _object(body: bytes, what: str) -> dict[str, Any]:
    try:
        document = parse_json(body)
    except NotJson as error:
        raise RegistryError(f"{what}: it is not JSON: {error}") from None
    if not isinstance(document, dict):
        raise RegistryError(f"{what}: it is no JSON object")
    return document


def _kind(document: dict[str, Any], content_type: str, what: str) -> str:
    """The media type. Header and body must agree, so that no two readers see two things."""
    served = content_type.partition(";")[0].strip().lower()
    named = document.get("mediaType", "")
    if not isinstance(named, str):
        raise RegistryError(f"{what}: its media type is no text")
    if served.startswith(_SCHEMA_1) or document.get("schemaVersion") == 1:
        raise RegistryError(f"{what}: manifests of schema 1 are too old to be read")
    has_layers, has_manifests = "layers" in document, "manifests" in document
    if has_layers == has_manifests:
        both = "both an image and an index" if has_layers else "neither an image nor an index"
        raise RegistryError(f"{what}: it is {both}")
    if served in _SHAPELESS:
        served = named or (OCI_INDEX if has_manifests else OCI_MANIFEST)
    if named not in ("", served):
        raise RegistryError(f"{what}: served as {served[:80]!r}, but it calls itself otherwise")
    if served not in MANIFESTS or (served in INDEXES) != has_manifests:
        raise RegistryError(f"{what}: its media type {served[:80]!r} does not fit its content")
    return str(served)


def _entries(document: dict[str, Any], what: str) -> tuple[Descriptor, ...]:
    listed = _list(document.get("manifests"), f"{what}: manifests")
    if len(listed) > MAX_ENTRIES:
        raise RegistryError(f"{what}: the index lists more than {MAX_ENTRIES} manifests")
    entries = [_descriptor(entry, f"{what}: manifests") for entry in listed]
    return tuple(
        entry
        for entry in entries
        if entry.platform != "unknown/unknown"
        and entry.annotations.get(REFERENCE_TYPE) != ATTESTATION
    )


def _descriptor(value: Any, what: str) -> Descriptor:
    if not isinstance(value, dict) or not isinstance(value.get("digest"), str):
        raise RegistryError(f"{what}: a descriptor without a digest")
    if not is_digest(value["digest"]):
        raise RegistryError(f"{what}: {value['digest'][:80]!r} is no digest")
    media_type = value.get("mediaType")
    platform = value.get("platform")
    return Descriptor(
        media_type=media_type if isinstance(media_type, str) else "",
        digest=value["digest"],
        size=_size(value),
        platform=_platform(platform) if isinstance(platform, dict) else "",
        annotations=_texts(value.get("annotations")),
    )


def _platform(value: dict[str, Any]) -> str:
    parts = [value.get("os"), value.get("architecture")]
    if value.get("variant"):
        parts.append(value["variant"])
    if not all(isinstance(part, str) and _PLATFORM_PART.fullmatch(part) for part in parts):
        return ""
    return "/".join(map(str, parts))


def _size(value: Any) -> int:
    size = value.get("size") if isinstance(value, dict) else None
    return size if isinstance(size, int) and not isinstance(size, bool) and size > 0 else 0


def _list(value: Any, what: str) -> list[Any]:
    if value is None:
        return []
    if not isinstance(value, list):
        raise RegistryError(f"{what}: it is no list")
    return value


def _texts(value: Any) -> dict[str, str]:
    """The pairs of texts of a JSON object; anything else in it is left out."""
    if not isinstance(value, dict):
        return {}
    return {key: text for key, text in value.items() if isinstance(text, str)}
