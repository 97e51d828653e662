"""What a git process may see: every environment variable and every setting, with its reason.

Two tables and nothing else. It refuses to know credentials (see credentials) and repositories.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

INHERITED: Mapping[str, str] = {
    "PATH": "git finds its helpers, ssh and sh there",
    "HTTPS_PROXY": "the operator's way out of the network",
    "https_proxy": "the spelling that libcurl prefers",
    "NO_PROXY": "hosts that are reached directly",
    "no_proxy": "the spelling that libcurl prefers",
}
"""Variables taken over from imagebot's own environment. Every other one is removed."""

FIXED: Mapping[str, tuple[str, str]] = {
    "GIT_CONFIG_NOSYSTEM": ("1", "the machine's settings may name helpers and hooks"),
    "GIT_CONFIG_GLOBAL": ("/dev/null", "so may the user's"),
    "GIT_ATTR_NOSYSTEM": ("1", "attributes may name filters and drivers"),
    "GIT_TERMINAL_PROMPT": ("0", "nobody is there to answer"),
    "GIT_OPTIONAL_LOCKS": ("0", "reading a person's repository leaves no lock behind"),
    "GIT_NO_LAZY_FETCH": ("1", "objects are fetched in one batch, never one by one"),
    "GIT_NO_REPLACE_OBJECTS": ("1", "a commit is what its name says"),
    "GIT_LITERAL_PATHSPECS": ("1", "a path is a path, never a pattern"),
    "GIT_LFS_SKIP_SMUDGE": ("1", "large files are not downloaded"),
    "GIT_ALLOW_PROTOCOL": ("none", "a command that needs no network gets none"),
    "GIT_SSH_COMMAND": ("false", "likewise; the remote's own value replaces it"),
    "GIT_COMMITTER_NAME": ("imagebot", "a user id without an account has no name"),
    "GIT_COMMITTER_EMAIL": ("imagebot@localhost", "likewise; commits carry their own identity"),
    "LC_ALL": ("C", "messages are read by a program"),
}
"""Variables with one value. Those of the remote (credentials) are added for its commands only."""

SETTINGS: Mapping[str, tuple[str, str]] = {
    "core.hooksPath": ("/dev/null", "nothing from a repository executes"),
    "core.fsmonitor": ("false", "its value may be a command"),
    "core.symlinks": ("false", "a link is data"),
    "core.attributesFile": ("/dev/null", "attributes may name filters and drivers"),
    "core.excludesFile": ("/dev/null", "only the repository says what it ignores"),
    "core.logAllRefUpdates": ("false", "a mirror has no story of its own"),
    "credential.helper": ("", "a helper may answer for another host"),
    "credential.useHttpPath": ("false", "the password script compares the host alone"),
    "fastimport.unpackLimit": ("1", "one pack for a run instead of a file for an object"),
    "transfer.unpackLimit": ("1", "likewise for what is fetched"),
    "fetch.fsckObjects": ("true", "malformed trees and submodule files stop here"),
    "fetch.fsck.badTimezone": ("ignore", "old and harmless; common in imported histories"),
    "fetch.fsck.missingSpaceBeforeDate": ("ignore", "likewise"),
    "fetch.fsck.zeroPaddedFilemode": ("ignore", "likewise"),
    "gc.auto": ("0", "no process stays behind"),
    "maintenance.auto": ("false", "likewise"),
    "http.followRedirects": ("false", "a credential stays on its origin"),
    "http.sslVerify": ("true", "the far side proves who it is"),
    "http.lowSpeedLimit": ("1000", "bytes a second; slower is a stall"),
    "http.lowSpeedTime": ("60", "seconds of stall"),
    "protocol.version": ("2", "the server filters its refs"),
    "protocol.ext.allow": ("never", "an address is never a command"),
    "push.gpgSign": ("false", "no signing program is started"),
    "submodule.recurse": ("false", "a submodule is data"),
    "transfer.bundleURI": ("false", "nothing is fetched from elsewhere"),
}
"""Settings given on git's command line, where they outrank every configuration file."""


def arguments() -> list[str]:
    """The settings as `-c name=value` words."""
    return [word for name, (value, _) in SETTINGS.items() for word in ("-c", f"{name}={value}")]


def variables(own: Mapping[str, str], home: Path) -> dict[str, str]:
    """What every git process sees, out of imagebot's own environment `own`.

    A private certificate authority in SSL_CERT_FILE is passed on, as git does not read it itself.
    """
    kept = {name: own[name] for name in INHERITED if name in own}
    if own.get("SSL_CERT_FILE"):
        kept["GIT_SSL_CAINFO"] = own["SSL_CERT_FILE"]
    fixed = {name: value for name, (value, _) in FIXED.items()}
    return {**kept, **fixed, "HOME": str(home), "TMPDIR": str(home)}
