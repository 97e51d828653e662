"""Which paths of a repository a bot may change: never git's own files, never a CI system's.

Knows names only. It refuses to know what is in a file or whether it exists.
"""

from __future__ import annotations

import unicodedata

from imagebot.errors import EditRefused, Where

CI_FOLDERS = frozenset(
    {
        ".buildkite",
        ".circleci",
        ".drone",
        ".forgejo",
        ".gitea",
        ".tekton",
        ".woodpecker",
        "azure-pipelines",
    }
)
"""Folders whose files run as build jobs; `.github` and `.gitlab` fall under `.git*`."""

CI_FILES = (
    ".appveyor.",
    ".cirrus.",
    ".drone.",
    ".travis.",
    ".woodpecker.",
    "appveyor.",
    "azure-pipelines",
    "bitbucket-pipelines.",
    "buildspec.",
    "cloudbuild.",
    "jenkinsfile",
)
"""Beginnings of file names that run as build jobs, in lower case."""

_MAX_PATH = 4096


def check_editable(path: str) -> None:
    """Raise EditRefused unless `path` is a plain relative path that a bot may change.

    Names are compared as the most forgiving file systems do: case, trailing dots and spaces,
    and invisible characters make no difference.
    """
    reason = _refusal(path)
    if reason:
        raise EditRefused(f"this file is never changed: {reason}", where=Where(path))


def _refusal(path: str) -> str:
    if not path or path.startswith("/") or len(path) > _MAX_PATH or "\0" in path:
        return "not a relative path"
    parts = path.split("/")
    if any(part in {"", ".", ".."} for part in parts):
        return "the path is not plain"
    folded = [_fold(part) for part in parts]
    if any(part.startswith((".git", "git~")) for part in folded):
        return "it belongs to git or to its forge"
    if any(part in CI_FOLDERS for part in folded[:-1]) or folded[-1].startswith(CI_FILES):
        return "it belongs to a CI system"
    return ""


def _fold(part: str) -> str:
    visible = "".join(char for char in part if unicodedata.category(char) != "Cf")
    return visible.casefold().rstrip(". ")
