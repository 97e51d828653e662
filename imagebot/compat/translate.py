"""From the objects that govern a repository's image uses to rules of `.imagebot.yaml`.

Knows what a rule cannot say, and says that. It refuses to know the objects themselves.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from imagebot.compat.draft import Draft
from imagebot.compat.flux import KIND
from imagebot.compat.fluxpolicy import DEFAULT_EXCLUSIONS
from imagebot.compat.settings import spec
from imagebot.governing import Governed
from imagebot.model import FileScan, ImageUse

_THREE_PARTS = r"^v?[0-9]+\.[0-9]+\.[0-9]"
_SUSPENDED = "is suspended"


def from_objects(draft: Draft, scans: Mapping[str, FileScan], prefix: str) -> None:
    """Add a rule for each image that an object of a kind governs.

    `prefix` begins the names of those objects (`ImagePolicy`, `Application`). An image that two of
    them treat differently gets no rule: rules go by image alone.
    """
    found: dict[str, dict[Governed, ImageUse]] = {}
    for path in sorted(scans):
        for use in scans[path].uses:
            if use.governed and use.governed.by.startswith(f"{prefix} "):
                same = replace(use.governed, by="", digest=False, renames=False)
                found.setdefault(str(use.image.repository), {}).setdefault(same, use)
                if use.kind == KIND:
                    draft.missing.append(f"{use.where}: found by its marker alone, so keep that")
        draft.missing += [f"{skip.where}: {skip.reason}" for skip in scans[path].skipped]
    for image, rules in found.items():
        if len(rules) > 1:
            names = sorted({use.governed.by for use in rules.values() if use.governed})
            draft.missing.append(
                f"{image}: {' and '.join(names)} differ; a rule is for an image everywhere. "
                "The objects go on to count"
            )
            continue
        (use,) = rules.values()
        if use.governed:
            _add(draft, image, use.governed)


def _add(draft: Draft, image: str, governed: Governed) -> None:
    if governed.stopped and not governed.stopped.endswith(_SUSPENDED):
        draft.missing.append(f"{image}: {governed.by}: {governed.stopped}")
        return
    keys: dict[str, Any] = {"policy": spec(governed)}
    allow = [pattern for pattern in governed.allow if pattern != ".*" or governed.extract]
    deny = [pattern for pattern in governed.deny if (pattern,) != DEFAULT_EXCLUSIONS]
    if governed.strict and governed.policy[0] == "semver":
        if allow:
            draft.missing.append(
                f"{image}: {governed.by} reads versions of three parts only; here `1.4` is one too"
            )
        else:
            allow = [_THREE_PARTS]
    said = {"allow": allow, "deny": deny, "extract": governed.extract}
    tags = {key: value for key, value in said.items() if value}
    if tags:
        keys["tags"] = tags
    if governed.platforms:
        keys["platforms"] = list(governed.platforms)
    if governed.digest:
        keys["pin"] = "tag@digest"
    if governed.stopped:
        keys["enabled"] = False
    draft.rule(image, **keys)
