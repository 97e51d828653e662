"""How a registry is logged in to: anonymous tries, token servers, Basic, and what is remembered.

The flow is a generator: it yields what to ask and receives the answers, so it knows no sockets.
It never puts a credential into a request whose origin was not checked first.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol
from urllib.parse import urlencode

from imagebot.errors import RegistryError
from imagebot.http import Origin, Response, Url
from imagebot.imageref import Repository
from imagebot.registry.challenge import Challenge, parse_challenges
from imagebot.registry.lockout import Lockout
from imagebot.registry.realm import checked_realm
from imagebot.registry.token import Token, Tokens, read_token

UNAUTHORIZED = 401
_HIDDEN = frozenset({403, 404})
_NO_POST = frozenset({404, 405})
_OK = 200
TOKEN_CAP = 262_144


@dataclass(frozen=True, slots=True, repr=False)
class Credential:
    """What logs in to a registry. Any part may be empty; its `repr` shows none of it.

    `identity_token` is an OAuth refresh token for the token server; `registry_token` is a bearer
    token that goes to the registry as it is.
    """

    username: str = ""
    password: str = ""
    identity_token: str = ""
    registry_token: str = ""

    def __repr__(self) -> str:
        return "Credential(…)"


class Lookup(Protocol):
    """Finds the credential for a repository, None when there is none. Raises RegistryError."""

    def __call__(self, repository: Repository, /) -> Credential | None:
        """The credential of the longest match."""
        ...


@dataclass(frozen=True, slots=True, repr=False)
class Ask:
    """One request to make. The values of `secrets` and the body are secrets."""

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    cap: int = TOKEN_CAP


Flow = Generator[Ask, Response, Response]
_HeaderFlow = Generator[Ask, Response, str]


@dataclass(frozen=True, slots=True)
class _Login:
    """How an origin wants to be logged in to: Basic, or Bearer from a checked realm."""

    realm: Url | None
    service: str = ""


class Authenticator:
    """Remembers each origin's way to log in, and its tokens. Safe in several threads.

    `now` gives epoch seconds. `token_servers` maps a registry's `host[:port]` to token servers
    that the operator trusts beyond the rule of `imagebot.registry.realm`.
    """

    def __init__(
        self,
        now: Callable[[], float],
        *,
        token_servers: Mapping[str, frozenset[str]] | None = None,
    ) -> None:
        self._now = now
        self._token_servers = token_servers or {}
        self._logins: dict[Origin, _Login] = {}
        self._tokens = Tokens(now)
        self._lockout = Lockout()

    def flow(
        self, ask: Ask, registry: Origin, repository: Repository, credential: Credential | None
    ) -> Flow:
        """Ask with what is known about the origin, log in when it wants that, ask once more.

        At most four requests; returns the last answer whatever its status. Raises RegistryError
        when the token server is refused, rejects the login, or answers nonsense, and when the
        login was rejected too often.
        """
        known = self._logins.get(registry)
        header = yield from self._header(registry, repository, credential, stale="")
        response = yield from self._sent(ask, header, registry, credential)
        bearer = credential is not None and bool(credential.registry_token)
        hidden = response.status in _HIDDEN and credential is not None and known is None
        if bearer or not (response.status == UNAUTHORIZED or hidden):
            return response
        login = self._login(registry, response)
        if login is None and known is None:
            # Some registries name their login only here, and some hide what is private by a 404.
            ping = yield Ask("GET", f"{registry}/v2/")
            login = self._login(registry, ping)
            if login is None and hidden:
                login = _Login(realm=None)
        if login is not None:
            self._logins[registry] = login
        again = yield from self._header(registry, repository, credential, stale=header)
        if again in {"", header}:
            return response
        return (yield from self._sent(ask, again, registry, credential))

    def _sent(self, ask: Ask, header: str, registry: Origin, credential: Credential | None) -> Flow:
        """The answer to one request with this header. A password in it is a login."""
        if not header.startswith("Basic "):
            return (yield _authorized(ask, header))
        with self._lockout.attempt(registry, credential) as login:
            response = yield _authorized(ask, header)
            login.answered(response.status)
        return response

    def _login(self, registry: Origin, response: Response) -> _Login | None:
        """The way in that an answer offers: Bearer if its realm is a URL, else Basic."""
        if response.status != UNAUTHORIZED:
            return None
        challenges = parse_challenges(response.headers.get("www-authenticate", ""))
        bearer = _first(challenges, "bearer")
        basic = _first(challenges, "basic")
        if bearer is not None:
            realm = bearer.parameters.get("realm", "")
            if "://" in realm or basic is None:
                url = checked_realm(registry, realm, self._token_servers)
                return _Login(url, bearer.parameters.get("service", ""))
        return None if basic is None else _Login(realm=None)

    def _header(
        self,
        registry: Origin,
        repository: Repository,
        credential: Credential | None,
        *,
        stale: str,
    ) -> _HeaderFlow:
        """The Authorization header to send, empty for none. `stale` is one that was rejected."""
        if credential is not None and credential.registry_token:
            return f"Bearer {credential.registry_token}"
        login = self._logins.get(registry)
        if login is None:
            return ""
        if login.realm is None:
            return _basic(credential)
        scope = f"repository:{repository.path}:pull"
        with self._tokens.flight((registry, scope, credential)) as slot:
            token = slot.fresh(unlike=stale.removeprefix("Bearer "))
            if token is None:
                token = yield from self._fetch(registry, login, scope, credential)
                slot.keep(token)
        return f"Bearer {token.text}"

    def _fetch(
        self, registry: Origin, login: _Login, scope: str, credential: Credential | None
    ) -> Generator[Ask, Response, Token]:
        """A new token: by POST with an identity token, else by GET, anonymously if need be."""
        asks = _token_asks(login, scope, credential)
        if credential is None:
            response = yield asks[0]
        else:
            with self._lockout.attempt(registry, credential) as attempt:
                response = yield asks[0]
                for ask in asks[1:]:
                    if response.status in _NO_POST:
                        response = yield ask
                attempt.answered(response.status)
        if response.status != _OK:
            raise RegistryError(
                f"{registry}: its token server answers {response.status}",
                hint="" if credential is None else "is the login for this registry still valid?",
                status=response.status,
            )
        if not response.url.startswith(f"{login.realm.origin if login.realm else ''}/"):
            raise RegistryError(f"{registry}: its token server sends us to another origin")
        return read_token(response, self._now())


def _authorized(ask: Ask, header: str) -> Ask:
    return replace(ask, secrets={"Authorization": header}) if header else ask


def _first(challenges: tuple[Challenge, ...], scheme: str) -> Challenge | None:
    return next((found for found in challenges if found.scheme == scheme), None)


def _basic(credential: Credential | None) -> str:
    if credential is None or not (credential.username or credential.password):
        return ""
    pair = f"{credential.username}:{credential.password}".encode()
    return f"Basic {base64.b64encode(pair).decode()}"


def _token_asks(login: _Login, scope: str, credential: Credential | None) -> tuple[Ask, ...]:
    """The requests that may bring a token, the second for servers that know no POST."""
    if login.realm is None:
        raise AssertionError("Basic needs no token")
    service = [("service", login.service)] if login.service else []
    get = Ask("GET", login.realm.with_query([*service, ("scope", scope)]).text)
    if credential is None:
        return (get,)
    if not credential.identity_token:
        return (_authorized(get, _basic(credential)),)
    form = [
        ("grant_type", "refresh_token"),
        *service,
        ("client_id", "imagebot"),
        ("scope", scope),
        ("refresh_token", credential.identity_token),
    ]
    post = Ask(
        "POST",
        login.realm.text,
        headers={"Content-Type": "application/x-www-form-urlencoded"},
        body=urlencode(form).encode(),
    )
    # Without POST the token stands for the password, under the name that Docker gives it.
    fallback = Credential(
        credential.username or "<token>", credential.password or credential.identity_token
    )
    return (post, _authorized(get, _basic(fallback)))
