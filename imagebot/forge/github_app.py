"""A GitHub App's installation token: made, narrowed to one repository, renewed, given back.

Knows the JWT that proves the App and the life of the token. Refuses to know what the token is
used for; keys and tokens leave it as headers only.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from http import HTTPStatus
from typing import Any

from imagebot.errors import ForgeError, PeerError, StartError
from imagebot.forge.fields import text
from imagebot.forge.ratelimit import http_date
from imagebot.forge.told import sanitise, told_by
from imagebot.http import Clock, HttpClient, Response

JWT_BACKDATED = 60
JWT_LIFE = 540
"""Seconds; with the backdating, GitHub's maximum of ten minutes between `iat` and `exp`."""

RENEW_AT = 0.8
"""Share of a token's life after which a new one is fetched."""

SKEW_NOTICED = 5.0
PERMISSIONS = {
    "contents": "write",
    "pull_requests": "write",
    "metadata": "read",
    "issues": "write",
}
_HINT = "check the App's client id, its private key and the installation id"


@dataclass(frozen=True, slots=True)
class App:
    """An App's identity: client id, private key (PEM text), and where it is installed."""

    client_id: str
    private_key: str = field(repr=False)
    installation: int


@dataclass(frozen=True, slots=True)
class _Issued:
    token: str = field(repr=False)
    renew_at: float


class AppCredential:
    """The credential of an App on one repository. Safe in several threads.

    `headers` are the public headers of every GitHub request. Raises StartError for a key that
    cannot sign, ForgeError when GitHub gives no token.
    """

    def __init__(
        self,
        app: App,
        *,
        api: str,
        repo: str,
        http: HttpClient,
        clock: Clock,
        headers: Mapping[str, str],
    ) -> None:
        self._app = app
        self._api = api.rstrip("/")
        self._repo = repo
        self._http = http
        self._clock = clock
        self._headers = headers
        self._permissions = dict(PERMISSIONS)
        self._skew = 0.0
        self._issued: _Issued | None = None
        self._old: tuple[str, ...] = ()
        self._lock = threading.Lock()

    def headers(self) -> Mapping[str, str]:
        """The Authorization header with a token that has at least a fifth of its life left."""
        return {"Authorization": f"Bearer {self.token()}"}

    def token(self) -> str:
        """The installation token; for git over HTTPS it is the password of `x-access-token`."""
        with self._lock:
            if self._issued is None or self._clock.monotonic() >= self._issued.renew_at:
                self._issued = self._fetch()
                self._old = (*self._old[-8:], self._issued.token)
            return self._issued.token

    def secrets(self) -> tuple[str, ...]:
        """Every token of late."""
        return self._old

    def renew(self) -> bool:
        """Forget the refused token; the next request fetches another."""
        with self._lock:
            self._issued = None
        return True

    def close(self) -> None:
        """Revoke the token. Without a reply it dies by itself within the hour."""
        with self._lock:
            issued, self._issued = self._issued, None
        if issued is None:
            return
        secret = {"Authorization": f"Bearer {issued.token}"}
        url = f"{self._api}/installation/token"
        try:
            self._http.request("DELETE", url, headers=self._headers, secret_headers=secret)
        except PeerError:
            return

    def _fetch(self) -> _Issued:
        response = self._post()
        if response.status == HTTPStatus.UNAUTHORIZED and self._learn_skew(response):
            response = self._post()
        if response.status == HTTPStatus.UNPROCESSABLE_ENTITY and "issues" in self._permissions:
            # Without this one permission all works but the making of new labels.
            del self._permissions["issues"]
            response = self._post()
        if response.status != HTTPStatus.CREATED:
            raise self._refusal(response)
        return self._read(response)

    def _post(self) -> Response:
        asked: dict[str, Any] = {"repositories": [self._repo], "permissions": self._permissions}
        try:
            return self._http.request(
                "POST",
                self._url,
                headers={**self._headers, "Content-Type": "application/json"},
                secret_headers={"Authorization": f"Bearer {self._jwt()}"},
                body=json.dumps(asked).encode(),
            )
        except PeerError as error:
            raise ForgeError(
                f"GitHub: {sanitise(error.message)}",
                hint=error.hint,
                retryable=error.retryable,
                status=error.status,
                not_before=error.not_before,
            ) from error

    @property
    def _url(self) -> str:
        return f"{self._api}/app/installations/{self._app.installation}/access_tokens"

    def _jwt(self) -> str:
        import jwt

        now = int(self._clock.now() + self._skew)
        claims = {"iat": now - JWT_BACKDATED, "exp": now + JWT_LIFE, "iss": self._app.client_id}
        try:
            return jwt.encode(claims, self._app.private_key, algorithm="RS256")
        except (jwt.PyJWTError, ValueError, TypeError):
            # The library's message may quote the key.
            raise StartError(
                "the GitHub App's private key cannot sign",
                hint="it must be the whole PEM file that GitHub gave, an RSA private key",
            ) from None

    def _learn_skew(self, response: Response) -> bool:
        """Take GitHub's clock for ours when they differ. True when that changes the JWT."""
        theirs = http_date(response.headers.get("date", ""))
        if theirs is None:
            return False
        skew = theirs - self._clock.now()
        changed = abs(skew - self._skew) > SKEW_NOTICED
        self._skew = skew
        return changed

    def _read(self, response: Response) -> _Issued:
        try:
            data = response.json()
            until = datetime.fromisoformat(text(data, "expires_at"))
        except (PeerError, ValueError) as error:
            raise ForgeError("GitHub: the reply holds no installation token", status=201) from error
        token = text(data, "token")
        if not token:
            raise ForgeError("GitHub: the reply holds no installation token", status=201)
        theirs = http_date(response.headers.get("date", "")) or self._clock.now()
        life = max(until.timestamp() - theirs, 0.0)
        return _Issued(token, self._clock.monotonic() + RENEW_AT * life)

    def _refusal(self, response: Response) -> ForgeError:
        told = sanitise(told_by(response.body))
        status = response.status
        return ForgeError(
            f"GitHub: no token for installation {self._app.installation}, status {status}: {told}",
            hint=_HINT if status < HTTPStatus.INTERNAL_SERVER_ERROR else "",
            retryable=status >= HTTPStatus.INTERNAL_SERVER_ERROR,
            status=status,
        )
