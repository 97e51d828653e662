"""Kinds of text in the operator's file: URLs, paths, durations, addresses, time zones.

Knows what each may look like, and says so in words. It refuses to know which key holds it.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, Field, ValidationInfo

from imagebot.config.shape import refuse, written

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_DURATION = re.compile(r"(\d{1,6})(s|m|h)")
_SECONDS = {"s": 1, "m": 60, "h": 3600}
_LISTEN = re.compile(r"(\[[0-9a-fA-F:]+\]|[A-Za-z0-9._-]+):(\d{1,5})")
_MAX_PORT = 65535


def _url(text: str) -> str:
    if not text or _CONTROL.search(text) or text.startswith("-"):
        raise refuse("a URL is not empty, has no control characters and no '-' in front")
    try:
        password = urlsplit(text).password
    except ValueError as error:
        raise refuse(f"this is no URL: {error}") from error
    if password is not None:
        raise refuse(
            "a password in a URL ends in logs and process lists",
            "take it out, and name it by {env: NAME} or {file: PATH} at its own key",
        )
    return text


def _web_url(text: str) -> str:
    if urlsplit(_url(text)).scheme not in {"https", "http"} or not urlsplit(text).hostname:
        raise refuse("must be an https URL", "https://git.example.com")
    return text


def _path(text: str, info: ValidationInfo) -> str:
    if not text or "\0" in text:
        raise refuse("must be the path of a file")
    folder = (info.context or {}).get("folder", ".")
    return str(Path(folder, Path(text).expanduser()))


def _zone(text: str) -> str:
    try:
        ZoneInfo(text)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise refuse(f"{text!r} is no time zone", "a name such as Europe/Berlin or UTC") from error
    return text


def seconds(text: str) -> int:
    """The seconds of a duration such as `90s`, `5m`, `2h`."""
    match = _DURATION.fullmatch(text)
    if match is None:
        raise refuse(f"{text!r} is no duration", "a number and s, m or h, such as 90s")
    return int(match[1]) * _SECONDS[match[2]]


def _duration(text: str) -> str:
    seconds(text)
    return text


def _listen(text: str) -> str:
    match = _LISTEN.fullmatch(text)
    if match is None or int(match[2]) > _MAX_PORT:
        raise refuse(f"{text!r} is no address", "host:port, such as 127.0.0.1:8080")
    return text


def _branch(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._/+-]*", text) or ".." in text:
        raise refuse(f"{text!r} is no branch name")
    return text


Url = Annotated[str, AfterValidator(_url)]
WebUrl = Annotated[str, AfterValidator(_web_url)]
PathText = Annotated[str, AfterValidator(_path)]
EngineUrl = Annotated[
    str,
    written(
        r"\A(?:unix:///|https://|http://)[^\x00-\x20@]+\Z",
        "unix:///var/run/docker.sock or https://host:2376",
    ),
]
Branch = Annotated[str, AfterValidator(_branch)]
Zone = Annotated[str, AfterValidator(_zone)]
Duration = Annotated[str, AfterValidator(_duration)]
Listen = Annotated[str, AfterValidator(_listen)]
Text = Annotated[str, Field(min_length=1)]
Person = Annotated[str, written(r"\A[^<>\x00-\x1f]+\Z", "text without '<' and '>'")]
