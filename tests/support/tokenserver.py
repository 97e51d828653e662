"""A token server of the distribution protocol: GET with Basic, POST with a refresh token.

`TokenServer` answers requests that a `Misbehaving` server received, so it can share a registry's
origin or have one of its own. With a signer its tokens are JWTs that a real registry verifies.
"""

from __future__ import annotations

import base64
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qs, parse_qsl

import jwt
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from tests.support.certificates import Pair
from tests.support.misbehaving import Handler, Seen, Wire

Signer = Callable[[str, str, str], str]
"""Account, service and scope to a token."""


@dataclass
class TokenServer:
    """Issues tokens `token-1`, `token-2`, ...; `valid` holds those that a registry may accept."""

    users: Mapping[str, str] = field(default_factory=dict)
    refresh_tokens: frozenset[str] = frozenset()
    anonymous: bool = True
    post_status: int = 200
    extra: dict[str, object] = field(default_factory=dict)
    field_name: str = "token"
    signer: Signer | None = None
    seen: list[Seen] = field(default_factory=list)
    issued: list[str] = field(default_factory=list)
    valid: set[str] = field(default_factory=set)

    def __call__(self, seen: Seen, wire: Wire) -> None:
        self.seen.append(seen)
        if seen.method == "POST":
            if self.post_status != 200:
                wire.json({}, self.post_status)
                return
            form = dict(parse_qsl(seen.body.decode()))
            account = "refreshed" if form.get("refresh_token") in self.refresh_tokens else None
            service, scope = form.get("service", ""), form.get("scope", "")
        else:
            account = self._account(seen.headers.get("authorization", ""))
            query = parse_qs(seen.target.partition("?")[2])
            service, scope = query.get("service", [""])[0], query.get("scope", [""])[0]
        if account is None:
            wire.json({"errors": [{"code": "UNAUTHORIZED"}]}, 401)
            return
        token = self._issue(account, service, scope)
        wire.json({self.field_name: token, **self.extra})

    def guard(self, inner: Handler, realm: str, *, service: str = "registry") -> Handler:
        """A registry that lets only bearers of valid tokens through to `inner`."""

        def handle(seen: Seen, wire: Wire) -> None:
            if seen.path.startswith("/token"):
                self(seen, wire)
            elif seen.headers.get("authorization", "").removeprefix("Bearer ") in self.valid:
                inner(seen, wire)
            else:
                shown = realm.replace("{host}", seen.headers["host"])
                challenge = f'Bearer realm="{shown}",service="{service}",scope="x"'
                wire.reply(401, b"{}", {"WWW-Authenticate": challenge})

        return handle

    def _account(self, header: str) -> str | None:
        if not header:
            return "" if self.anonymous else None
        name, _, password = base64.b64decode(header.removeprefix("Basic ")).decode().partition(":")
        return name if self.users.get(name) == password else None

    def _issue(self, account: str, service: str, scope: str) -> str:
        if self.signer is not None:
            token = self.signer(account, service, scope)
        else:
            token = f"token-{len(self.issued) + 1}"
        self.issued.append(token)
        self.valid.add(token)
        return token


def jwt_signer(pair: Pair, issuer: str) -> Signer:
    """Tokens as Docker's registry takes them: signed, with the certificate in the header."""
    key = Path(pair.key).read_bytes()
    certificate = x509.load_pem_x509_certificate(Path(pair.certificate).read_bytes())
    chain = [base64.b64encode(certificate.public_bytes(Encoding.DER)).decode()]

    def sign(account: str, service: str, scope: str) -> str:
        kind, _, rest = scope.partition(":")
        name, _, actions = rest.rpartition(":")
        now = int(time.time())
        access = [{"type": kind, "name": name, "actions": actions.split(",")}] if name else []
        claims = {
            "iss": issuer,
            "sub": account,
            "aud": service,
            "exp": now + 300,
            "nbf": now - 10,
            "iat": now,
            "jti": uuid.uuid4().hex,
            "access": access,
        }
        return jwt.encode(claims, key, algorithm="ES256", headers={"x5c": chain})

    return sign
