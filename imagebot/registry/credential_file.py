"""Docker credential files as they are found: which entries they hold, and which helpers they name.

Knows the shapes of config.json, containers' auth.json, mounted pull secrets and the older
.dockercfg, and the grammar of their keys. It refuses to know which entry fits which image.
"""

from __future__ import annotations

import base64
import binascii
import fnmatch
import json
import os
import re
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Self

from imagebot.errors import RegistryError, Where
from imagebot.imageref import HUB, HUB_ALIASES, Repository
from imagebot.registry.auth import Credential

MAX_BYTES = 1 << 20

Kind = Literal["credHelpers", "credsStore", "auths"]

_FLAGS = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK  # a FIFO in place of a file waits for nobody
_SCHEME = re.compile(r"https?://")
_GLOB = frozenset("*?[")
_SECRETS = ("auth", "password", "identitytoken", "registrytoken")


class Unusable(Exception):
    """A file that cannot be used. Its text says why and never quotes the content."""

    def __init__(self, why: str, line: int = 0, column: int = 0) -> None:
        super().__init__(why)
        self.line = line
        self.column = column


@dataclass(frozen=True, slots=True)
class Key:
    """What an entry is for: a host with its port, exact or a pattern, and leading path segments.

    A pattern has the kubelet's rules: `*`, `?` and `[...]` within one label of the host name,
    as many labels as the pattern has, the same port.
    """

    host: str
    path: tuple[str, ...] = ()

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """Read a key, without scheme and API tail; None for one that can fit no registry."""
        bare = _SCHEME.sub("", text, count=1)
        host, _, rest = bare.partition("/")
        segments = [segment for segment in rest.split("/") if segment]
        # `https://host/v1/` is an API's address; `host/v1` could be a namespace of that name.
        if segments[:1] in (["v1"], ["v2"]) and (bare != text or rest.endswith("/")):
            segments = segments[1:]
        if not host:
            return None
        return cls(HUB if host in HUB_ALIASES else host, tuple(segments))

    @property
    def is_pattern(self) -> bool:
        """Whether the host may fit several hosts. An IPv6 address's bracket is no pattern."""
        return not self.host.startswith("[") and not _GLOB.isdisjoint(self.host)

    def fits(self, repository: Repository) -> bool:
        """Whether an entry under this key is meant for the repository."""
        path = tuple(repository.path.split("/"))
        return path[: len(self.path)] == self.path and self._fits_host(repository.host)

    def _fits_host(self, host: str) -> bool:
        if not self.is_pattern:
            return host == self.host
        name, _, port = host.partition(":")
        pattern, _, pattern_port = self.host.partition(":")
        labels, patterns = name.split("."), pattern.replace("[^", "[!").split(".")
        return (
            port == pattern_port
            and len(labels) == len(patterns)
            and all(map(fnmatch.fnmatchcase, labels, patterns))
        )


@dataclass(frozen=True, slots=True)
class Entry:
    """One way to a credential. `key` None fits every host: that is `credsStore`.

    `source` says where it was read, `helper` is a program's name for the helper kinds, `fields`
    are an `auths` entry's own.
    """

    kind: Kind
    source: str
    key: Key | None = None
    helper: str = ""
    fields: Mapping[str, Any] = field(default_factory=dict, repr=False)

    def fits(self, repository: Repository) -> bool:
        """Whether this entry is meant for the repository."""
        return self.key is None or self.key.fits(repository)

    def credential(self, repository: Repository) -> Credential:
        """The credential that an `auths` entry states. Raises RegistryError when it is broken."""
        values = {name: self.fields.get(name) or "" for name in ("username", *_SECRETS)}
        if not all(isinstance(value, str) for value in values.values()):
            raise self.broken(repository, "has a field that is no text")
        username, password = values["username"], values["password"]
        if values["auth"]:
            pair = _decode(values["auth"])
            if pair is None:
                raise self.broken(repository, "has an 'auth' that is not base64 of user:password")
            username, password = pair
        return Credential(
            username=username,
            password=password,
            identity_token=values["identitytoken"],
            registry_token=values["registrytoken"],
        )

    def broken(self, repository: Repository, what: str) -> RegistryError:
        """An error of this entry, for this repository's host alone."""
        return RegistryError(
            f"the credential for {repository.host} {what}",
            hint=f"log in again, or mend {self.kind}",
            where=Where(self.source),
        )


def read_file(path: Path, *, private: bool) -> Iterator[Entry]:
    """The entries of a credential file. Raises Unusable.

    `private` refuses a file with secrets that every user of this machine can read, unless it is
    on a read-only mount, where nobody could mend that.
    """
    try:
        with os.fdopen(os.open(path, _FLAGS), "rb") as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise Unusable("this is no regular file")
            content = file.read(MAX_BYTES + 1)
            read_only = bool(os.fstatvfs(file.fileno()).f_flag & os.ST_RDONLY)
    except OSError as error:
        raise Unusable(f"cannot be read: {(error.strerror or 'unknown').lower()}") from error
    entries = list(read_text(content, str(path)))
    secret = any(entry.kind == "auths" for entry in entries)
    if private and secret and status.st_mode & stat.S_IROTH and not read_only:
        raise Unusable("holds secrets that every user can read; chmod 600 it")
    yield from entries


def read_text(content: bytes, source: str) -> Iterator[Entry]:
    """The entries of a credential file's content. Raises Unusable."""
    if len(content) > MAX_BYTES:
        raise Unusable(f"is larger than {MAX_BYTES} bytes")
    document = _mapping(_parse(content), "the file")
    modern = {"auths", "credHelpers", "credsStore"} & document.keys()
    if not modern:
        # .dockercfg is the bare mapping of hosts; any other settings are no credentials.
        auths = {k: v for k, v in document.items() if isinstance(v, dict) and _has_secret(v)}
    else:
        auths = _mapping(document.get("auths") or {}, "auths")
    for text, helper in _mapping(document.get("credHelpers") or {}, "credHelpers").items():
        if (key := Key.parse(text)) is not None:
            yield Entry("credHelpers", source, key, str(helper))
    store = str(document.get("credsStore") or "")
    if store:
        yield Entry("credsStore", source, None, store)
    for text, fields in auths.items():
        key = Key.parse(text)
        if key is None:
            continue
        if _has_secret(_mapping(fields or {}, "an entry of auths")):
            yield Entry("auths", source, key, fields=fields)
        elif store:
            # An empty entry says that someone logged in there, and the store has the credential.
            yield Entry("credsStore", source, key, store)


def _parse(content: bytes) -> Any:
    try:
        return json.loads(content)
    except json.JSONDecodeError as error:
        raise Unusable(f"is no JSON: {error.msg}", error.lineno, error.colno) from None
    except (ValueError, RecursionError):
        raise Unusable("is no JSON in UTF-8") from None


def _mapping(value: object, what: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise Unusable(f"is malformed: {what} is no object")
    return value


def _has_secret(fields: Mapping[str, Any]) -> bool:
    return any(fields.get(name) for name in _SECRETS)


def _decode(auth: str) -> tuple[str, str] | None:
    """User and password of an `auth` field, with or without padding; None when it is broken."""
    try:
        bare = auth.strip().rstrip("=")
        plain = base64.b64decode(bare + "=" * (-len(bare) % 4), validate=True).decode()
    except (binascii.Error, ValueError):
        return None
    username, colon, password = plain.partition(":")
    return (username, password.rstrip("\0")) if colon else None
