"""How git proves to a remote who it is: a token over https, a key over ssh.

Knows how to hand a secret to the git process alone, never by argv, URL or configuration. It
refuses to know where a secret comes from.
"""

from __future__ import annotations

import base64
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

from imagebot.errors import StartError
from imagebot.gitrepo.urls import RepoUrl

ASKPASS = """\
#!/bin/sh
case "$1" in
"Username for '$IMAGEBOT_ORIGIN': ") printf '%s\\n' "$IMAGEBOT_USERNAME" ;;
"Password for '$IMAGEBOT_SCHEME://"*"@$IMAGEBOT_HOST': ") printf '%s\\n' "$IMAGEBOT_TOKEN" ;;
*) exit 1 ;;
esac
"""
"""Answers git's two questions, for one origin only."""

_SAFE_PATH = re.compile(r"/[A-Za-z0-9._/@+=,-]+", re.ASCII)
_SSH_OPTIONS = (
    "BatchMode=yes",
    "StrictHostKeyChecking=yes",
    "GlobalKnownHostsFile=/dev/null",
    "IdentitiesOnly=yes",
    "IdentityAgent=none",
    "PreferredAuthentications=publickey",
    "ForwardAgent=no",
    "ClearAllForwardings=yes",
    "PermitLocalCommand=no",
    "ConnectTimeout=20",
    "ServerAliveInterval=15",
    "ServerAliveCountMax=4",
)


@dataclass(frozen=True, slots=True)
class HttpsCredentials:
    """A token for https. `username` is what the forge wants beside it (`x-access-token`)."""

    token: str = field(repr=False)
    username: str = "x-access-token"


@dataclass(frozen=True, slots=True)
class SshCredentials:
    """A private key file, and the file of host keys that are trusted. Both absolute paths."""

    key: Path
    known_hosts: Path


GitCredentials = HttpsCredentials | SshCredentials


@dataclass(frozen=True, slots=True)
class Remote:
    """A repository elsewhere: its URL, and what the git process needs to reach it.

    `environment` holds secrets, and so is never shown; `secrets` are the strings to keep out of
    every message, in each form in which they may turn up.
    """

    url: RepoUrl
    environment: Mapping[str, str] = field(repr=False)
    secrets: tuple[str, ...] = field(default=(), repr=False)


def connect(url: RepoUrl, credentials: GitCredentials | None, home: Path) -> Remote:
    """Prepare access to `url`; `home` is a private directory. Raises StartError.

    ssh is refused without a key and a known_hosts file: a host that proves nothing could be
    anyone's. A kind of credential that does not fit the URL is refused, too.
    """
    allowed = {"GIT_ALLOW_PROTOCOL": url.scheme}
    if url.scheme == "ssh":
        if not isinstance(credentials, SshCredentials):
            raise StartError(
                f"{url}: ssh needs a key and a known_hosts file",
                hint="give both, or use https; `ssh-keyscan HOST` prints the host's keys to check",
            )
        return Remote(url, {**allowed, **_ssh_environment(credentials)})
    if isinstance(credentials, SshCredentials):
        raise StartError(f"{url}: an ssh key does not open a {url.scheme} URL")
    if credentials is None or url.scheme == "file":
        return Remote(url, allowed)
    return _with_token(url, credentials, home, allowed)


def _with_token(
    url: RepoUrl, credentials: HttpsCredentials, home: Path, allowed: Mapping[str, str]
) -> Remote:
    token, username = credentials.token, url.user or credentials.username
    if not token or not (token + username).isprintable():
        raise StartError(
            f"{url}: the token is empty or has characters that no token has",
            hint="check the file or variable it comes from, for example for a line break",
        )
    environment = {
        **allowed,
        "GIT_ASKPASS": str(_write_askpass(home)),
        "IMAGEBOT_SCHEME": url.scheme,
        "IMAGEBOT_HOST": url.host,
        "IMAGEBOT_ORIGIN": f"{url.scheme}://{url.host}",
        "IMAGEBOT_USERNAME": username,
        "IMAGEBOT_TOKEN": token,
    }
    pair = base64.b64encode(f"{username}:{token}".encode()).decode()
    alone = base64.b64encode(token.encode()).decode()
    return Remote(url, environment, (token, quote(token, safe=""), pair, alone))


def _write_askpass(home: Path) -> Path:
    """Write the script that answers git, unless it is there; readable by this user alone."""
    script = home / "askpass"
    if script.is_file() and not script.is_symlink() and script.read_text() == ASKPASS:
        script.chmod(0o700)
        return script
    fresh = home / f"askpass.{os.getpid()}"
    fresh.unlink(missing_ok=True)
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o700)
    with os.fdopen(descriptor, "w") as file:
        file.write(ASKPASS)
    fresh.replace(script)
    return script


def _ssh_environment(credentials: SshCredentials) -> dict[str, str]:
    for what, path in (("key", credentials.key), ("known_hosts", credentials.known_hosts)):
        if not _SAFE_PATH.fullmatch(str(path)):
            raise StartError(
                f"the path of the ssh {what} file is not absolute or has unusual characters",
                hint="letters, digits and ._/@+=,- are allowed",
            )
        if not path.is_file():
            raise StartError(f"the ssh {what} file {path} does not exist")
    options = [*_SSH_OPTIONS, f"UserKnownHostsFile={credentials.known_hosts}"]
    words = ["ssh", "-F", "/dev/null", "-i", str(credentials.key)]
    words += [word for option in options for word in ("-o", option)]
    return {"GIT_SSH_COMMAND": " ".join(words), "GIT_SSH_VARIANT": "ssh"}
