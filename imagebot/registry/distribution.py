"""A registry that speaks the OCI distribution protocol, as the port sees it.

Knows paths, statuses and which answers are evidence. It refuses to know credentials' sources,
sockets, and which tag is newer. It reads manifests and configurations, never layers, and never
follows the `urls` of a descriptor.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass

from imagebot.errors import PeerError, RegistryError
from imagebot.http import HttpClient, Origin, Response, Url, parse_url
from imagebot.imageref import HUB, Repository, is_digest, is_tag
from imagebot.model import ImageDetails
from imagebot.registry.auth import Ask, Authenticator, Credential, Lookup
from imagebot.registry.labels import annotated_created, created_of, known_labels, parse_time
from imagebot.registry.manifest import (
    ACCEPT,
    MAX_ENTRIES,
    Config,
    Descriptor,
    Index,
    Manifest,
    check_digest,
    digest_of,
    read_config,
    read_manifest,
)
from imagebot.registry.mediatypes import INDEXES
from imagebot.registry.pages import next_page, read_page
from imagebot.registry.quirks import DEFAULT_PAGE, quirk_for

MIB = 1024 * 1024
MAX_PAGES = 200
MAX_TAGS = 1_000_000
TAGS_CAP = 16 * MIB
MANIFEST_CAP = 4 * MIB
CONFIG_CAP = 8 * MIB
MAX_NESTING = 2

_HUB_HOST = "registry-1.docker.io"
_PREFERRED = ("linux/amd64", "linux/arm64", "linux/arm64/v8")
_OK, _BAD, _NOT_ALLOWED = 200, 400, 405
_NO_HEAD = frozenset({400, 405, 406, 415, 501})
_CODE = re.compile(r"[A-Z][A-Z_]{2,40}")
_WORDS = {
    401: ("the registry wants a login, or refused it", "is there a credential for it?"),
    403: ("the registry denies access", "may this credential pull from it?"),
    404: ("the registry knows no such repository, tag or digest", ""),
    429: ("the registry's rate limit is reached", "log in, or ask less often"),
}

_log = logging.getLogger(__name__)


def registry_url(host: str, *, plain: bool = False) -> str:
    """The base URL of a registry host as references name it; Docker Hub's API has another name."""
    if host == HUB:
        host = _HUB_HOST
    return f"{'http' if plain else 'https'}://{host}"


@dataclass(frozen=True, slots=True, repr=False)
class _Place:
    """One repository on one registry, and what logs in to it."""

    repository: Repository
    origin: Origin
    credential: Credential | None

    def url(self, tail: str) -> Url:
        return Url(self.origin, f"/v2/{self.repository.path}/{tail}", "")


@dataclass(frozen=True, slots=True)
class _Fetched:
    """A manifest or index, the digest of its bytes, and what to call it in a message."""

    content: Manifest | Index
    digest: str


@dataclass(frozen=True, slots=True)
class _Image:
    """One platform's image, read to its configuration."""

    created: str
    platform: str
    labels: Mapping[str, str]
    size: int


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

    def tags(self, repository: Repository) -> tuple[str, ...]:
        """Every tag, complete, without duplicates, in the order served. Raises RegistryError."""
        place = self._place(repository)
        url, response = self._first_page(place)
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
            url = following
            response = self._checked(place, self._send(place, "GET", url, cap=TAGS_CAP))
        raise RegistryError(f"{repository}: the tag list has more than {MAX_PAGES} pages")

    def digest(self, repository: Repository, reference: str) -> str:
        """The digest of a tag or digest: by HEAD, else from the manifest. Raises RegistryError."""
        place = self._place(repository)
        url = _manifest_url(place, reference)
        response = self._send(place, "HEAD", url, accept=ACCEPT)
        if response.status in _NO_HEAD:
            return self._manifest(place, reference).digest
        self._checked(place, response)
        digest = response.headers.get("docker-content-digest", "")
        if not digest:
            return self._manifest(place, reference).digest
        _check_named(digest, reference, repository)
        return digest

    def details(self, repository: Repository, reference: str) -> ImageDetails:
        """Digest, platforms, creation time and labels. Raises RegistryError.

        For several platforms the time is the newest one's and the size that of linux/amd64 (0
        when it was not needed to look). One platform that cannot be read makes the whole fail.
        """
        place = self._place(repository)
        fetched = self._manifest(place, reference)
        content = fetched.content
        if isinstance(content, Index):
            image, platforms = self._several(place, content)
        else:
            image = self._image(place, content)
            platforms = (image.platform,) if image.platform else ()
        return ImageDetails(
            digest=fetched.digest,
            media_type=content.media_type,
            created=image.created,
            platforms=platforms,
            labels=image.labels,
            size=image.size,
        )

    def _place(self, repository: Repository) -> _Place:
        if repository.engine:
            raise RegistryError(f"{repository}: no registry serves this image")
        plain = self._http.speaks_plain(repository.host)
        try:
            origin = parse_url(registry_url(repository.host, plain=plain)).origin
        except ValueError as error:
            raise RegistryError(f"{repository}: {error}") from None
        return _Place(repository, origin, self._credentials(repository))

    def _first_page(self, place: _Place) -> tuple[Url, Response]:
        """The first page, with a page size that the registry takes."""
        wanted = self._page_sizes.get(place.origin, quirk_for(place.repository.host).page_size)
        sizes = list(dict.fromkeys((wanted, DEFAULT_PAGE, None)))
        for at, size in enumerate(sizes):
            url = place.url("tags/list")
            if size is not None:
                url = url.with_query([("n", str(size))])
            response = self._send(place, "GET", url, cap=TAGS_CAP)
            refused = response.status in {_BAD, _NOT_ALLOWED} and size is not None
            if not refused or at == len(sizes) - 1:
                self._checked(place, response)
                self._page_sizes[place.origin] = size
                return url, response
        raise AssertionError("unreachable: the last size is always taken or fails")

    def _manifest(self, place: _Place, reference: str) -> _Fetched:
        url = _manifest_url(place, reference)
        response = self._checked(
            place, self._send(place, "GET", url, accept=ACCEPT, cap=MANIFEST_CAP)
        )
        what = f"{place.repository}: {reference}"
        digest = response.headers.get("docker-content-digest", "")
        if digest:
            _check_named(digest, reference, place.repository)
        elif is_digest(reference):
            digest = reference
        else:
            digest = digest_of(response.body)
        check_digest(response.body, digest, what)
        content = read_manifest(response.body, response.headers.get("content-type", ""), what)
        return _Fetched(content, digest)

    def _image(self, place: _Place, manifest: Manifest) -> _Image:
        config = Config()
        if manifest.config is not None:
            config = self._config(place, manifest.config)
        return _Image(
            created=created_of(manifest.annotations, config.labels, config.created),
            platform=config.platform,
            labels=known_labels(config.labels, manifest.annotations),
            size=manifest.size,
        )

    def _config(self, place: _Place, descriptor: Descriptor) -> Config:
        url = place.url(f"blobs/{descriptor.digest}")
        response = self._checked(place, self._send(place, "GET", url, cap=CONFIG_CAP))
        what = f"{place.repository}: the configuration {descriptor.digest}"
        check_digest(response.body, descriptor.digest, what)
        return read_config(response.body, what)

    def _several(self, place: _Place, index: Index) -> tuple[_Image, tuple[str, ...]]:
        """What an index says, reading its images only where it says too little."""
        entries = self._flat(place, index, MAX_NESTING)
        if not entries:
            raise RegistryError(f"{place.repository}: the index holds no image")
        first = next((e for p in _PREFERRED for e in entries if e.platform == p), entries[0])
        created = annotated_created(index.annotations) or _newest(
            [annotated_created(entry.annotations) for entry in entries]
        )
        labels = known_labels(first.annotations, index.annotations)
        read: dict[str, _Image] = {}
        unnamed = any(not entry.platform for entry in entries)
        if unnamed or not created:
            read = {entry.digest: self._child(place, entry) for entry in entries}
        elif not labels:
            read = {first.digest: self._child(place, first)}
        created = created or _newest([image.created for image in read.values()])
        platforms = (e.platform or read[e.digest].platform for e in entries)
        chosen = read.get(first.digest)
        image = _Image(
            created=created,
            platform="",
            labels={**chosen.labels, **labels} if chosen else labels,
            size=chosen.size if chosen else 0,
        )
        return image, tuple(dict.fromkeys(filter(None, platforms)))

    def _child(self, place: _Place, entry: Descriptor) -> _Image:
        content = self._manifest(place, entry.digest).content
        if isinstance(content, Index):
            raise RegistryError(f"{place.repository}: {entry.digest} is an index, not an image")
        return self._image(place, content)

    def _flat(self, place: _Place, index: Index, nesting: int) -> tuple[Descriptor, ...]:
        """The images of an index and of the indexes in it."""
        found: list[Descriptor] = []
        for entry in index.entries:
            if entry.media_type not in INDEXES:
                found.append(entry)
                continue
            if nesting == 0:
                raise RegistryError(f"{place.repository}: indexes are nested too deep")
            inner = self._manifest(place, entry.digest).content
            if not isinstance(inner, Index):
                raise RegistryError(f"{place.repository}: {entry.digest} is no index")
            found += self._flat(place, inner, nesting - 1)
            if len(found) > MAX_ENTRIES:
                raise RegistryError(f"{place.repository}: more than {MAX_ENTRIES} images")
        return tuple(found)

    def _send(
        self, place: _Place, method: str, url: Url, *, accept: str = "", cap: int = MIB
    ) -> Response:
        """Ask with whatever login the registry wants. Raises RegistryError, not for statuses."""
        ask = Ask(method, url.text, headers={"Accept": accept} if accept else {}, cap=cap)
        flow = self._authenticator.flow(ask, place.origin, place.repository, place.credential)
        # Closing the flow frees its lock on a token when a request in the middle of it fails.
        with closing(flow):
            try:
                ask = next(flow)
                while True:
                    ask = flow.send(self._exchange(place, ask))
            except StopIteration as done:
                answer: Response = done.value
                return answer

    def _exchange(self, place: _Place, ask: Ask) -> Response:
        try:
            return self._http.request(
                ask.method,
                ask.url,
                headers=ask.headers,
                secret_headers=ask.secrets,
                body=ask.body,
                cap=ask.cap,
            )
        except PeerError as error:
            raise RegistryError(
                f"{place.repository}: {error.message}",
                hint=error.hint,
                retryable=error.retryable,
                status=error.status,
                not_before=error.not_before,
            ) from None

    def _checked(self, place: _Place, response: Response) -> Response:
        if response.status == _OK:
            return response
        words, hint = _WORDS.get(response.status, (f"the registry answers {response.status}", ""))
        codes = _error_codes(response.body)
        raise RegistryError(
            f"{place.repository}: {words}" + (f" ({', '.join(codes)})" if codes else ""),
            hint=hint,
            retryable=response.status == 429 or response.status >= 500,  # noqa: PLR2004 - HTTP
            status=response.status,
        )


def _manifest_url(place: _Place, reference: str) -> Url:
    if not (is_tag(reference) or is_digest(reference)):
        raise RegistryError(f"{place.repository}: {reference[:80]!r} is no tag and no digest")
    return place.url(f"manifests/{reference}")


def _check_named(digest: str, reference: str, repository: Repository) -> None:
    """A digest in a header must be one, and the one that was asked for."""
    if not is_digest(digest):
        raise RegistryError(f"{repository}: {reference}: {digest[:80]!r} is no digest")
    if is_digest(reference) and digest != reference:
        raise RegistryError(f"{repository}: asked for {reference}, the registry has {digest}")


def _newest(times: Sequence[str]) -> str:
    """The newest of some times as written; empty unless every one of them is known."""
    moments = [(moment, text) for text in times if (moment := parse_time(text))]
    return max(moments)[1] if moments and len(moments) == len(times) else ""


def _error_codes(body: bytes) -> list[str]:
    """The specification's error codes; the texts beside them are the registry's and stay out."""
    try:
        errors = json.loads(body).get("errors")
        found = [str(error.get("code")) for error in errors]
    except (ValueError, AttributeError, TypeError, RecursionError):
        return []
    return [code for code in found[:3] if _CODE.fullmatch(code)]
