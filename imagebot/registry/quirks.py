"""What is particular about known registries, as data: one row a family, each with its source.

Knows host names and page sizes. What can be seen from an answer (Link without a prefix, a name
without `library/`, 405 on a page size) is handled for every registry and needs no row.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

DEFAULT_PAGE = 1000


@dataclass(frozen=True, slots=True)
class Quirk:
    """A registry family. `hosts` matches `host[:port]` whole; `page_size` None asks for no size."""

    name: str
    hosts: re.Pattern[str]
    page_size: int | None
    note: str


def _row(name: str, hosts: str, page_size: int | None, note: str) -> Quirk:
    return Quirk(name, re.compile(hosts, re.IGNORECASE | re.ASCII), page_size, note)


ANY = _row(
    "any",
    r".*",
    DEFAULT_PAGE,
    "distribution 3 refuses n > 1000 with 400 PAGINATION_NUMBER_INVALID in some versions",
)

QUIRKS = (
    _row(
        "Docker Hub",
        r"(?:docker\.io|index\.docker\.io|registry-1\.docker\.io)",
        None,
        "without n the whole list comes at once; GETs of manifests count against the pull limit,"
        " HEADs do not (docs.docker.com, usage and limits)",
    ),
    _row(
        "GitHub",
        r"ghcr\.io",
        DEFAULT_PAGE,
        "100 a page by default, oldest first, so every page is needed",
    ),
    _row(
        "Amazon ECR",
        r"[0-9]{12}\.dkr[.-]ecr(?:-fips)?\.[a-z0-9-]+\.(?:amazonaws\.(?:com|com\.cn|eu)|on\.aws)",
        DEFAULT_PAGE,
        'n > 1000 is 405 "Member must have value less than or equal to 1000"; JSON as text/plain',
    ),
    _row(
        "Amazon ECR Public",
        r"public\.ecr\.aws|ecr-public\.aws\.com",
        DEFAULT_PAGE,
        "as ECR; an anonymous token is needed",
    ),
    _row(
        "Google",
        r"(?:[a-z0-9-]+\.)?gcr\.io|[a-z0-9-]+-docker\.pkg\.dev",
        10_000,
        "n up to 10000; the page also holds a map of every manifest with its times",
    ),
    _row(
        "Azure",
        r"[a-z0-9]+(?:-[a-z0-9]+)*\.azurecr\.(?:io|cn|us|de)",
        DEFAULT_PAGE,
        "a token server at /oauth2/token of the same host",
    ),
    _row(
        "Quay",
        r"quay\.io",
        100,
        "never more than 100 a page; Link is relative, older versions sent an opaque next_page",
    ),
    _row(
        "GitLab",
        r"registry\.gitlab\.com",
        DEFAULT_PAGE,
        "the token server is gitlab.com/jwt/auth, the parent domain",
    ),
    _row(
        "Artifactory",
        r"[a-z0-9-]+\.jfrog\.io",
        DEFAULT_PAGE,
        "Link and name leave out the virtual repository (RTFACT-18971); Basic realm is no URL",
    ),
    _row(
        "Harbor",
        r"(?:harbor|demo\.goharbor)\.[a-z0-9.-]+(?::[0-9]+)?",
        DEFAULT_PAGE,
        "the token server is /service/token of the same host; proxy caches need Harbor 2.5",
    ),
)


def quirk_for(host: str) -> Quirk:
    """The row for a registry's `host[:port]`, the general one when none fits."""
    return next((quirk for quirk in QUIRKS if quirk.hosts.fullmatch(host)), ANY)
