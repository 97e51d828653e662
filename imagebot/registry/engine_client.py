"""The docker package's client on a unix socket, with a deadline and a cap for every answer.

Knows the docker package and its connections. It refuses to know what the answers mean.
Importing this imports the docker package, so it happens when an engine is about to be asked.
"""

from __future__ import annotations

import io
import re
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.client import HTTPException
from typing import Any

import docker
import requests
from docker.constants import MINIMUM_DOCKER_API_VERSION
from docker.errors import APIError, DockerException
from docker.transport import UnixHTTPAdapter
from docker.transport.unixconn import UnixHTTPConnection, UnixHTTPConnectionPool
from urllib3.exceptions import HTTPError

from imagebot.errors import RegistryError
from imagebot.http.watchdog import Watchdog, adopt

_CHUNK = 65_536
_CONNECTIONS = 32
_MAX_WORDS = 200
_GONE = (ConnectionResetError, BrokenPipeError)
_VERSION = re.compile(r"\d{1,3}\.\d{1,3}", re.ASCII)
_FAILURES = (
    # What the docker package, requests, urllib3 and http.client raise for a broken wire ...
    DockerException,
    requests.RequestException,
    HTTPError,
    HTTPException,
    OSError,
    # ... and what an answer of an unexpected shape makes the docker package raise.
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    RecursionError,
)


class EngineClient:
    """Questions to one Docker Engine. Every method raises RegistryError.

    `socket_path` is the engine's unix socket, `seconds` the time that one question may take from
    connecting to the last byte, `cap` the most bytes of an answer. Safe to use from threads.
    """

    def __init__(self, socket_path: str, *, seconds: float, cap: int) -> None:
        self._name = f"docker engine at {socket_path}"
        self._seconds = seconds
        self._watchdog = Watchdog()
        try:
            self._client = _Client(socket_path, seconds=seconds, cap=cap)
        except _FAILURES as error:
            # Its constructor reads docker's configuration, credentials included.
            hint = "see ~/.docker/config.json"
            raise RegistryError("docker's configuration is broken", hint=hint) from error
        try:
            with self._asking():
                self._client.agree_on_version()
        except RegistryError:
            self.close()
            raise

    def close(self) -> None:
        """Close every connection."""
        self._client.close()
        self._watchdog.close()

    def images(self, name: str) -> list[dict[str, Any]]:
        """The engine's images of one familiar name, as its API lists them."""
        with self._asking():
            found = self._client.images(name=name)
        if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
            raise RegistryError(f"{self._name}: the answer is no list of images")
        return found

    def image(self, reference: str) -> dict[str, Any]:
        """One image as its API describes it. Status 404 when there is none."""
        with self._asking():
            found = self._client.inspect_image(reference)
        if not isinstance(found, dict):
            raise RegistryError(f"{self._name}: the answer is no image")
        return found

    @contextmanager
    def _asking(self) -> Iterator[None]:
        """One question: bounded in time, its failures told in our own words."""
        with self._watchdog.watch(self._seconds) as exchange:
            try:
                yield
            except _FAILURES as error:
                failure = error
            else:
                failure = None
        if exchange.expired:
            late = f"{self._name}: no whole answer within {self._seconds:g} s"
            raise RegistryError(late, retryable=True)
        if failure is not None:
            raise self._told(failure) from None

    def _told(self, error: BaseException) -> RegistryError:
        for cause in _causes(error):
            if isinstance(cause, APIError):
                status = int(cause.status_code or 0)
                words = _one_line(str(cause.explanation or "no explanation"))
                return RegistryError(
                    f"{self._name}: {words}", status=status, retryable=cause.is_server_error()
                )
            if isinstance(cause, TimeoutError):
                return RegistryError(f"{self._name}: it does not answer", retryable=True)
            if isinstance(cause, OSError) and cause.strerror:
                words = cause.strerror.lower()
                hint = "is a Docker Engine running here, and may this user use its socket?"
                return RegistryError(f"{self._name}: {words}", hint=hint, retryable=True)
            if isinstance(cause, _TooLarge):
                return RegistryError(f"{self._name}: {cause}")
        return RegistryError(f"{self._name}: the answer is broken ({type(error).__name__})")


class _TooLarge(DockerException):  # type: ignore[misc]  # the docker package has no types
    """An answer is over its cap."""


class _Connection(UnixHTTPConnection):  # type: ignore[misc]  # the docker package has no types
    """A connection that the watchdog can end, new or used again."""

    def connect(self) -> None:
        """Connect. The base class leaves the socket open when nobody answers."""
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        sock.settimeout(self.timeout)
        adopt(sock)
        try:
            sock.connect(self.unix_socket)
        except OSError:
            sock.close()
            raise
        self.sock = sock

    def putrequest(self, *args: Any, **kwargs: Any) -> None:
        adopt(self.sock)
        super().putrequest(*args, **kwargs)


class _Pool(UnixHTTPConnectionPool):  # type: ignore[misc]  # the docker package has no types
    def _new_conn(self) -> _Connection:
        return _Connection(self.base_url, self.socket_path, self.timeout)


class _Adapter(UnixHTTPAdapter):  # type: ignore[misc]  # the docker package has no types
    """One pool for all URLs: the base class opens one for each, and so never uses one again."""

    def get_connection(self, url: str, proxies: object = None) -> _Pool:  # noqa: ARG002 - the base class's signature
        with self.pools.lock:
            pool: _Pool | None = self.pools.get("engine")
            if pool is None:
                pool = _Pool(url, self.socket_path, self.timeout, maxsize=self.max_pool_size)
                self.pools["engine"] = pool
        return pool


class _Client(docker.APIClient):  # type: ignore[misc]  # the docker package has no types
    """The docker package's client, made to read at most `cap` bytes of an answer."""

    def __init__(self, socket_path: str, *, seconds: float, cap: int) -> None:
        # With a version named, the constructor asks nothing, before the adapter is ours.
        url = f"unix://{socket_path}"
        super().__init__(url, version=MINIMUM_DOCKER_API_VERSION, timeout=seconds)
        self.trust_env = False
        adapter = _Adapter(f"http+unix://{socket_path}", seconds, max_pool_size=_CONNECTIONS)
        self.mount("http+docker://", adapter)
        self._cap = cap

    def agree_on_version(self) -> None:
        """Speak the engine's own version of the API."""
        version = self._retrieve_server_version()
        if not isinstance(version, str) or _VERSION.fullmatch(version) is None:
            raise ValueError("the engine names no version")
        self._version = version

    def send(self, request: requests.PreparedRequest, **kwargs: Any) -> requests.Response:
        """Read the whole answer under the cap; nothing sends an engine's client elsewhere."""
        kwargs.update(stream=True, allow_redirects=False)
        try:
            return self._exchange(request, kwargs)
        except requests.ConnectionError as error:
            # The engine may close an idle connection in the moment in which it is used again.
            if not any(isinstance(cause, _GONE) for cause in _causes(error)):
                raise
            return self._exchange(request, kwargs)

    def _exchange(
        self, request: requests.PreparedRequest, kwargs: Mapping[str, Any]
    ) -> requests.Response:
        response: requests.Response = super().send(request, **kwargs)
        body = bytearray()
        for chunk in response.iter_content(_CHUNK):
            body += chunk
            if len(body) > self._cap:
                response.close()
                raise _TooLarge(f"the answer is larger than {self._cap} bytes")
        answer = requests.Response()
        answer.status_code, answer.headers = response.status_code, response.headers
        answer.url, answer.reason, answer.request = response.url, response.reason, response.request
        answer.raw = io.BytesIO(body)
        return answer


def _causes(error: BaseException) -> Iterator[BaseException]:
    """An exception and what it came from, outermost first."""
    seen: BaseException | None = error
    while seen is not None:
        yield seen
        seen = seen.__cause__ or seen.__context__


def _one_line(text: str) -> str:
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())[:_MAX_WORDS]
