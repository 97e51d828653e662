"""Which repository URLs may be handed to git, and what they are made of.

Knows https, ssh and scp-like URLs, and, on request, this machine: absolute paths, `file:` and
http to loopback. It refuses to know credentials, and keeps a user name out of what people see.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Literal
from urllib.parse import unquote, urlsplit

from imagebot.errors import UsageError

Scheme = Literal["https", "ssh", "http", "file"]

_HOST = re.compile(r"(?:[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?|\[[0-9a-fA-F:.]+\])", re.ASCII)
_USER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._@+-]*", re.ASCII)
_URL_PATH = re.compile(r"/[A-Za-z0-9._~!$&'()*+,;=:@%/-]+", re.ASCII)
_SCP = re.compile(r"(?:(?P<user>[^@/:]+)@)?(?P<host>\[[^\]/]+\]|[^:/\[\]]+):(?P<path>[^:].*)")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "[::1]"})
_HINT = "https://host/owner/repo, ssh://git@host/owner/repo or git@host:owner/repo"


@dataclass(frozen=True, slots=True)
class RepoUrl:
    """A checked repository URL. `text` is what git is given and what people may see.

    `host` keeps its port as written (`git.example.com:8443`) and is empty for `file`. The user of
    an https URL is taken out of `text`, because people put tokens there.
    """

    text: str
    scheme: Scheme
    host: str
    path: str
    user: str = field(default="", repr=False)

    def __str__(self) -> str:
        """The URL without a secret."""
        return self.text

    @property
    def name(self) -> str:
        """The last part of the path without `.git`: what people call the repository."""
        return PurePosixPath(self.path).name.removesuffix(".git")


def parse(url: str, *, allow_local: bool = False) -> RepoUrl:
    """Read a repository URL. Raises UsageError; the message never quotes a user or a password.

    `allow_local` admits this machine: absolute paths, `file:` URLs and http to loopback.
    """
    if not url or _CONTROL.search(url) or not url.isprintable():
        raise UsageError("the repository URL is empty or has control characters", hint=_HINT)
    if url.startswith("-"):
        raise UsageError("a repository URL cannot start with '-'", hint=_HINT)
    if url.startswith("/"):
        return _local(url, allowed=allow_local)
    if "://" in url:
        return _absolute(url, allow_local=allow_local)
    if "::" in url:
        raise UsageError("remote helpers ('name::address') are not allowed", hint=_HINT)
    return _scp_like(url)


def _absolute(url: str, *, allow_local: bool) -> RepoUrl:
    scheme = url.partition("://")[0].lower()
    if "::" in scheme or scheme not in {"https", "ssh", "http", "file"}:
        raise UsageError(f"{scheme[:20]!r} is not an allowed way to reach a repository", hint=_HINT)
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise UsageError("the repository URL cannot be read", hint=_HINT) from error
    if parts.query or parts.fragment or "?" in url or "#" in url:
        raise UsageError("a repository URL has no query and no fragment", hint=_HINT)
    if scheme == "file":
        if parts.netloc not in {"", "localhost"}:
            raise UsageError("a file URL names no host", hint="file:///path/to/repo.git")
        return _local(unquote(parts.path), allowed=allow_local)
    user, host = _authority(parts.netloc)
    _check_path(parts.path)
    if scheme == "https":
        return RepoUrl(f"https://{host}{parts.path}", "https", host, parts.path, user)
    if scheme == "http":
        _check_loopback(host, allowed=allow_local)
        return RepoUrl(f"http://{host}{parts.path}", "http", host, parts.path, user)
    at = f"{user}@" if user else ""
    return RepoUrl(f"ssh://{at}{host}{parts.path}", "ssh", host, parts.path, user)


def _authority(netloc: str) -> tuple[str, str]:
    """User and host[:port] of `[user@]host[:port]`; a password is refused."""
    userinfo, at, hostport = netloc.rpartition("@")
    user, colon, _ = userinfo.partition(":")
    if colon:
        raise UsageError(
            "the repository URL has a password in it",
            hint="take it out of the URL and give the token by environment variable or file",
        )
    if at and not _USER.fullmatch(unquote(user)):
        raise UsageError("the user in the repository URL has characters that are not allowed")
    host, _, port = (
        hostport.rpartition(":") if re.search(r":\d*$", hostport) else (hostport, "", "")
    )
    if not _HOST.fullmatch(host) or ".." in host or (port and not 0 < int(port) < 2**16):
        raise UsageError("the repository URL has no valid host", hint=_HINT)
    return unquote(user), hostport.removesuffix(":")


def _check_path(path: str) -> None:
    if not _URL_PATH.fullmatch(path) or path.startswith(("/-", "//")) or _climbs(path):
        raise UsageError("the repository URL has no valid path", hint=_HINT)


def _climbs(path: str) -> bool:
    return ".." in unquote(path).split("/")


def _check_loopback(host: str, *, allowed: bool) -> None:
    name = re.sub(r":\d+$", "", host)
    if not allowed or name not in _LOOPBACK:
        raise UsageError("http would send everything in clear text", hint="use https or ssh")


def _scp_like(url: str) -> RepoUrl:
    match = _SCP.fullmatch(url)
    if match is None:
        raise UsageError("the repository URL has an unknown form", hint=_HINT)
    user, host, path = match["user"] or "", match["host"], match["path"]
    if not _HOST.fullmatch(host) or (user and not _USER.fullmatch(user)):
        raise UsageError("the repository URL has no valid user or host", hint=_HINT)
    _check_path(path if path.startswith("/") else f"/{path}")
    at = f"{user}@" if user else ""
    return RepoUrl(f"{at}{host}:{path}", "ssh", host, path, user)


def _local(path: str, *, allowed: bool) -> RepoUrl:
    if not allowed:
        raise UsageError("a repository on this machine is not allowed here", hint=_HINT)
    if not path.startswith("/") or _CONTROL.search(path) or ".." in path.split("/"):
        raise UsageError("a local repository is named by an absolute path without '..'")
    return RepoUrl(path, "file", "", path)
