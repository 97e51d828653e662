"""A scan as a line of JSON, so that an unchanged file need not be scanned again.

Knows the values of a scan and their order in the line. It refuses to know where the line is kept
and for how long: whoever keeps it makes `SCANNER_VERSION`, path and content part of the key.
"""

from __future__ import annotations

import json
from typing import Any

from imagebot.errors import ImagebotError, Where
from imagebot.governing import Marker, PolicyObject, Setting
from imagebot.imageref import ImageRef, Repository
from imagebot.model import FileScan, ImageUse, Skipped, Slot


def dump(scan: FileScan) -> str:
    """A scan as ASCII text without line breaks; the empty scan is the empty text.

    What `imagebot.compat` adds to a use afterwards is no part of it: it depends on other files.
    """
    if scan == FileScan():
        return ""
    values = [
        [_use(use) for use in scan.uses],
        [[_where(skip.where), skip.reason, skip.whole] for skip in scan.skipped],
        [_object(found) for found in scan.objects],
        [_marker(marker) for marker in scan.markers],
    ]
    return json.dumps(values, separators=(",", ":"))


def load(text: str) -> FileScan:
    """The scan that `dump` wrote. Raises ImagebotError for any other text."""
    if not text:
        return FileScan()
    try:
        uses, skipped, objects, markers = json.loads(text)
        return FileScan(
            tuple(_read_use(use) for use in uses),
            tuple(Skipped(_read_where(where), why, whole) for where, why, whole in skipped),
            tuple(_read_object(values) for values in objects),
            tuple(_read_marker(values) for values in markers),
        )
    except (ValueError, TypeError, RecursionError) as error:
        raise ImagebotError("a remembered scan is damaged", hint="scan the file again") from error


def _use(use: ImageUse) -> list[Any]:
    image, repository = use.image, use.image.repository
    return [
        use.kind,
        use.label,
        [image.name, repository.host, repository.path, repository.engine, image.tag, image.digest],
        [[s.role, s.document, s.keys, s.text, _where(s.where)] for s in use.slots],
        _where(use.where),
    ]


def _read_use(values: list[Any]) -> ImageUse:
    kind, label, (name, host, path, engine, tag, digest), slots, where = values
    return ImageUse(
        kind,
        label,
        ImageRef(name, Repository(host, path, engine), tag, digest),
        tuple(
            Slot(role, document, tuple(keys), held, _read_where(place))
            for role, document, keys, held, place in slots
        ),
        _read_where(where),
    )


def _object(found: PolicyObject) -> list[Any]:
    settings = [[s.keys, s.text, _where(s.where)] for s in found.settings]
    return [found.kind, found.namespace, found.name, settings, _where(found.where)]


def _read_object(values: list[Any]) -> PolicyObject:
    kind, namespace, name, settings, where = values
    return PolicyObject(
        kind,
        namespace,
        name,
        tuple(Setting(tuple(keys), held, _read_where(place)) for keys, held, place in settings),
        _read_where(where),
    )


def _marker(marker: Marker) -> list[Any]:
    return [
        [marker.policy, marker.part, marker.label],
        [marker.document, marker.keys, marker.text, _where(marker.scalar)],
        _where(marker.where),
        [marker.fault, marker.problem, marker.fix],
    ]


def _read_marker(values: list[Any]) -> Marker:
    (policy, part, label), (document, keys, held, scalar), where, (fault, problem, fix) = values
    return Marker(
        policy,
        part,
        label,
        document,
        tuple(keys),
        held,
        _read_where(scalar),
        _read_where(where),
        fault,
        problem,
        fix,
    )


def _where(where: Where) -> list[Any]:
    return [where.path, where.line, where.column]


def _read_where(values: list[Any]) -> Where:
    path, line, column = values
    return Where(path, line, column)
