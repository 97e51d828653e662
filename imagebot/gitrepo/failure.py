"""Turns git's error output into an error that people can act on, with no secret in it.

Knows git's English messages and the shapes of secrets. It refuses to know what was attempted.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from imagebot.errors import GitError
from imagebot.gitrepo.process import Finished

MAX_MESSAGE = 1500
"""Characters of git's output that a message carries."""

_USERINFO = re.compile(r"(?<=://)[^/@\s]{1,512}@")
_ESCAPE = re.compile(r"\x1b\[[0-9;?]{0,16}[A-Za-z]")
_STATUS = re.compile(r"(?:returned error: |HTTP )(\d{3})\b")

_HINTS: tuple[tuple[str, bool, str], ...] = (
    ("terminal prompts disabled", False, "the repository wants credentials: give a token"),
    ("Authentication failed", False, "the token is wrong, expired or lacks access"),
    ("Permission denied (publickey", False, "the ssh key is not known there or lacks access"),
    ("Host key verification failed", False, "the host's key is not in known_hosts, or changed"),
    ("returned error: 403", False, "the token lacks the right to do this"),
    ("returned error: 404", False, "no such repository, or the token may not see it"),
    ("returned error: 429", True, "the server asks for fewer requests"),
    ("' not found", False, "no such repository, or the token may not see it"),
    ("returned error: 30", False, "the repository moved: use its new URL, nothing is followed"),
    ("does not appear to be a git repository", False, "no git repository is there"),
    ("couldn't find remote ref", False, "the branch does not exist there"),
    ("not allowed", False, "this way to reach a repository is switched off"),
    ("No space left on device", False, "free space in the cache directory"),
    ("Could not resolve host", True, "the host name is unknown: check the URL and DNS"),
    ("Failed to connect", True, "the server is out of reach"),
    ("timed out", True, "the server is out of reach or slow"),
    ("returned error: 5", True, "the server has a problem"),
    ("early EOF", True, "the connection broke"),
    ("hung up unexpectedly", True, "the connection broke"),
    ("RPC failed", True, "the connection broke"),
    ("unexpected disconnect", True, "the connection broke"),
)
_STOPPED = {
    "timeout": "took too long and was stopped",
    "output": "printed more than is allowed and was stopped",
    "cancelled": "was stopped, because imagebot is shutting down",
}


def sanitise(text: str, secrets: Sequence[str] = ()) -> str:
    """Text that may be shown: secrets, userinfo in URLs, escapes and controls taken out."""
    for secret in sorted(secrets, key=len, reverse=True):
        text = text.replace(secret, "***")
    text = _ESCAPE.sub("", _USERINFO.sub("***@", text)).replace("\r", "\n")
    lines = ("".join(c if c.isprintable() else "?" for c in line) for line in text.split("\n"))
    return "\n".join(line.rstrip() for line in lines if line.strip())[:MAX_MESSAGE]


def failure(command: str, finished: Finished, secrets: Sequence[str] = ()) -> GitError:
    """The error for a git command that did not end well."""
    if finished.stopped:
        return GitError(
            f"git {command} {_STOPPED[finished.stopped]}",
            retryable=finished.stopped != "output",
        )
    text = sanitise(finished.stderr.decode("utf-8", "replace"), secrets)
    found = next(((again, hint) for mark, again, hint in _HINTS if mark in text), (False, ""))
    status = _STATUS.search(text)
    return GitError(
        f"git {command} failed with status {finished.returncode}: {text or 'no reason given'}",
        hint=found[1],
        retryable=found[0],
        status=int(status[1]) if status else 0,
    )
