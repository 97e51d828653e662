"""Which tags people wrote over in git: the evidence that a version was taken back.

Knows the earlier contents of files along the base branch, and which of them came with the bot's
requests: a merged request that is reverted is judged by the request. It refuses to know which
tag is better, and decides nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import takewhile
from typing import TYPE_CHECKING

from imagebot.config import Config, sourced
from imagebot.manifests.scan import scan_file
from imagebot.model import ImageUse, Place
from imagebot.pulls.message import read_trailers
from imagebot.pulls.naming import BRANCH_PREFIX

if TYPE_CHECKING:
    from imagebot.gitrepo.mirror import Mirror

MAX_CONTENTS = 5000
"""How many earlier contents of files are read at most, of all files together."""
_FEWEST, _MOST = 2, 20

_Version = tuple[str, str]
"""An earlier tag of a use, and the commit that brought the content it stood in."""


def replaced_tags(
    mirror: Mirror, commit: str, uses: Iterable[ImageUse], config: Config
) -> dict[Place, str]:
    """By the place of a use, the last other tag that stood there, unless a request brought it.

    `commit` is the tip of the base branch. Raises GitError, and EditRefused when the contents
    are too large.
    """
    wanted = [use for use in uses if use.image.tag and use.slots]
    paths = list(dict.fromkeys(use.path for use in wanted))
    each = min(_MOST, max(_FEWEST, MAX_CONTENTS // max(1, len(paths))))
    past = mirror.past(commit, paths, each=each)
    texts = mirror.read_past([content.blob for contents in past.values() for content in contents])
    earlier = {
        path: [
            ({use.place: use for use in scan_file(path, texts[blob]).uses if use.slots}, brought)
            for blob, brought in contents
            if blob in texts
        ]
        for path, contents in past.items()
    }
    found: dict[Place, tuple[str, str]] = {}
    for use in wanted:
        if version := _last_other(use, list(_versions(use, earlier[use.path], config))):
            found[use.place] = version
    asked = _requests(mirror, [(sha, tag) for tag, sha in found.values() if sha])
    return {place: tag for place, (tag, brought) in found.items() if (brought, tag) not in asked}


def _versions(
    use: ImageUse, contents: Sequence[tuple[Mapping[Place, ImageUse], str]], config: Config
) -> Iterator[_Version]:
    """The earlier tags of a use, newest first, for as long as it was the same image."""
    for uses, brought in contents:
        before = uses.get(use.place)
        if before is None or before.label != use.label:
            continue
        if sourced(config, before.image.repository) != use.image.repository:
            return
        yield before.image.tag, brought


def _last_other(use: ImageUse, versions: Sequence[_Version]) -> _Version | None:
    """The last tag that differs from the present one, with the first commit that had it."""
    start = next((n for n, (tag, _) in enumerate(versions) if tag != use.image.tag), None)
    if start is None or not versions[start][0]:
        return None
    tag = versions[start][0]
    *_, oldest = takewhile(lambda version: version[0] == tag, versions[start:])
    return oldest


def _requests(mirror: Mirror, brought: Iterable[_Version]) -> set[_Version]:
    """Those tags that came with a request of the bot, whichever way it was merged."""
    pairs = set(brought)
    commits = {info.sha: info for info in mirror.commits(sorted({sha for sha, _ in pairs}))}
    merged = sorted({sha for info in commits.values() for sha in info.parents[1:]})
    tips = {info.sha: info for info in mirror.commits(merged)}
    return {
        (sha, tag)
        for sha, tag in pairs
        if BRANCH_PREFIX in commits[sha].message
        # A squash keeps the title of a request at the least.
        or f"→ {tag}" in commits[sha].message
        or any(
            read_trailers(message)
            for message in (
                commits[sha].message,
                *(tips[parent].message for parent in commits[sha].parents[1:]),
            )
        )
    }
