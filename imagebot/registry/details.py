"""What a manifest or index amounts to: platforms, time, labels, size.

Knows which of an index's images must be read to say so, and reads no more: every read counts
against somebody's pull limit. It refuses to know how they are read.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from imagebot.errors import RegistryError
from imagebot.registry.labels import annotated_created, created_of, known_labels, parse_time
from imagebot.registry.manifest import MAX_ENTRIES, Config, Descriptor, Index, Manifest
from imagebot.registry.mediatypes import INDEXES

MAX_NESTING = 2
_PREFERRED = ("linux/amd64", "linux/arm64", "linux/arm64/v8")


class Source(Protocol):
    """Where the parts of one repository's images are read. Every method raises RegistryError."""

    @property
    def name(self) -> str:
        """What to call the repository in a message."""
        ...

    def manifest(self, digest: str) -> Manifest | Index:
        """The manifest or index with this digest, verified."""
        ...

    def config(self, descriptor: Descriptor) -> Config:
        """The image configuration that a manifest points at, verified."""
        ...


@dataclass(frozen=True, slots=True)
class Summary:
    """What ImageDetails says beyond digest and media type, in the same units."""

    created: str
    platforms: tuple[str, ...]
    labels: Mapping[str, str]
    size: int


def summarize(content: Manifest | Index, source: Source) -> Summary:
    """Everything about an image. Raises RegistryError when any part of it cannot be read.

    For several platforms the time is the newest one's and the size that of linux/amd64, 0 when
    there was no need to read it.
    """
    return _several(content, source) if isinstance(content, Index) else _single(content, source)


def _single(manifest: Manifest, source: Source) -> Summary:
    config = source.config(manifest.config) if manifest.config else Config()
    return Summary(
        created=created_of(manifest.annotations, config.labels, config.created),
        platforms=(config.platform,) if config.platform else (),
        labels=known_labels(config.labels, manifest.annotations),
        size=manifest.size,
    )


def _several(index: Index, source: Source) -> Summary:
    entries = _flat(index, source, MAX_NESTING)
    if not entries:
        raise RegistryError(f"{source.name}: the index holds no image")
    first = next((e for p in _PREFERRED for e in entries if e.platform == p), entries[0])
    created = annotated_created(index.annotations) or _newest(
        [annotated_created(entry.annotations) for entry in entries]
    )
    labels = known_labels(first.annotations, index.annotations)
    read: dict[str, Summary] = {}
    if not created or not all(entry.platform for entry in entries):
        read = {entry.digest: _child(entry, source) for entry in entries}
    elif not labels.keys() - {"org.opencontainers.image.created"}:
        read = {first.digest: _child(first, source)}
    chosen = read.get(first.digest, Summary("", (), {}, 0))
    platforms = [
        platform
        for entry in entries
        for platform in ((entry.platform,) if entry.platform else read[entry.digest].platforms)
    ]
    return Summary(
        created=created or _newest([image.created for image in read.values()]),
        platforms=tuple(dict.fromkeys(platforms)),
        labels={**chosen.labels, **labels},
        size=chosen.size,
    )


def _child(entry: Descriptor, source: Source) -> Summary:
    content = source.manifest(entry.digest)
    if isinstance(content, Index):
        raise RegistryError(
            f"{source.name}: {entry.digest} is listed as an image, but it is an index"
        )
    return _single(content, source)


def _flat(index: Index, source: Source, nesting: int) -> tuple[Descriptor, ...]:
    """The images of an index and of the indexes in it."""
    found: list[Descriptor] = []
    for entry in index.entries:
        if entry.media_type not in INDEXES:
            found.append(entry)
            continue
        if nesting == 0:
            raise RegistryError(f"{source.name}: indexes are nested too deep")
        inner = source.manifest(entry.digest)
        if not isinstance(inner, Index):
            raise RegistryError(
                f"{source.name}: {entry.digest} is listed as an index, but it is an image"
            )
        found += _flat(inner, source, nesting - 1)
        if len(found) > MAX_ENTRIES:
            raise RegistryError(f"{source.name}: the indexes hold more than {MAX_ENTRIES} images")
    return tuple(found)


def _newest(times: Sequence[str]) -> str:
    """The newest of some times as written; empty unless every one of them is known."""
    moments = [(moment, text) for text in times if (moment := parse_time(text))]
    return max(moments)[1] if moments and len(moments) == len(times) else ""
