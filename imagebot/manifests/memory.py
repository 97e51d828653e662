"""A scan as a line of JSON, so that an unchanged file need not be scanned again.

Knows the values of a scan and their order in the line. It refuses to know where the line is kept
and for how long: whoever keeps it makes `SCANNER_VERSION`, path and content part of the key.
"""

from __future__ import annotations

import json
from typing import Any

from imagebot.errors import ImagebotError, Where
from imagebot.imageref import ImageRef, Repository
from imagebot.model import FileScan, ImageUse, Skipped, Slot


def dump(scan: FileScan) -> str:
    """A scan as ASCII text without line breaks; the empty scan is the empty text."""
    if not (scan.uses or scan.skipped):
        return ""
    values = [
        [_use(use) for use in scan.uses],
        [[_where(skipped.where), skipped.reason] for skipped in scan.skipped],
    ]
    return json.dumps(values, separators=(",", ":"))


def load(text: str) -> FileScan:
    """The scan that `dump` wrote. Raises ImagebotError for any other text."""
    if not text:
        return FileScan()
    try:
        uses, skipped = json.loads(text)
        return FileScan(
            tuple(_read_use(use) for use in uses),
            tuple(Skipped(_read_where(where), reason) for where, reason in skipped),
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


def _where(where: Where) -> list[Any]:
    return [where.path, where.line, where.column]


def _read_where(values: list[Any]) -> Where:
    path, line, column = values
    return Where(path, line, column)
