"""Which adapter speaks to which forge, and with whose token.

Knows the kinds of forges, their well-known hosts and where each keeps its API. Refuses to read
configuration or environment: it is handed values.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, Literal
from urllib.parse import urlsplit

from imagebot.errors import UsageError
from imagebot.forge.port import Forge

if TYPE_CHECKING:
    from imagebot.forge.credential import Credential, Pace
    from imagebot.forge.github_app import App
    from imagebot.forge.rest import Rest
    from imagebot.http import Clock, HttpClient

Kind = Literal["github", "gitlab", "gitea"]

GIT_USER = "x-access-token"
"""The user name beside a forge token in git over HTTPS; all these forges take it."""

KINDS: Mapping[str, Kind] = {
    "github": "github",
    "gitlab": "gitlab",
    "gitea": "gitea",
    "forgejo": "gitea",
}
_HOSTS: Mapping[str, Kind] = {
    "github.com": "github",
    "gitlab.com": "gitlab",
    "codeberg.org": "gitea",
    "gitea.com": "gitea",
}
_SCP = re.compile(r"(?:[\w.-]+@)?(?P<host>[\w.-]+):(?P<path>[\w.~+-][\w.~+/-]*)", re.ASCII)
_SEGMENT = re.compile(r"[\w.+-]*\w[\w.+-]*")
_TOLD = "say which one: kind: github, gitlab or gitea (Forgejo is gitea)"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a project lives: the forge's web address (`https://host[:port][/path]`) and path."""

    url: str
    project: str


@dataclass(frozen=True, slots=True)
class Connection:
    """A forge and who we are to it. Close it when the work is done."""

    kind: Kind
    forge: Forge
    credential: Credential

    def close(self) -> None:
        """Give the credential back."""
        self.credential.close()


def locate(remote: str, *, web: str = "") -> Place:
    """The project behind a git remote, `https://`, `ssh://` or `git@host:path`.

    `web` is the forge's web address where the remote does not tell it: another host or port for
    SSH, or a forge below a path. Raises UsageError.
    """
    host, path = _remote_parts(remote)
    base = web.rstrip("/") or f"https://{host}"
    below = urlsplit(base).path.strip("/")
    path = path.strip("/").removesuffix(".git").removesuffix("/")
    if below and path.startswith(f"{below}/"):
        path = path.removeprefix(f"{below}/")
    if not path:
        raise UsageError(f"the git remote of {host} names no project")
    return Place(base, path)


def infer(url: str) -> Kind:
    """The kind of forge at a web address. Raises UsageError for a host that nobody knows."""
    host = (urlsplit(url).hostname or "").lower().removeprefix("www.")
    kind = _HOSTS.get(host)
    if kind is None:
        raise UsageError(f"{host or url!r} may be any kind of forge", hint=_TOLD)
    return kind


def connect(
    kind: str,
    *,
    url: str,
    project: str,
    http: HttpClient,
    clock: Clock,
    token: str = "",
    app: App | None = None,
    pace: Pace | None = None,
) -> Connection:
    """The adapter for one project.

    `kind` is a name in KINDS, or '' to tell it by the host; `url` the forge's web address. Either
    `token` or (on GitHub) `app` says who we are. Forges that share a token share its `pace`.
    Raises UsageError for what cannot be meant, StartError for a token that cannot be sent.
    """
    chosen = _kind(kind) if kind else infer(url)
    if app is not None and (chosen != "github" or token):
        raise UsageError("an App is for GitHub, and in place of a token")
    base = url.rstrip("/")
    build = {"github": _github, "gitlab": _gitlab, "gitea": _gitea}[chosen]
    given = _Given(base, _segments(chosen, project), http, clock, token, app, pace)
    forge, credential = build(given)
    return Connection(chosen, forge, credential)


@dataclass(frozen=True, slots=True, repr=False)
class _Given:
    web: str
    segments: tuple[str, ...]
    http: HttpClient
    clock: Clock
    token: str
    app: App | None
    pace: Pace | None

    def rest(
        self,
        name: str,
        api: str,
        credential: Credential,
        *,
        gap: float = 0.0,
        headers: Mapping[str, str] | None = None,
        hints: Mapping[int, str],
    ) -> Rest:
        from imagebot.forge.credential import Pace
        from imagebot.forge.rest import Rest

        return Rest(
            name=name,
            api=api,
            http=self.http,
            clock=self.clock,
            credential=credential,
            pace=self.pace or Pace(self.clock, gap),
            headers=headers,
            hints=hints,
        )


def _github(given: _Given) -> tuple[Forge, Credential]:
    from imagebot.forge import github
    from imagebot.forge.credential import Token

    owner, repo = given.segments
    public = urlsplit(given.web).hostname in {"github.com", "www.github.com"}
    api = "https://api.github.com" if public else f"{given.web}/api/v3"
    credential: Credential = Token(given.token, scheme="Bearer")
    if given.app is not None:
        from imagebot.forge.github_app import AppCredential

        credential = AppCredential(
            given.app,
            api=api,
            repo=repo,
            http=given.http,
            clock=given.clock,
            headers=github.HEADERS,
        )
    rest = given.rest(
        "GitHub",
        api,
        credential,
        gap=github.WRITE_GAP,
        headers=github.HEADERS,
        hints=github.HINTS,
    )
    return github.GitHub(rest, web=given.web, owner=owner, repo=repo), credential


def _gitlab(given: _Given) -> tuple[Forge, Credential]:
    from imagebot.forge import gitlab
    from imagebot.forge.credential import Token

    credential = Token(given.token, header=gitlab.TOKEN_HEADER)
    rest = given.rest("GitLab", f"{given.web}/api/v4", credential, hints=gitlab.HINTS)
    return gitlab.GitLab(rest, web=given.web, project="/".join(given.segments)), credential


def _gitea(given: _Given) -> tuple[Forge, Credential]:
    from imagebot.forge import gitea
    from imagebot.forge.credential import Token

    owner, repo = given.segments
    credential = Token(given.token, scheme="token")
    rest = given.rest("Gitea", f"{given.web}/api/v1", credential, hints=gitea.HINTS)
    return gitea.Gitea(rest, web=given.web, owner=owner, repo=repo), credential


def _kind(name: str) -> Kind:
    kind = KINDS.get(name.lower())
    if kind is None:
        near = get_close_matches(name.lower(), KINDS, n=1)
        guess = f"did you mean {near[0]}? " if near else ""
        raise UsageError(f"there is no forge of kind {name!r}", hint=guess + _TOLD)
    return kind


def _segments(kind: Kind, project: str) -> tuple[str, ...]:
    segments = tuple(project.strip("/").split("/"))
    if not all(_SEGMENT.fullmatch(segment) for segment in segments):
        raise UsageError(f"{project!r} is no path of a project")
    if len(segments) < 2 or (kind != "gitlab" and len(segments) > 2):  # noqa: PLR2004 - owner, name
        shape = "group/project" if kind == "gitlab" else "owner/repository"
        raise UsageError(f"{project!r} is no project of {kind}", hint=f"it looks like {shape}")
    return segments


def _remote_parts(remote: str) -> tuple[str, str]:
    """Host (with a web port) and path of a git remote. Never quotes it: it may hold a secret."""
    if "://" in remote:
        parts = urlsplit(remote)
        if parts.scheme in {"http", "https", "ssh", "git+ssh"} and parts.hostname:
            web_port = parts.port if parts.scheme in {"http", "https"} else None
            return parts.hostname + (f":{web_port}" if web_port else ""), parts.path
    elif found := _SCP.fullmatch(remote):
        return found["host"], found["path"]
    raise UsageError(
        "the git remote names no forge",
        hint="https://host/owner/repository, ssh://git@host/… or git@host:owner/repository",
    )
