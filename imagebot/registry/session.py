"""One repository on one registry: requests with a login, and answers that were checked.

Knows paths, statuses and digests. It refuses to know what a tag list or a manifest means.
"""

from __future__ import annotations

import json
import re
from contextlib import closing
from dataclasses import dataclass

from imagebot.errors import PeerError, RegistryError
from imagebot.http import HttpClient, Origin, Response, Url
from imagebot.imageref import Repository, is_digest, is_tag
from imagebot.registry.auth import Ask, Authenticator, Credential
from imagebot.registry.manifest import (
    ACCEPT,
    Config,
    Descriptor,
    Index,
    Manifest,
    check_digest,
    digest_of,
    read_config,
    read_manifest,
)

MIB = 1024 * 1024
MANIFEST_CAP = 4 * MIB
CONFIG_CAP = 8 * MIB

_OK, _TOO_MANY, _BROKEN = 200, 429, 500
_CODE = re.compile(r"[A-Z][A-Z_]{2,40}")
_WORDS = {
    401: ("the registry wants a login, or refused it", "is there a credential for it?"),
    403: ("the registry denies access", "may this credential pull from it?"),
    404: ("the registry knows no such repository, tag or digest", ""),
    429: ("the registry's rate limit is reached", "log in, or ask less often"),
}


@dataclass(frozen=True, slots=True)
class Fetched:
    """A manifest or index, and the digest of its bytes."""

    content: Manifest | Index
    digest: str


@dataclass(frozen=True, slots=True, repr=False)
class Session:
    """What one call needs to ask about one repository. Every method raises RegistryError."""

    http: HttpClient
    authenticator: Authenticator
    repository: Repository
    origin: Origin
    credential: Credential | None

    @property
    def name(self) -> str:
        """What to call the repository in a message."""
        return str(self.repository)

    def url(self, tail: str) -> Url:
        """A URL below the repository, such as `tags/list`."""
        return Url(self.origin, f"/v2/{self.repository.path}/{tail}", "")

    def manifest_url(self, reference: str) -> Url:
        """Where a tag or digest lives."""
        if not (is_tag(reference) or is_digest(reference)):
            raise RegistryError(f"{self.name}: {reference[:80]!r} is no tag and no digest")
        return self.url(f"manifests/{reference}")

    def send(self, method: str, url: Url, *, accept: str = "", cap: int = MIB) -> Response:
        """Ask with whatever login the registry wants. Statuses do not raise."""
        ask = Ask(method, url.text, headers={"Accept": accept} if accept else {}, cap=cap)
        flow = self.authenticator.flow(ask, self.origin, self.repository, self.credential)
        # Closing the flow frees its lock on a token when a request in the middle of it fails.
        with closing(flow):
            try:
                ask = next(flow)
                while True:
                    ask = flow.send(self._exchange(ask))
            except StopIteration as done:
                answer: Response = done.value
                return answer

    def get(self, url: Url, *, accept: str = "", cap: int = MIB) -> Response:
        """The answer to a GET, with status 200."""
        return self.checked(self.send("GET", url, accept=accept, cap=cap))

    def checked(self, response: Response) -> Response:
        """The same answer when its status is 200."""
        status = response.status
        if status == _OK:
            return response
        words, hint = _WORDS.get(status, (f"the registry answers {status}", ""))
        codes = _error_codes(response.body)
        raise RegistryError(
            f"{self.name}: {words}" + (f" ({', '.join(codes)})" if codes else ""),
            hint=hint,
            retryable=status == _TOO_MANY or status >= _BROKEN,
            status=status,
        )

    def fetch(self, reference: str) -> Fetched:
        """The manifest or index of a tag or digest, verified against every digest there is."""
        response = self.get(self.manifest_url(reference), accept=ACCEPT, cap=MANIFEST_CAP)
        what = f"{self.name}: {reference}"
        digest = response.headers.get("docker-content-digest", "")
        if digest:
            self.check_named(digest, reference)
        elif is_digest(reference):
            digest = reference
        else:
            digest = digest_of(response.body)
        check_digest(response.body, digest, what)
        content_type = response.headers.get("content-type", "")
        return Fetched(read_manifest(response.body, content_type, what), digest)

    def manifest(self, digest: str) -> Manifest | Index:
        """The manifest or index with this digest."""
        return self.fetch(digest).content

    def config(self, descriptor: Descriptor) -> Config:
        """The image configuration that a descriptor points at; its own `urls` are not asked."""
        response = self.get(self.url(f"blobs/{descriptor.digest}"), cap=CONFIG_CAP)
        what = f"{self.name}: the configuration {descriptor.digest}"
        check_digest(response.body, descriptor.digest, what)
        return read_config(response.body, what)

    def check_named(self, digest: str, reference: str) -> None:
        """Raise unless a digest in a header is one, and is the one that was asked for."""
        if not is_digest(digest):
            raise RegistryError(f"{self.name}: {reference}: {digest[:80]!r} is no digest")
        if is_digest(reference) and digest != reference:
            raise RegistryError(f"{self.name}: asked for {reference}, the registry has {digest}")

    def _exchange(self, ask: Ask) -> Response:
        try:
            return self.http.request(
                ask.method,
                ask.url,
                headers=ask.headers,
                secret_headers=ask.secrets,
                body=ask.body,
                cap=ask.cap,
            )
        except PeerError as error:
            raise RegistryError(
                f"{self.name}: {error.message}",
                hint=error.hint,
                retryable=error.retryable,
                status=error.status,
                not_before=error.not_before,
            ) from None


def _error_codes(body: bytes) -> list[str]:
    """The specification's error codes; the texts beside them are the registry's and stay out."""
    try:
        errors = json.loads(body).get("errors")
        found = [str(error.get("code")) for error in errors]
    except (ValueError, AttributeError, TypeError, RecursionError):
        return []
    return [code for code in found[:3] if _CODE.fullmatch(code)]
