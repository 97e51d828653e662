"""The grammar of image references: host, repository, tag, digest, and Docker Hub's short forms.

Knows text only, by the reference grammar of the distribution project. It refuses to know what a
registry serves, which tag is newer, or how a reference is written in a file.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from imagebot.errors import InvalidReference

HUB = "docker.io"
HUB_ALIASES = frozenset({"docker.io", "index.docker.io", "registry-1.docker.io"})
ENGINE_SCHEME = "docker-daemon:"
MAX_REPOSITORY = 255

_COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_PATH = re.compile(rf"{_COMPONENT}(?:/{_COMPONENT})*", re.ASCII)
_LABEL = r"(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])"
_HOST = re.compile(rf"(?:{_LABEL}(?:\.{_LABEL})*|\[[0-9a-fA-F:]+\])(?::[0-9]{{1,5}})?", re.ASCII)
_TAG = re.compile(r"[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}", re.ASCII)
_DIGEST = re.compile(r"[a-z0-9]+(?:[+._-][a-z0-9]+)*:[0-9a-zA-Z=_-]+", re.ASCII)
_HEX_LENGTHS = {"sha256": 64, "sha384": 96, "sha512": 128}
_HEX = re.compile(r"[0-9a-f]+", re.ASCII)


@dataclass(frozen=True, slots=True, order=True)
class Repository:
    """Where tags live: a registry host (`docker.io`, `ghcr.io`, `localhost:5000`) and a path.

    `engine` marks an image that no registry serves: its tags come from a Docker Engine.
    """

    host: str
    path: str
    engine: bool = False

    def __str__(self) -> str:
        """Full form, `docker.io/library/nginx`; `docker-daemon:my-app` for an engine's image."""
        if self.engine:
            return f"{ENGINE_SCHEME}{self.path}"
        return f"{self.host}/{self.path}"

    @property
    def familiar(self) -> str:
        """The short form people write: `nginx`, `grafana/grafana`, `ghcr.io/acme/web`."""
        if self.engine or self.host != HUB:
            return str(self)
        return self.path.removeprefix("library/") if self.path.count("/") == 1 else self.path


@dataclass(frozen=True, slots=True)
class ImageRef:
    """A parsed reference. `name` is the repository part exactly as it was written."""

    name: str
    repository: Repository
    tag: str = ""
    digest: str = ""

    def __str__(self) -> str:
        """The reference as text, with `name` spelled as it was written."""
        tag = f":{self.tag}" if self.tag else ""
        digest = f"@{self.digest}" if self.digest else ""
        return f"{self.name}{tag}{digest}"

    def with_version(self, tag: str, digest: str) -> ImageRef:
        """The same repository at another tag and digest; an empty string removes a part."""
        return replace(self, tag=tag, digest=digest)


def is_tag(text: str) -> bool:
    """Whether `text` is a tag by the OCI distribution specification (at most 128 characters)."""
    return _TAG.fullmatch(text) is not None


def is_digest(text: str) -> bool:
    """Whether `text` is a digest; a known algorithm also needs its exact number of hex digits."""
    if _DIGEST.fullmatch(text) is None:
        return False
    algorithm, _, encoded = text.partition(":")
    length = _HEX_LENGTHS.get(algorithm)
    return length is None or (len(encoded) == length and _HEX.fullmatch(encoded) is not None)


def parse_repository(text: str) -> Repository:
    """Read a repository name without tag or digest. Raises InvalidReference.

    The first part is a host when it has a dot or a colon, is `localhost`, or has an upper-case
    letter: the rule of the distribution reference grammar. Docker Hub's aliases become one host,
    and its official images get their `library/` back.
    """
    if text.startswith(ENGINE_SCHEME):
        return Repository("", _checked_path(text.removeprefix(ENGINE_SCHEME), text), engine=True)
    first, slash, rest = text.partition("/")
    if slash and (set(first) & set(".:[") or first == "localhost" or first != first.lower()):
        host, path = first, rest
        if _HOST.fullmatch(host) is None:
            raise InvalidReference(f"{text!r}: {host!r} is no registry host")
    else:
        host, path = HUB, text
    if host.lower() in HUB_ALIASES:
        host = HUB
        if "/" not in path:
            path = f"library/{path}"
    return Repository(host, _checked_path(path, text))


def parse(text: str) -> ImageRef:
    """Read a reference `name[:tag][@digest]`. Raises InvalidReference with the part at fault."""
    rest, at, digest = text.partition("@")
    if at and not is_digest(digest):
        raise InvalidReference(f"{text!r}: {digest!r} is no digest", hint="sha256:<64 hex digits>")
    name, tag = _split_tag(rest)
    if tag is not None and not is_tag(tag):
        raise InvalidReference(
            f"{text!r}: {tag!r} is no tag",
            hint="letters, digits, '_', '.', '-', at most 128, not starting with '.' or '-'",
        )
    return ImageRef(name, parse_repository(name), tag or "", digest)


def _split_tag(rest: str) -> tuple[str, str | None]:
    """Split at the colon behind the last slash; the engine's scheme is no tag separator."""
    scheme = ENGINE_SCHEME if rest.startswith(ENGINE_SCHEME) else ""
    body = rest[len(scheme) :]
    colon = body.rfind(":")
    if colon <= body.rfind("/"):
        return rest, None
    return scheme + body[:colon], body[colon + 1 :]


def _checked_path(path: str, text: str) -> str:
    if _PATH.fullmatch(path) is None:
        hint = "repository names are lower case" if path != path.lower() else ""
        raise InvalidReference(f"{text!r}: {path!r} is no repository name", hint=hint)
    if len(path) > MAX_REPOSITORY:
        raise InvalidReference(f"{text[:40]!r}...: the name is over {MAX_REPOSITORY} characters")
    return path
