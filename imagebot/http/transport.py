"""One request to one origin over requests' adapter: bytes out, capped bytes in, before a deadline.

Knows sockets, TLS and what can break on the way; refuses to know retries, redirects and secrets.

The adapter is used without `requests.Session`: a session reads the whole body of a redirect
without any cap before it hands it over, keeps cookies, and looks into `.netrc`.
"""

from __future__ import annotations

import errno
import socket
import ssl
from collections.abc import Mapping
from http.client import HTTPException, RemoteDisconnected
from http.client import IncompleteRead as ChunkMissing
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from requests.structures import CaseInsensitiveDict
from requests.utils import DEFAULT_CA_BUNDLE_PATH
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import (
    ConnectTimeoutError,
    HTTPError,
    IncompleteRead,
    ReadTimeoutError,
)

from imagebot.errors import PeerError, StartError
from imagebot.http.response import Headers, Response
from imagebot.http.urls import Url
from imagebot.http.watchdog import Watchdog, adopt

_CHUNK = 65_536
_ENCODINGS = frozenset({"", "identity", "gzip", "x-gzip"})
_FAILURES = (requests.RequestException, HTTPError, HTTPException, OSError)


class _Watched(HTTPConnection):
    """A connection whose socket the watchdog knows from its birth."""

    def _new_conn(self) -> socket.socket:
        """Connect to the first address that answers; each is given the connect timeout."""
        failure = OSError(errno.EHOSTUNREACH, "no address to connect to")
        for family, kind, protocol, _, address in _resolve(self._dns_host, self.port):
            sock = socket.socket(family, kind, protocol)
            try:
                adopt(sock)
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                sock.settimeout(self.timeout)
                sock.connect(address)
            except OSError as error:
                sock.close()
                failure = error
                continue
            return sock
        raise failure

    def connect(self) -> None:
        super().connect()
        adopt(self.sock)

    def putrequest(self, *args: Any, **kwargs: Any) -> None:
        adopt(self.sock)
        super().putrequest(*args, **kwargs)


class _WatchedTls(_Watched, HTTPSConnection):
    """The same over TLS."""


def _resolve(host: str, port: int) -> list[Any]:
    try:
        return socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM)
    except UnicodeError:
        # Python refuses an empty or overlong label before it asks anybody.
        raise socket.gaierror(socket.EAI_NONAME, "no host name") from None


class _PlainPool(HTTPConnectionPool):
    ConnectionCls = _Watched


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = _WatchedTls


class _Adapter(HTTPAdapter):
    """requests' adapter with one pool, whose connections the watchdog can reach.

    Its TLS context is built once for all origins, not once a connection.
    """

    def __init__(self, connections: int, context: ssl.SSLContext | None) -> None:
        self._context = context
        self._pool: HTTPConnectionPool | None = None
        super().__init__(pool_connections=1, pool_maxsize=connections)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, **kwargs)
        self._watch(self.poolmanager)

    def proxy_manager_for(self, proxy: str, **proxy_kwargs: Any) -> Any:
        manager = super().proxy_manager_for(proxy, **proxy_kwargs)
        self._watch(manager)
        return manager

    def build_connection_pool_key_attributes(
        self, *args: Any, **kwargs: Any
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        host, _ = super().build_connection_pool_key_attributes(*args, **kwargs)
        return host, {"ssl_context": self._context} if self._context else {}

    def get_connection_with_tls_context(self, *args: Any, **kwargs: Any) -> HTTPConnectionPool:
        if self._pool is None:
            self._pool = super().get_connection_with_tls_context(*args, **kwargs)
        return self._pool

    def cert_verify(self, *args: Any, **kwargs: Any) -> None:
        """Nothing to do: the TLS context holds the trusted roots and always verifies."""

    @staticmethod
    def _watch(manager: Any) -> None:
        manager.pool_classes_by_scheme = {"http": _PlainPool, "https": _SecurePool}


def tls_context(ca_bundle: str = "") -> ssl.SSLContext:
    """A client context that verifies, with the public roots plus those of a PEM file.

    Raises StartError when the file cannot be read, or holds no certificates.
    """
    context = ssl.create_default_context(cafile=DEFAULT_CA_BUNDLE_PATH)
    if ca_bundle:
        try:
            context.load_verify_locations(cafile=ca_bundle)
        except ssl.SSLError as error:
            raise StartError(f"{ca_bundle} holds no PEM certificates that can be read") from error
        except OSError as error:
            raise StartError(f"{ca_bundle}: {error.strerror}") from error
    return context


class Transport:
    """The keep-alive connections to one origin, through at most one proxy."""

    def __init__(
        self,
        watchdog: Watchdog,
        *,
        connections: int,
        context: ssl.SSLContext | None,
        proxy: str | None,
    ) -> None:
        self._watchdog = watchdog
        self._adapter = _Adapter(connections, context)
        self._proxies = {"all": proxy} if proxy else {}

    def close(self) -> None:
        """Close every idle connection."""
        self._adapter.close()

    def exchange(
        self,
        method: str,
        url: Url,
        headers: Mapping[str, str],
        body: bytes | None,
        *,
        cap: int,
        seconds: float,
        connect: float,
    ) -> Response:
        """Send one request and read its whole answer, within `seconds` and `cap` bytes.

        `connect` bounds the wait for one address. Raises PeerError.
        """
        request = requests.PreparedRequest()
        request.method, request.url, request.body = method, url.text, body
        request.headers = CaseInsensitiveDict(headers)
        if body is not None:
            request.headers["Content-Length"] = str(len(body))
        what = f"{method} {url.redacted}"
        with self._watchdog.watch(seconds) as exchange:
            try:
                answer = self._adapter.send(
                    request,
                    stream=True,
                    timeout=(min(connect, seconds), seconds),
                    proxies=self._proxies,
                )
                content = _read(answer.raw, cap, what)
            except _FAILURES as error:
                if exchange.expired:
                    raise _late(what, seconds) from None
                raise _broken(what, error) from None
        if exchange.expired:
            # A body without a length ends where the socket was shut: it is no whole answer.
            raise _late(what, seconds)
        return Response(answer.status_code, Headers(answer.raw.headers.items()), content, url.text)


def _read(raw: Any, cap: int, what: str) -> bytes:
    """The decoded body. The connection goes back to the pool only when all of it was read."""
    whole = False
    try:
        encoding = raw.headers.get("content-encoding", "").strip().lower()
        if encoding not in _ENCODINGS:
            raise PeerError(f"{what}: the answer is encoded in a way nobody asked for")
        chunks, size = [], 0
        while chunk := raw.read(_CHUNK, decode_content=True):
            size += len(chunk)
            if size > cap:
                raise PeerError(f"{what}: the answer is larger than {cap} bytes")
            chunks.append(chunk)
        whole = True
        return b"".join(chunks)
    finally:
        if not whole:
            raw.close()
        raw.release_conn()


def _late(what: str, seconds: float) -> PeerError:
    return PeerError(f"{what}: no whole answer within {seconds:.3g} s", retryable=True)


def _broken(what: str, error: BaseException) -> PeerError:
    """A failure in our own words: the libraries' texts hold whole URLs, signatures included."""
    causes = _causes(error)
    for cause in causes:
        if isinstance(cause, ssl.SSLCertVerificationError):
            reason = cause.verify_message or "not trusted"
            hint = "a private authority needs its CA bundle configured"
            return PeerError(f"{what}: the TLS certificate is refused: {reason}", hint=hint)
        if isinstance(cause, socket.gaierror):
            passing = cause.errno == socket.EAI_AGAIN
            return PeerError(f"{what}: the host name does not resolve", retryable=passing)
    # A refused connection is wrapped in a time-out of urllib3's: the innermost word counts.
    words = next(filter(None, map(_words, reversed(causes))), "")
    words = words or f"the answer is broken ({type(error).__name__})"
    return PeerError(f"{what}: {words}", retryable=True)


def _words(cause: BaseException) -> str:
    """What one exception of a chain says, empty when it only wraps another."""
    match cause:
        case ssl.SSLError():
            return f"TLS failed: {(cause.reason or 'broken').lower().replace('_', ' ')}"
        case ConnectTimeoutError() | ReadTimeoutError() | TimeoutError():
            return "the host does not answer"
        case RemoteDisconnected():
            return "the connection was closed without an answer"
        case IncompleteRead() | ChunkMissing():
            return "the answer ends too early"
        case OSError() if cause.strerror and not isinstance(cause, requests.RequestException):
            return str(cause.strerror).lower()
        case _:
            return ""


def _causes(error: BaseException) -> list[BaseException]:
    """An exception and everything it wraps, outermost first, whichever way it was wrapped."""
    found: list[BaseException] = []
    queue: list[object] = [error]
    while queue and len(found) < 16:  # noqa: PLR2004 - wrapping is never deeper; a cycle ends here
        item = queue.pop(0)
        if isinstance(item, BaseException) and item not in found:
            found.append(item)
            queue += [getattr(item, "reason", None), item.__cause__, *item.args]
    return found
