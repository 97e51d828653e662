"""What a configuration should say for a repository as it is: paths, environments, images.

Knows how people lay out GitOps repositories. It refuses to know other updaters' settings.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from imagebot.compat.draft import Draft, is_sayable
from imagebot.config.glob import Glob, GlobError
from imagebot.model import FileScan

MAX_SEEN = 50
_MAX_TAGS = 3
_MAX_NAME = 40

_PARENTS = frozenset({"overlays", "clusters", "environments", "envs", "env", "stages"})
_RANKS = (
    ("dev", "develop", "development", "sandbox", "local"),
    ("test", "testing", "qa", "ci", "int", "integration"),
    ("stage", "staging", "uat", "acceptance"),
    (),
    ("preprod", "pre-prod", "preproduction", "pre-production", "canary"),
    ("prod", "production", "live"),
)
_UNKNOWN = 3
_NOT_NAME = re.compile(r"[^a-z0-9]+")


def discover(scans: Mapping[str, FileScan]) -> Draft:
    """A draft for the image uses that were found."""
    paths = sorted(path for path, scan in scans.items() if scan.uses)
    objects = [path for path, scan in scans.items() if scan.objects]
    draft = Draft()
    draft.paths = _sayable(draft, _folders(paths + objects))
    for environment, globs in _environments(paths).items():
        said = _sayable(draft, globs)
        if said:
            draft.environments[environment] = said
    tags: dict[str, dict[str, None]] = {}
    for path in paths:
        for use in scans[path].uses:
            held = use.image.tag or use.image.digest
            tags.setdefault(use.image.repository.familiar, {})[held] = None
    for image in sorted(tags)[:MAX_SEEN]:
        found = sorted(tags[image])
        more = f" and {len(found) - _MAX_TAGS} more" if len(found) > _MAX_TAGS else ""
        draft.seen[image] = ", ".join(found[:_MAX_TAGS]) + more
    return draft


def _sayable(draft: Draft, globs: Iterable[str]) -> list[str]:
    """The globs that a configuration can hold; the draft tells the others."""
    held: list[str] = []
    for text in globs:
        try:
            problem = (
                "" if is_sayable(text) else "the name is no UTF-8, so no configuration holds it"
            )
            Glob(text)
        except GlobError as error:
            problem = error.message
        if not problem:
            held.append(text)
        elif (line := f"{text!r}: {problem}") not in draft.missing:
            draft.missing.append(line)
    return held


def _folders(paths: list[str]) -> list[str]:
    """The top folders of files; nothing where one lies at the root."""
    if any("/" not in path for path in paths):
        return []
    return sorted({f"{escaped(path.partition('/')[0])}/**" for path in paths})


def _environments(paths: list[str]) -> dict[str, list[str]]:
    found: dict[str, dict[str, None]] = {}
    for path in paths:
        parts = path.split("/")[:-1]
        for position, part in enumerate(parts[:-1]):
            name = slug(parts[position + 1])
            if part in _PARENTS and name:
                folder = "/".join(parts[: position + 2])
                found.setdefault(name, {})[f"{escaped(folder)}/**"] = None
                break
    return {name: list(found[name]) for name in sorted(found, key=_rank)}


def _rank(name: str) -> tuple[int, str]:
    words = {name, *name.split("-")}
    for rank in reversed(range(len(_RANKS))):
        if words & set(_RANKS[rank]):
            return rank, name
    return _UNKNOWN, name


def slug(text: str) -> str:
    """A name as environments and groups may have it; empty when nothing of the text is left."""
    return _NOT_NAME.sub("-", text.lower()).strip("-")[:_MAX_NAME].rstrip("-")


def escaped(text: str) -> str:
    """A path as a glob that matches nothing else."""
    return re.sub(r"([*?\[])", r"[\1]", text)
