"""What labels and annotations tell about an image: a short list of keys, and when it was made.

Pure. Labels are data by strangers: only known keys, no control characters, no long values.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone

MAX_VALUE = 500
_OCI = "org.opencontainers.image."
_OLD = "org.label-schema."
_KEYS = {
    "source": "vcs-url",
    "revision": "vcs-ref",
    "version": "version",
    "url": "url",
    "title": "name",
    "description": "description",
    "licenses": "",
    "created": "build-date",
}
"""Keys of the OCI image specification, each with its forerunner in label-schema."""

FIRST_IMAGE = datetime(2013, 3, 1, tzinfo=UTC)
"""Docker's first release. Reproducible builds write 1970, 1980 or the year 1: that is no time."""

_RFC3339 = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d):(\d\d)(?:\.(\d{1,18}))?"
    r"(?:([Zz])|([+-])(\d\d):(\d\d))",
    re.ASCII,
)


def known_labels(*sources: Mapping[str, str]) -> dict[str, str]:
    """The allowed OCI keys of all sources, a later source winning over an earlier one.

    An `org.label-schema` key stands in where its successor is missing in the same source.
    """
    found: dict[str, str] = {}
    for source in sources:
        for key, old in _KEYS.items():
            value = _clean(source.get(_OCI + key, "")) or _clean(source.get(_OLD + old, ""))
            if value:
                found[_OCI + key] = value
    return found


def created_of(
    annotations: Mapping[str, str], labels: Mapping[str, str], config_created: str
) -> str:
    """When an image was made, as it was written; empty when nobody says so credibly.

    A manifest's annotation counts first. A label counts unless it is older than the image's
    configuration: then it was inherited from the base image. The configuration counts last.
    """
    annotated = annotated_created(annotations)
    if annotated:
        return annotated
    config_time = parse_time(config_created)
    labelled = annotated_created(labels)
    label_time = parse_time(labelled)
    if label_time and (config_time is None or label_time >= config_time):
        return labelled
    return config_created if config_time else ""


def annotated_created(annotations: Mapping[str, str]) -> str:
    """The creation time that annotations or labels name, empty when it is no credible time."""
    for key in (f"{_OCI}created", f"{_OLD}build-date"):
        if parse_time(annotations.get(key, "")):
            return annotations[key]
    return ""


def parse_time(text: str) -> datetime | None:
    """An RFC 3339 time with its offset, to the microsecond; None for anything else.

    Times before the first container image count as none.
    """
    match = _RFC3339.fullmatch(text)
    if match is None:
        return None
    year, month, day, hour, minute, second = (int(part) for part in match.group(1, 2, 3, 4, 5, 6))
    micro = int((match[7] or "0")[:6].ljust(6, "0"))
    zone: timezone = UTC
    try:
        if match[9]:
            offset = timedelta(hours=int(match[10]), minutes=int(match[11]))
            zone = timezone(-offset if match[9] == "-" else offset)
        moment = datetime(year, month, day, hour, minute, second, micro, tzinfo=zone)
        credible = moment >= FIRST_IMAGE
    except (ValueError, OverflowError):
        return None
    return moment if credible else None


def _clean(text: str) -> str:
    """Text without control, format, surrogate or private characters, on one line, cut short."""
    spaced = (" " if char.isspace() else char for char in text[: 4 * MAX_VALUE])
    kept = "".join(char for char in spaced if unicodedata.category(char)[0] != "C")
    return kept.strip()[:MAX_VALUE]
