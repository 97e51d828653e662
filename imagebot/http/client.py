"""The client that every adapter uses: where a request may go, what goes with it, how often.

Knows retries, redirects, secrets and proxies; refuses to know what the answers mean. A status
never raises here; everything that keeps an answer from arriving whole raises PeerError.
"""

from __future__ import annotations

import logging
import math
import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Self

from imagebot.errors import PeerError
from imagebot.http.clock import Clock, SystemClock
from imagebot.http.gate import Deferrals, Gate, MemoryDeferrals
from imagebot.http.response import Response
from imagebot.http.retry import AGAIN, SICK, backoff, retry_after
from imagebot.http.transport import Transport, tls_context
from imagebot.http.urls import Origin, Url, is_internal, is_loopback, parse_url
from imagebot.http.watchdog import Watchdog

MIB = 1024 * 1024
MAX_REDIRECTS = 5
_SAFE_METHODS = frozenset({"GET", "HEAD"})
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_TRAVELS = frozenset({"accept"})
_SEE_OTHER = 303
_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")


@dataclass(frozen=True, slots=True, repr=False)
class _Call:
    """What is asked for, and how long and how large the whole of it may get."""

    method: str
    headers: Mapping[str, str]
    secrets: Mapping[str, str]
    body: bytes | None
    cap: int
    until: float
    retries: int

    @property
    def safe(self) -> bool:
        return self.method in _SAFE_METHODS


class HttpClient:
    """HTTP for every peer: one connection pool an origin, bounded in time, bytes and requests.

    Plain http goes to loopback and to `insecure_hosts` (`host` or `host:port`) only. `ca_bundle`
    is a PEM file trusted beside the public roots. `proxies` maps `http`, `https` or `all` to a
    proxy URL and `no` to a comma-separated list of hosts and domains that are asked directly;
    nothing is read from the environment or `.netrc`. `max_workers` bounds the requests to one
    host at a time and `budget` their number in this client's life; `wait_cap` is the longest
    Retry-After, in seconds, that is slept instead of deferred. Safe in several threads. Raises
    StartError for a `ca_bundle` that cannot be used.
    """

    def __init__(
        self,
        *,
        user_agent: str,
        clock: Clock | None = None,
        ca_bundle: str | None = None,
        proxies: Mapping[str, str] | None = None,
        insecure_hosts: frozenset[str] = frozenset(),
        connect_timeout: float = 10.0,
        max_workers: int = 16,
        budget: int = 50_000,
        wait_cap: float = 30.0,
        deferrals: Deferrals | None = None,
    ) -> None:
        self._clock = clock or SystemClock()
        self._agent = _checked_headers({"User-Agent": user_agent})
        self._proxies = dict(proxies or {})
        self._insecure = insecure_hosts
        self._connect_timeout = connect_timeout
        self._max_workers = max_workers
        self._wait_cap = wait_cap
        self._gate = Gate(
            clock=self._clock,
            deferrals=MemoryDeferrals() if deferrals is None else deferrals,
            concurrency=max_workers,
            budget=budget,
        )
        self._watchdog = Watchdog()
        self._transports: dict[Origin, Transport] = {}
        # Only a file of one's own can be wrong, and then it is said before anything is asked.
        self._context = tls_context(ca_bundle) if ca_bundle else None
        self._lock = threading.Lock()
        # Its debug lines hold whole URLs, and a redirect's query may be a signature.
        logging.getLogger("urllib3").setLevel(logging.INFO)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close idle connections and end the deadline thread."""
        with self._lock:
            transports, self._transports = self._transports, {}
        for transport in transports.values():
            transport.close()
        self._watchdog.close()

    def speaks_plain(self, host: str) -> bool:
        """Whether `host[:port]` may be asked over plain http: loopback, or named as insecure."""
        try:
            return self._plain(parse_url(f"http://{host}").origin)
        except ValueError:
            return False

    def defer(self, url: str, seconds: float) -> float:
        """Refuse every request to the URL's host for `seconds`; gives the end in epoch seconds.

        For callers that read a limit in their peer's own headers. Raises PeerError.
        """
        return self._gate.defer(_parsed("defer", url).origin.netloc, seconds)

    def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        secret_headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        cap: int = 8 * MIB,
        deadline: float = 30.0,
        retries: int = 3,
        follow: bool = True,
    ) -> Response:
        """Ask, and give the whole answer whatever its status.

        `cap` bounds the decoded body in bytes, `deadline` everything together in seconds: retries,
        waits and redirects included. `secret_headers` never leave the URL's origin; of `headers`
        only Accept follows a redirect elsewhere. Only GET and HEAD are repeated. Raises PeerError.
        """
        call = _Call(
            method=method,
            headers=_checked_headers(headers or {}),
            secrets=_checked_headers(secret_headers or {}),
            body=body,
            cap=cap,
            until=self._clock.monotonic() + deadline,
            retries=retries,
        )
        target = _parsed(method, url)
        for _ in range(MAX_REDIRECTS + 1):
            response = self._persist(call, target)
            location = response.headers.get("location", "")
            if not follow or response.status not in _REDIRECTS or not location:
                return response
            following = _joined(call, target, location)
            call = self._redirected(call, target, following, response.status)
            target = following
        raise PeerError(f"{method} {target.redacted}: more than {MAX_REDIRECTS} redirects")

    def _persist(self, call: _Call, url: Url) -> Response:
        """Ask until there is an answer worth having, or no retry, time or patience is left."""
        retries = call.retries if call.safe else 0
        for attempt in range(retries + 1):
            last = attempt == retries
            try:
                response = self._once(call, url)
            except PeerError as error:
                # A refusal that names its time comes from our own gate: asking again is no use.
                if last or not error.retryable or error.not_before:
                    raise
                if not self._nap(call, backoff(attempt)):
                    raise
                continue
            if response.status not in AGAIN:
                return response
            named = self._heed(call, url, response)
            if last or (not named and not self._nap(call, backoff(attempt))):
                return response
        raise AssertionError("unreachable: the last attempt returns or raises")

    def _once(self, call: _Call, url: Url) -> Response:
        self._check_plain(call.method, url)
        name = url.origin.netloc
        with self._gate.enter(name, until=call.until):
            seconds = call.until - self._clock.monotonic()
            if seconds <= 0:
                raise PeerError(f"{call.method} {url.redacted}: the deadline has passed")
            try:
                response = self._transport(url.origin).exchange(
                    call.method,
                    url,
                    {
                        **self._agent,
                        "Accept-Encoding": "gzip",
                        "Connection": "keep-alive",
                        **call.headers,
                        **call.secrets,
                    },
                    call.body,
                    cap=call.cap,
                    seconds=seconds,
                    connect=self._connect_timeout,
                )
            except PeerError as error:
                if error.retryable:
                    self._gate.failed(name)
                raise
        if response.status in SICK:
            self._gate.failed(name)
        else:
            self._gate.succeeded(name)
        return response

    def _heed(self, call: _Call, url: Url, response: Response) -> bool:
        """Do what Retry-After says, for the whole host. False when it says nothing.

        A wait that is too long for this call is not slept: the host is deferred and PeerError
        says until when.
        """
        seconds = retry_after(response.headers, self._clock.now())
        if seconds is None:
            return False
        name = url.origin.netloc
        if seconds > self._wait_cap or self._clock.monotonic() + seconds > call.until:
            raise PeerError(
                f"{call.method} {url.redacted}: status {response.status}, and the host asks for"
                f" a pause of {math.ceil(seconds)} s",
                retryable=True,
                status=response.status,
                not_before=self._gate.defer(name, seconds),
            )
        self._gate.pause(name, seconds)
        return True

    def _nap(self, call: _Call, seconds: float) -> bool:
        """Sleep if that leaves time for another attempt."""
        if self._clock.monotonic() + seconds >= call.until:
            return False
        self._clock.sleep(seconds)
        return True

    def _redirected(self, call: _Call, here: Url, there: Url, status: int) -> _Call:
        """The call that follows a redirect, without what must not travel. Raises PeerError."""
        if there.origin == here.origin:
            if status == _SEE_OTHER and not call.safe:
                raise _refused(call, here, "a redirect would turn it into a GET")
            return call
        if not call.safe:
            raise _refused(call, here, f"it is redirected to another origin, {there.origin}")
        if here.origin.scheme == "https" and there.origin.scheme != "https":
            raise _refused(call, here, "it is redirected from https to http")
        inside = is_internal(here.origin.host) or self._named_insecure(there.origin)
        if is_internal(there.origin.host) and not inside:
            raise _refused(call, here, f"it is redirected to an internal address, {there.origin}")
        public = {k: v for k, v in call.headers.items() if k.lower() in _TRAVELS}
        return replace(call, headers=public, secrets={})

    def _check_plain(self, method: str, url: Url) -> None:
        if url.origin.scheme == "http" and not self._plain(url.origin):
            raise PeerError(
                f"{method} {url.redacted}: plain http is refused",
                hint="use https, or name the host as insecure",
            )

    def _plain(self, origin: Origin) -> bool:
        return is_loopback(origin.host) or self._named_insecure(origin)

    def _named_insecure(self, origin: Origin) -> bool:
        return not self._insecure.isdisjoint({origin.host, f"{origin.host}:{origin.port}"})

    def _transport(self, origin: Origin) -> Transport:
        transport = self._transports.get(origin)
        if transport is not None:
            return transport
        with self._lock:
            if origin.scheme == "https" and self._context is None:
                self._context = tls_context()
            if origin not in self._transports:
                self._transports[origin] = Transport(
                    self._watchdog,
                    connections=self._max_workers,
                    context=self._context if origin.scheme == "https" else None,
                    proxy=self._proxy(origin),
                )
            return self._transports[origin]

    def _proxy(self, origin: Origin) -> str | None:
        direct = [entry.strip().lower() for entry in self._proxies.get("no", "").split(",")]
        for entry in filter(None, direct):
            name = entry.removeprefix("*").removeprefix(".")
            if entry == "*" or origin.host == name or origin.host.endswith(f".{name}"):
                return None
        if is_loopback(origin.host):
            return None
        proxy = self._proxies.get(origin.scheme) or self._proxies.get("all")
        if proxy and not proxy.startswith(("http://", "https://")):
            raise PeerError(f"{origin}: its proxy is refused: only http and https proxies are used")
        return proxy


def _parsed(method: str, url: str) -> Url:
    try:
        return parse_url(url)
    except ValueError as error:
        raise PeerError(f"{method}: {error}") from None


def _joined(call: _Call, url: Url, location: str) -> Url:
    try:
        return url.join(location)
    except ValueError as error:
        raise _refused(call, url, f"it is redirected, and {error}") from None


def _refused(call: _Call, url: Url, why: str) -> PeerError:
    return PeerError(f"{call.method} {url.redacted}: refused, because {why}")


def _checked_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Headers that cannot be split into others. The message holds no value: it may be secret."""
    for name, value in headers.items():
        if _NAME.fullmatch(name) is None or _VALUE.fullmatch(value) is None:
            raise PeerError(f"the request header {name!r} holds a character it must not hold")
    return dict(headers)
