"""How lists go on: `Link` headers, page numbers, and what a list becomes that moves under us.

Knows URLs and headers only.
"""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import parse_qsl, urlencode, urlsplit

from imagebot.forge.port import PullRequest


def next_link(header: str) -> str:
    """The target of `rel="next"` in a Link header, or ''."""
    for part in header.split(","):
        target, _, parameters = part.partition(";")
        relations = parameters.replace('"', "").replace(" ", "").lower().split(";")
        if "rel=next" in relations:
            return target.strip().removeprefix("<").removesuffix(">")
    return ""


def with_page(url: str, page: int) -> str:
    """The same URL with its `page` replaced."""
    parts = urlsplit(url)
    query = dict(parse_qsl(parts.query)) | {"page": str(page)}
    return parts._replace(query=urlencode(query)).geturl()


def page_of(url: str) -> int:
    """The `page` of a URL, 1 when it names none."""
    return int(dict(parse_qsl(urlsplit(url).query)).get("page", "1"))


def newest_first(pulls: Iterable[PullRequest]) -> list[PullRequest]:
    """By number, without the doubles that a list grows when it changes between two pages."""
    return sorted({pull.number: pull for pull in pulls}.values(), key=lambda pull: -pull.number)
