"""One page of a tag list: what it must hold, and where the next one is. Pure.

Only the Link header says whether there is more: a page's length says nothing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from imagebot.errors import PeerError, RegistryError
from imagebot.http import Response, Url
from imagebot.imageref import is_tag

_LINK = re.compile(r"<(?P<target>[^<>]*)>(?P<parameters>(?:[^,\"<>]|\"(?:[^\"\\]|\\.)*\")*)")
_REL = re.compile(r";\s*rel\s*=\s*(?:\"(?P<quoted>[^\"]*)\"|(?P<bare>[^\s;,\"]+))", re.IGNORECASE)
_MEANT = re.compile(r"rel\s*=\W*next\b", re.IGNORECASE)
_TAIL = "/tags/list"
_BASE = "/v2/"


@dataclass(frozen=True, slots=True)
class Page:
    """The tags of one page in the order served, and how many strings were no tags."""

    tags: tuple[str, ...]
    dropped: int


def read_page(response: Response, repository: str) -> Page:
    """The tags of an answer with status 200. Raises RegistryError unless it is a whole page.

    `{"tags": null}` is an empty repository. An answer that names another repository is refused;
    one that leaves out or adds leading path parts is not, since proxies do that.
    """
    try:
        answer = response.json()
    except PeerError as error:
        raise RegistryError(error.message, status=response.status) from None
    if not isinstance(answer, dict) or "tags" not in answer:
        raise RegistryError(f"{repository}: the answer is no list of tags")
    _check_name(answer.get("name"), repository)
    tags = answer["tags"] if answer["tags"] is not None else []
    if not isinstance(tags, list) or not all(isinstance(tag, str) for tag in tags):
        raise RegistryError(f"{repository}: the list of tags holds something that is no string")
    kept = tuple(filter(is_tag, tags))
    return Page(kept, len(tags) - len(kept))


def _check_name(name: Any, repository: str) -> None:
    if name in (None, "", repository):
        return
    if isinstance(name, str) and (
        repository.endswith(f"/{name}") or name.endswith(f"/{repository}")
    ):
        return
    raise RegistryError(f"{repository}: the registry answers for another repository")


def next_page(here: Url, link: str) -> Url | None:
    """The next page that a Link header names, None when there is none. Raises RegistryError.

    The target must be on the same origin and the same repository. Artifactory leaves out the
    virtual repository's part of the path (RTFACT-18971): then our own path is kept.
    """
    target = _next_target(link)
    if target is None:
        return None
    try:
        there = here.join(target)
    except ValueError as error:
        raise RegistryError(f"{here.redacted}: the link to the next page is bad: {error}") from None
    if there.origin != here.origin:
        raise RegistryError(f"{here.redacted}: the next page is on another origin: {there.origin}")
    if there.path != here.path and not _is_shortened(there.path, here.path):
        raise RegistryError(f"{here.redacted}: the next page belongs to another repository")
    return Url(here.origin, here.path, there.query)


def _next_target(link: str) -> str | None:
    for match in _LINK.finditer(link):
        rel = _REL.search(match["parameters"])
        names = (rel["quoted"] or rel["bare"] or "") if rel else ""
        if "next" in names.lower().split():
            return match["target"]
    if _MEANT.search(link):
        # There is a next page, whoever wrote the header: to stop here would cut the list short.
        raise RegistryError("the link to the next page cannot be read")
    return None


def _is_shortened(there: str, here: str) -> bool:
    """Whether one path is the other with leading parts of the repository's name left out."""
    if not all(path.startswith(_BASE) and path.endswith(_TAIL) for path in (there, here)):
        return False
    short = there.removeprefix(_BASE)
    return here.removeprefix(_BASE).endswith(f"/{short}")
