"""Semantic versions as tags spell them: lenient parsing and precedence.

Knows the dialect shared by Flux, Argo CD Image Updater, Kargo and Helm: an optional lower-case
`v`, one to three numbers, a prerelease, metadata. Refuses to know ranges and policies.
"""

from __future__ import annotations

import re

PreIdentifier = tuple[int, int, str] | tuple[int]
VersionKey = tuple[int, int, int, tuple[PreIdentifier, ...]]
"""Precedence of a version: compares as the version does. Metadata and spelling are not in it."""

RELEASE: tuple[PreIdentifier, ...] = ((2,),)
"""The last part of the key of a version without prerelease: larger than any prerelease."""

MAX_NUMBER = 2**64 - 1
MAX_LENGTH = 256
_MAX_DIGITS = 20

_VERSION = re.compile(
    r"v?([0-9]+)(?:\.([0-9]+))?(?:\.([0-9]+))?"
    r"(?:-([0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*))?"
    r"(?:\+[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)?",
)


def parse(text: str, *, strict: bool = False) -> VersionKey | None:
    """The precedence of the version that `text` spells, or None when it spells none.

    Numbers may have leading zeros and must fit in 64 bits; numeric prerelease identifiers must
    not have leading zeros. `strict` asks for two dots at least, which is Flux's reading.
    """
    match = _VERSION.fullmatch(text)
    if match is None or len(text) > MAX_LENGTH or (strict and text.count(".") < 2):  # noqa: PLR2004  # two dots: three parts
        return None
    major, minor, patch, pre = match.groups()
    release = (int(major), int(minor or 0), int(patch or 0))
    if len(text) >= _MAX_DIGITS and max(release) > MAX_NUMBER:
        return None
    if pre is None:
        return (*release, RELEASE)
    identifiers = prerelease_key(pre)
    return None if identifiers is None else (*release, identifiers)


def prerelease_key(pre: str) -> tuple[PreIdentifier, ...] | None:
    """The precedence of dotted prerelease identifiers; None when a number has a leading zero.

    Numbers come before words and compare by value, exactly, whatever their length.
    """
    key: list[PreIdentifier] = []
    for identifier in pre.split("."):
        if not identifier.isdecimal():
            key.append((1, 0, identifier))
        elif identifier[0] == "0" and identifier != "0":
            return None
        else:
            key.append((0, int(identifier), ""))
    return tuple(key)


def is_prerelease(key: VersionKey) -> bool:
    """Whether the version has a prerelease part."""
    return key[3] != RELEASE


def step(old: str, new: str) -> str:
    """How far it is from one version to another: `major`, `minor`, `patch`; empty if unknown."""
    before, after = parse(old), parse(new)
    return "" if before is None or after is None else step_between(before, after)


def step_between(before: VersionKey, after: VersionKey) -> str:
    """How far it is from one precedence to another; empty for the same one."""
    if before == after:
        return ""
    if before[0] != after[0]:
        return "major"
    return "minor" if before[1] != after[1] else "patch"
