"""Which images a Renovate rule is for, as globs.

Knows Renovate's matchers. It refuses to guess: a matcher that globs cannot say is told.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from imagebot.compat.draft import is_sayable
from imagebot.config.glob import Glob, GlobError

DATASOURCE = "docker"
MANAGERS = frozenset(
    {
        "argocd",
        "docker-compose",
        "dockerfile",
        "flux",
        "helm-values",
        "kubernetes",
        "kustomize",
    }
)
_NAMES = ("matchPackageNames", "matchDepNames")
_PREFIXES = ("matchPackagePrefixes", "matchDepPrefixes")
_PATTERNS = ("matchPackagePatterns", "matchDepPatterns")
KEYS = frozenset({"matchDatasources", "matchManagers", *_NAMES, *_PREFIXES, *_PATTERNS})
"""The matchers that are understood, at least in part."""

_OPEN_END = re.compile(r"\{/,\}\*\*$")


@dataclass
class Matched:
    """`images` says whether the rule is for images at all, `problem` what cannot be said."""

    globs: list[str] = field(default_factory=list)
    problem: str = ""
    images: bool = True


def matches(held: Mapping[str, Any]) -> Matched:
    """The images of a package rule."""
    sources, managers = _list(held, "matchDatasources"), _list(held, "matchManagers")
    if sources and DATASOURCE not in sources:
        return Matched(images=False)
    if managers and not MANAGERS & set(managers):
        return Matched(images=False)
    unknown = [
        key
        for key in held
        if key.startswith(("match", "exclude")) and key not in KEYS and key != "matchUpdateTypes"
    ]
    if unknown:
        return Matched(problem=f"rules by {', '.join(sorted(unknown))} have no counterpart here")
    found = Matched()
    for name in [*_lists(held, _NAMES)]:
        _add(found, glob(name), name)
    for prefix in _lists(held, _PREFIXES):
        _add(found, _prefix(prefix), prefix)
    for pattern in _lists(held, _PATTERNS):
        _add(found, "**" if pattern in ("*", ".*", "^.*$") else "", pattern)
    if not any(key in held for key in (*_NAMES, *_PREFIXES, *_PATTERNS)):
        found.globs.append("**")
    return found


def glob(name: str) -> str:
    """A glob for a package name or one of Renovate's patterns; empty when there is none."""
    if name in ("*", "**"):
        return "**"
    if name.startswith(("/", "!")):
        return ""
    text = _OPEN_END.sub("/**", name)
    if "{" in text or not is_sayable(text):
        return ""
    try:
        return str(Glob(text))
    except GlobError:
        return ""


def _prefix(prefix: str) -> str:
    folder, _, start = prefix.rpartition("/")
    if not start:
        return glob(f"{folder}/**") if folder else ""
    return glob(f"{folder}/{start}*" if folder else f"{start}*")


def _add(found: Matched, text: str, name: str) -> None:
    if text:
        found.globs.append(text)
    else:
        found.problem = f"the name {name!r} cannot be said as a glob"


def _lists(held: Mapping[str, Any], keys: tuple[str, ...]) -> list[str]:
    return [item for key in keys for item in _list(held, key)]


def _list(held: Mapping[str, Any], key: str) -> list[str]:
    value = held.get(key)
    if isinstance(value, str):
        return [value]
    return [str(item) for item in value] if isinstance(value, list) else []
