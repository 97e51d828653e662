"""What a URL may look like, and how near the host is that it names.

Knows text and address ranges. It refuses to resolve names: a literal address is judged here, a
name is judged by who may send it (see `imagebot.http.client`).
"""

from __future__ import annotations

import ipaddress
import re
import socket
from dataclasses import dataclass
from functools import cached_property, lru_cache
from urllib.parse import parse_qsl, quote, urlencode, urljoin, urlsplit

_FORBIDDEN = re.compile(r"[\x00-\x20\x7f\\]")
_PORTS = {"http": 80, "https": 443}
_HOST = re.compile(r"[a-z0-9._:%-]+", re.ASCII)
_SAFE = "!#$%&'()*+,/:;=?@[]~"
MAX_URL = 16_384


@dataclass(frozen=True, slots=True, order=True)
class Origin:
    """Scheme, host (lower case, no brackets) and port: the boundary that no secret crosses."""

    scheme: str
    host: str
    port: int

    @property
    def netloc(self) -> str:
        """`host[:port]`, without the port that the scheme implies."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"

    def __str__(self) -> str:
        return f"{self.scheme}://{self.netloc}"


@dataclass(frozen=True)
class Url:
    """A checked http or https URL. `path` starts with a slash; `query` has no question mark."""

    origin: Origin
    path: str
    query: str

    @cached_property
    def text(self) -> str:
        """The URL to send."""
        return f"{self.origin}{self.path}" + (f"?{self.query}" if self.query else "")

    @cached_property
    def redacted(self) -> str:
        """The URL to show: names of the query's values, never the values."""
        names = [name for name, _ in parse_qsl(self.query, keep_blank_values=True)]
        shown = "&".join(f"{quote(name)}=…" for name in names[:8])
        return f"{self.origin}{self.path[:512]}" + (f"?{shown}" if shown else "")

    def join(self, location: str) -> Url:
        """The URL that a Location or Link header means here. Raises ValueError."""
        return parse_url(urljoin(self.text, _encoded(location.strip())))

    def with_query(self, pairs: list[tuple[str, str]]) -> Url:
        """The same URL with more query values behind those it has."""
        more = urlencode(pairs)
        return Url(self.origin, self.path, f"{self.query}&{more}" if self.query else more)


def parse_url(text: str) -> Url:
    """Read an absolute http(s) URL; a fragment is dropped. Raises ValueError saying what is wrong.

    The message never holds the URL itself: it may carry a secret in its user part or query.
    """
    if len(text) > MAX_URL:
        raise ValueError(f"the URL is longer than {MAX_URL} characters")
    if _FORBIDDEN.search(text) or not text.isascii():
        raise ValueError("the URL holds spaces, control or non-ASCII characters")
    parts = urlsplit(text)
    if parts.scheme not in _PORTS:
        raise ValueError(f"the scheme {parts.scheme[:20]!r} is neither http nor https")
    if "@" in parts.netloc:
        raise ValueError("the URL holds a user name or password")
    host = (parts.hostname or "").lower()
    if _HOST.fullmatch(host) is None:
        raise ValueError("the URL names no valid host")
    try:
        port = parts.port
    except ValueError:
        port = 0
    if port == 0:
        raise ValueError("the URL names no valid port")
    origin = Origin(parts.scheme, host, port or _PORTS[parts.scheme])
    return Url(origin, parts.path or "/", parts.query)


def redact(url: str) -> str:
    """A URL fit for a message: no user part, no query values. Anything odd is not shown at all."""
    try:
        return parse_url(url).redacted
    except ValueError:
        return "<unreadable URL>"


def is_loopback(host: str) -> bool:
    """Whether a host is this machine by its spelling: localhost, 127.0.0.0/8, ::1."""
    address = _address(host)
    if address is not None:
        return address.is_loopback
    name = host.lower().removesuffix(".")
    return name == "localhost" or name.endswith(".localhost")


def is_internal(host: str) -> bool:
    """Whether a host is a literal address (or localhost) that no public server should send us to.

    Loopback, link-local (cloud metadata), private, unspecified, multicast and reserved ranges,
    in every spelling that a resolver takes: `127.1`, `0x7f000001`, `::ffff:10.0.0.1`.
    """
    address = _address(host)
    return is_loopback(host) if address is None else not address.is_global or address.is_multicast


@lru_cache(maxsize=1024)
def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    text = host.strip("[]").removesuffix(".")
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        pass
    else:
        mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
        return mapped or address
    try:
        return ipaddress.IPv4Address(socket.inet_aton(text))
    except (OSError, ValueError):
        return None


def _encoded(location: str) -> str:
    """A header's value as ASCII: servers send raw UTF-8, which arrives decoded as Latin-1."""
    if location.isascii():
        return location
    return quote(location.encode("latin-1", "replace"), safe=_SAFE)
