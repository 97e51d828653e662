"""A registry that speaks the OCI distribution protocol, as the port sees it.

Knows which answers are evidence and when evidence is complete. It refuses to know credentials'
sources, sockets, and which tag is newer. It reads manifests and configurations, never layers.
"""

from __future__ import annotations

import logging

from imagebot.errors import RegistryError
from imagebot.http import HttpClient, Origin, Response, Url, parse_url
from imagebot.imageref import HUB, Repository
from imagebot.model import ImageDetails
from imagebot.registry.auth import Authenticator, Lookup
from imagebot.registry.details import summarize
from imagebot.registry.manifest import ACCEPT
from imagebot.registry.pages import next_page, read_page
from imagebot.registry.quirks import DEFAULT_PAGE, quirk_for
from imagebot.registry.session import MIB, Session

MAX_PAGES = 200
MAX_TAGS = 1_000_000
TAGS_CAP = 16 * MIB

_HUB_HOST = "registry-1.docker.io"
_SIZE_REFUSED = frozenset({400, 405})
_NO_HEAD = frozenset({400, 405, 406, 415, 501})

_log = logging.getLogger(__name__)


def registry_url(host: str, *, plain: bool = False) -> str:
    """The base URL of a registry host as references name it; Docker Hub's API has another name."""
    return f"{'http' if plain else 'https'}://{_HUB_HOST if host == HUB else host}"


class DistributionRegistry:
    """Every registry host that is asked over HTTP. Implements `imagebot.registry.port.Registry`.

    `credentials` finds a repository's login; a host that `http` may ask in plain (loopback, or
    named as insecure) is asked over http. Safe in several threads.
    """

    def __init__(self, http: HttpClient, credentials: Lookup, authenticator: Authenticator) -> None:
        self._http = http
        self._credentials = credentials
        self._authenticator = authenticator
        self._page_sizes: dict[Origin, int | None] = {}
        self._origins: dict[str, Origin] = {}

    def tags(self, repository: Repository) -> tuple[str, ...]:
        """Every tag, complete, without duplicates, in the order served. Raises RegistryError."""
        session = self._session(repository)
        url, response = self._first_page(session)
        found: dict[str, None] = {}
        dropped = 0
        visited = {url.text}
        for _ in range(MAX_PAGES):
            page = read_page(response, repository.path)
            found.update(dict.fromkeys(page.tags))
            dropped += page.dropped
            if len(found) > MAX_TAGS:
                raise RegistryError(f"{repository}: more than {MAX_TAGS} tags")
            following = next_page(url, response.headers.get("link", ""))
            if following is None:
                if dropped:
                    _log.warning("%s: %d strings in the list are no tags", repository, dropped)
                return tuple(found)
            if following.text in visited:
                raise RegistryError(f"{repository}: the pages of the tag list go in a circle")
            visited.add(following.text)
            url, response = following, session.get(following, cap=TAGS_CAP)
        raise RegistryError(f"{repository}: the tag list has more than {MAX_PAGES} pages")

    def digest(self, repository: Repository, reference: str) -> str:
        """The digest of a tag or digest: by HEAD, else from the manifest. Raises RegistryError."""
        session = self._session(repository)
        response = session.send("HEAD", session.manifest_url(reference), accept=ACCEPT)
        if response.status in _NO_HEAD:
            return session.fetch(reference).digest
        digest = session.checked(response).headers.get("docker-content-digest", "")
        if not digest:
            return session.fetch(reference).digest
        session.check_named(digest, reference)
        return digest

    def details(self, repository: Repository, reference: str) -> ImageDetails:
        """Digest, platforms, creation time and labels. Raises RegistryError.

        One platform of an index that cannot be read makes the whole fail.
        """
        session = self._session(repository)
        fetched = session.fetch(reference)
        summary = summarize(fetched.content, session)
        return ImageDetails(
            digest=fetched.digest,
            media_type=fetched.content.media_type,
            created=summary.created,
            platforms=summary.platforms,
            labels=summary.labels,
            size=summary.size,
        )

    def _session(self, repository: Repository) -> Session:
        if repository.engine:
            raise RegistryError(f"{repository}: no registry serves this image")
        origin = self._origins.get(repository.host) or self._origin(repository)
        credential = self._credentials(repository)
        return Session(self._http, self._authenticator, repository, origin, credential)

    def _origin(self, repository: Repository) -> Origin:
        plain = self._http.speaks_plain(repository.host)
        try:
            origin = parse_url(registry_url(repository.host, plain=plain)).origin
        except ValueError as error:
            raise RegistryError(f"{repository}: {error}") from None
        self._origins[repository.host] = origin
        return origin

    def _first_page(self, session: Session) -> tuple[Url, Response]:
        """The first page, with a page size that the registry takes."""
        wanted = quirk_for(session.repository.host).page_size
        wanted = self._page_sizes.get(session.origin, wanted)
        for size in dict.fromkeys((wanted, DEFAULT_PAGE, None)):
            url = session.url("tags/list")
            if size is not None:
                url = url.with_query([("n", str(size))])
            response = session.send("GET", url, cap=TAGS_CAP)
            if response.status not in _SIZE_REFUSED:
                session.checked(response)
                self._page_sizes[session.origin] = size
                break
        return url, session.checked(response)
