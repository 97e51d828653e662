"""Finds image uses in files, by a file's path and bytes alone.

Knows which files may hold some, and asks the kinds. A file that cannot be read is one skipped
file with its reason; nothing is raised. It refuses to know disks, git and what a tag is worth.
"""

from __future__ import annotations

from typing import Final

from imagebot.errors import EditRefused, Where
from imagebot.manifests import fluxmarkers, foreign, kustomize, markers
from imagebot.manifests.kind import skip
from imagebot.manifests.kinds import places
from imagebot.model import FileScan, ImageUse, Skipped
from imagebot.yamltree.source import load
from imagebot.yamltree.text import UTF16_MARKS

SCANNER_VERSION: Final = 2
"""Raised whenever the same path and bytes may give another scan than before."""

_NEEDLES = ("image", foreign.NEEDLE)
_EXTENSIONS = (".yaml", ".yml")
_EMPTY = FileScan()
_CI_FOLDERS = frozenset(
    {
        ".azure-pipelines",
        ".buildkite",
        ".ci",
        ".circleci",
        ".drone",
        ".forgejo",
        ".jenkins",
        ".semaphore",
        ".teamcity",
        ".tekton",
        ".woodpecker",
    }
)
_CI_FILES = frozenset(
    {
        ".appveyor",
        ".cirrus",
        ".drone",
        ".pre-commit-config",
        ".travis",
        ".woodpecker",
        "appveyor",
        "azure-pipelines",
        "bitbucket-pipelines",
        "cloudbuild",
        "wercker",
    }
)
_OWN_FILE = ".imagebot"


def is_candidate(path: str) -> bool:
    """Whether a file may be scanned and edited, by its path from the root of the repository.

    True for `*.yaml`, `*.yml` and `Kustomization`, except under names that begin with `.git`, in
    files and folders of CI systems, and for imagebot's own configuration. An absolute path or one
    with `..` is no candidate.
    """
    name = path.rpartition("/")[2]
    if not name.endswith(_EXTENSIONS) and name not in kustomize.FILE_NAMES:
        return False
    stem = name.rpartition(".")[0]
    if "\\" in path or stem.lower() in _CI_FILES or stem == _OWN_FILE:
        return False
    return not any(
        part in ("", ".", "..") or part.startswith(".git") or part in _CI_FOLDERS
        for part in path.lower().split("/")
    )


def scan_file(path: str, data: bytes) -> FileScan:
    """Every image use in a file, and everything that looks like one and is left alone, with why.

    Also what other updaters go by: their objects and comments. Never raises. A file that says
    neither `image` nor the name of such an object's group anywhere is not parsed.
    """
    if not any(needle.encode() in data for needle in _NEEDLES) and not data.startswith(UTF16_MARKS):
        return _EMPTY
    try:
        source = load(path, data, lambda _, text: any(needle in text for needle in _NEEDLES))
    except EditRefused as error:
        hint = f" ({error.hint})" if error.hint else ""
        unread = Skipped(error.where or Where(path), error.message + hint, whole=True)
        return FileScan(skipped=(unread,))
    uses: list[ImageUse] = []
    skipped: list[Skipped] = []
    for kind, document, place in places(source):
        found = kind.read(source, document, place)
        reason = markers.ignored(source, place)
        if reason is not None and isinstance(found, ImageUse):
            because = f": {reason}" if reason else ""
            found = skip(source, place[0], found.label, f"ignored by a comment{because}")
        if isinstance(found, ImageUse):
            uses.append(found)
        else:
            skipped.append(found)
    return FileScan(
        tuple(uses), tuple(skipped), foreign.objects(source), fluxmarkers.markers(source)
    )
