"""The grammar of WWW-Authenticate (RFC 9110, section 11.6.1). Knows text; trusts none of it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

MAX_HEADER = 16_384

_SEPARATOR = re.compile(r"[\s,]*")
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_PARAMETER = re.compile(
    r"""(?P<name>[!#$%&'*+.^_`|~0-9A-Za-z-]+)[ \t]*=[ \t]*
        (?: "(?P<quoted>(?:[^"\\]|\\.)*)" | (?P<bare>[^\s,"]*) )""",
    re.VERBOSE | re.DOTALL,
)
_TOKEN68 = re.compile(r"[ \t]+(?P<value>[A-Za-z0-9._~+/-]+=*)[ \t]*(?=,|$)")
_ESCAPE = re.compile(r"\\(.)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Challenge:
    """One way to log in that a server offers. `scheme` and the parameters' names are lower case.

    A parameter that is given twice keeps its first value. `token68` is the single value that some
    schemes have instead of parameters.
    """

    scheme: str
    parameters: Mapping[str, str] = field(default_factory=dict)
    token68: str = ""


def parse_challenges(header: str) -> tuple[Challenge, ...]:
    """Every challenge of one header, or of several joined by commas, in order.

    Takes quoted and bare values and several schemes in one header. What is no challenge is left
    out; a header of more than 16 KiB holds none.
    """
    return tuple(_challenges(header)) if len(header) <= MAX_HEADER else ()


def _challenges(header: str) -> Iterator[Challenge]:
    scheme, token68 = "", ""
    parameters: dict[str, str] = {}
    at = 0
    while True:
        at = _end(_SEPARATOR, header, at)
        if at >= len(header):
            break
        parameter = _PARAMETER.match(header, at)
        if parameter is not None and scheme:
            parameters.setdefault(parameter["name"].lower(), _value(parameter))
            at = parameter.end()
            continue
        token = _TOKEN.match(header, at)
        if token is None:
            at += 1
            continue
        if scheme:
            yield Challenge(scheme, parameters, token68)
        scheme, token68, parameters = token[0].lower(), "", {}
        at = token.end()
        single = _TOKEN68.match(header, at)
        if single is not None:
            token68, at = single["value"], single.end()
    if scheme:
        yield Challenge(scheme, parameters, token68)


def _end(pattern: re.Pattern[str], text: str, at: int) -> int:
    match = pattern.match(text, at)
    return at if match is None else match.end()


def _value(parameter: re.Match[str]) -> str:
    quoted = parameter["quoted"]
    return parameter["bare"] if quoted is None else _ESCAPE.sub(r"\1", quoted)
