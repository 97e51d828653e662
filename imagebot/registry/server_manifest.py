"""What a registry must know of a manifest: its kind, what it points at, what it refers to.

Knows the JSON of image manifests and indexes, OCI's and Docker's. It refuses to know where they
are kept and whether the things they point at exist.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from imagebot.errors import RegistryError
from imagebot.imageref import is_digest
from imagebot.registry.mediatypes import INDEXES, MANIFESTS

Descriptor = dict[str, Any]
"""A descriptor of the OCI image specification, ready to be written as JSON."""


@dataclass(frozen=True, slots=True)
class Manifest:
    """A manifest that passed the checks. `blobs` and `children` are digests it points at."""

    digest: str
    media_type: str
    body: bytes = field(repr=False)
    blobs: tuple[str, ...] = ()
    children: tuple[str, ...] = ()
    subject: str = ""
    artifact_type: str = ""
    annotations: Mapping[str, str] = field(default_factory=dict)

    def descriptor(self) -> Descriptor:
        """How an index points at this manifest; the referrers list is made of these."""
        found: Descriptor = {
            "mediaType": self.media_type,
            "digest": self.digest,
            "size": len(self.body),
        }
        if self.artifact_type:
            found["artifactType"] = self.artifact_type
        if self.annotations:
            found["annotations"] = dict(self.annotations)
        return found


def read_manifest(digest: str, media_type: str, body: bytes) -> Manifest:
    """Check a manifest's JSON against its media type. Raises RegistryError with the reason.

    An empty `media_type` takes the one that the body states.
    """
    document = _object(body)
    stated = document.get("mediaType", "")
    media_type = media_type.partition(";")[0].strip() or stated
    if media_type not in MANIFESTS:
        raise RegistryError("the media type is no manifest's")
    if stated not in {"", media_type}:
        raise RegistryError("the body states another media type than the request")
    is_index = media_type in INDEXES
    if ("manifests" in document) != is_index or ("config" in document) == is_index:
        raise RegistryError("the body does not have the shape of its media type")
    config = {} if is_index else _descriptor(document.get("config"))
    layers = [] if is_index else list(_descriptors(document, "layers"))
    children = list(_descriptors(document, "manifests")) if is_index else []
    subject = _descriptor(document["subject"])["digest"] if "subject" in document else ""
    return Manifest(
        digest=digest,
        media_type=media_type,
        body=body,
        # Layers with URLs live elsewhere: the specification lets a registry not have them.
        blobs=tuple(each["digest"] for each in [config, *layers] if each and "urls" not in each),
        children=tuple(each["digest"] for each in children),
        subject=subject,
        artifact_type=str(document.get("artifactType") or config.get("mediaType") or ""),
        annotations=_annotations(document),
    )


def _object(body: bytes) -> dict[str, Any]:
    try:
        document = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise RegistryError("the body is no JSON") from error
    if not isinstance(document, dict) or document.get("schemaVersion") != 2:  # noqa: PLR2004 - the name of the format
        raise RegistryError("the body is no manifest of schema version 2")
    return document


def _descriptors(document: Mapping[str, Any], key: str) -> Iterator[Descriptor]:
    listed = document.get(key)
    if not isinstance(listed, list):
        raise RegistryError(f"{key} is no list")
    yield from map(_descriptor, listed)


def _descriptor(value: object) -> Descriptor:
    if not isinstance(value, dict) or not isinstance(value.get("mediaType"), str):
        raise RegistryError("a descriptor has no media type")
    digest = value.get("digest")
    if not isinstance(digest, str) or not is_digest(digest):
        raise RegistryError("a descriptor has no digest")
    return value


def _annotations(document: Mapping[str, Any]) -> dict[str, str]:
    found = document.get("annotations") or {}
    if not isinstance(found, dict) or not all(isinstance(v, str) for v in found.values()):
        raise RegistryError("annotations map text to text")
    return found
