"""What Argo CD Image Updater is told about one image: its list entries, strategies and filters.

Knows the texts of its annotations and custom resources. It refuses to know Applications and files.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from imagebot.errors import InvalidReference, PolicyError
from imagebot.governing import Governed
from imagebot.imageref import Repository, parse_repository
from imagebot.policy import compile_filter, compile_policy

_STRATEGIES = {
    "": "semver",
    "semver": "semver",
    "newest-build": "newest",
    "latest": "newest",
    "alphabetical": "alphabetical",
    "name": "alphabetical",
    "digest": "digest",
}
_OPERATOR_END = "<>!~^"


@dataclass(frozen=True, slots=True)
class Listed:
    """One entry of an image list: `web=ghcr.io/acme/web:~1.4`. The constraint may be empty."""

    alias: str
    repository: Repository
    constraint: str


def entry(text: str) -> Listed:
    """Read one entry. Raises InvalidReference."""
    alias, equals, rest = text.strip().partition("=")
    if not equals or alias[-1:] in _OPERATOR_END:
        alias, rest = "", text.strip()
    name, _, digest = rest.partition("@")
    if digest:
        raise InvalidReference(f"{text.strip()!r}: it names one digest, so nothing can be newer")
    colon = name.rfind(":")
    head = name[:colon] if colon > name.find("/") >= 0 or ("/" not in name and colon >= 0) else name
    constraint = name[len(head) + 1 :]
    if "/" in constraint:
        head, constraint = name, ""
    return Listed(alias.strip(), parse_repository(head.strip()), constraint.strip())


@dataclass(frozen=True, slots=True)
class Wishes:
    """The settings of one image as texts, empty where nothing is said."""

    strategy: str = ""
    allow: str = ""
    ignore: tuple[str, ...] = ()
    platforms: tuple[str, ...] = ()


def governed(by: str, constraint: str, wishes: Wishes) -> Governed:
    """What the settings ask for. `stopped` says what in them cannot be read."""
    strategy = _STRATEGIES.get(wishes.strategy.strip())
    if strategy is None:
        reason = f"there is no update strategy {wishes.strategy!r}"
        return Governed(by, ("", ""), stopped=reason)
    option = {
        "semver": constraint or "*",
        "alphabetical": "asc",
        "digest": constraint or "latest",
    }.get(strategy, "")
    allow, problem = _allow(wishes.allow)
    deny = tuple(pattern for glob in wishes.ignore if (pattern := glob_pattern(glob)))
    if not problem:
        try:
            compile_policy({strategy: option or None})
            compile_filter(allow, deny)
        except PolicyError as error:
            problem = str(error)
    return Governed(
        by,
        (strategy, option),
        allow=allow,
        deny=deny,
        platforms=wishes.platforms,
        digest=strategy == "digest",
        stopped=problem,
    )


def _allow(text: str) -> tuple[tuple[str, ...], str]:
    """The allow patterns, or why nothing may match: the function is unknown or has no pattern."""
    kind, colon, pattern = text.strip().partition(":")
    if not kind or (kind.lower() == "any" and not colon):
        return (), ""
    if kind.lower() == "regexp" and pattern:
        return (pattern.strip(),), ""
    return (), f"allow-tags {text!r} is neither `any` nor `regexp:PATTERN`, so no tag passes"


def glob_pattern(glob: str) -> str:
    """The RE2 pattern of a shell glob over tags; empty for a broken one, which matches nothing."""
    pattern, at = "", 0
    glob = glob.strip()
    while at < len(glob):
        character = glob[at]
        at += 1
        if character == "*":
            pattern += "[^/]*"
        elif character == "?":
            pattern += "[^/]"
        elif character == "[":
            end = glob.find("]", at + 1)
            if end < 0:
                return ""
            pattern += _members(glob[at:end])
            at = end + 1
        elif character == "\\":
            if at == len(glob):
                return ""
            pattern += re.escape(glob[at])
            at += 1
        else:
            pattern += re.escape(character)
    return f"^{pattern}$" if pattern else ""


def _members(body: str) -> str:
    negated = "^" if body.startswith("^") else ""
    escaped = re.sub(r"([\[\]^&|~])", r"\\\1", body[len(negated) :])
    return f"[{negated}{escaped}]"
