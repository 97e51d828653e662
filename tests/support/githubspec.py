"""GitHub's OpenAPI description as a judge of requests and replies.

Knows openapi-core; refuses to know the fake that asks it.
"""

from __future__ import annotations

import functools
import json
import re
import threading
from dataclasses import dataclass, field
from pathlib import Path

from openapi_core import OpenAPI
from openapi_core.datatypes import RequestParameters
from werkzeug.datastructures import Headers, ImmutableMultiDict

from tests.support.fakeserver import Reply, Seen

SPEC = Path(__file__).parents[1] / "data" / "openapi" / "github-pulls.json"
SAMPLE = 2
"""Items of a list that are validated: they all come from one builder."""

_validating = threading.Lock()


@functools.cache
def description() -> OpenAPI:
    """GitHub's description, read once a session."""
    return OpenAPI.from_dict(json.loads(SPEC.read_text(encoding="utf-8")))


@dataclass
class _Request:
    """One request in the words of openapi-core."""

    seen: Seen
    host_url: str = "https://api.github.com"
    parameters: RequestParameters = field(init=False)

    def __post_init__(self) -> None:
        self.parameters = RequestParameters(
            query=ImmutableMultiDict(self.seen.query),
            header=Headers(list(self.seen.headers.items())),
            cookie=ImmutableMultiDict(),
        )

    @property
    def path(self) -> str:
        return self.seen.path

    @property
    def path_pattern(self) -> None:
        return None

    @property
    def method(self) -> str:
        return self.seen.method.lower()

    @property
    def body(self) -> bytes | None:
        return self.seen.raw or None

    @property
    def content_type(self) -> str:
        return self.seen.headers.get("content-type", "application/json").split(";")[0]


@dataclass
class _Response:
    """One reply in the words of openapi-core."""

    status_code: int
    data: bytes
    headers: dict[str, str]
    content_type: str = "application/json"


def request_errors(seen: Seen) -> str:
    """What is wrong with a request, '' when nothing is."""
    with _validating:
        return _explain(list(description().iter_request_errors(_Request(seen))))


def reply_errors(seen: Seen, reply: Reply) -> str:
    """What is wrong with a reply whose status is described, '' when nothing is."""
    if reply.status not in _described(seen.method, seen.path):
        return ""
    data = reply.data[:SAMPLE] if isinstance(reply.data, list) else reply.data
    response = _Response(reply.status, b"" if data is None else json.dumps(data).encode(), {})
    with _validating:
        return _explain(list(description().iter_response_errors(_Request(seen), response)))


@functools.cache
def _operations() -> tuple[tuple[str, re.Pattern[str], frozenset[int]], ...]:
    paths = json.loads(SPEC.read_text(encoding="utf-8"))["paths"]
    found = []
    for template, item in paths.items():
        pattern = re.compile(re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(template)))
        for method in ("get", "post", "put", "patch", "delete"):
            if method in item:
                statuses = frozenset(
                    int(status) for status in item[method]["responses"] if status.isdigit()
                )
                found.append((method.upper(), pattern, statuses))
    return tuple(found)


def _described(method: str, path: str) -> frozenset[int]:
    """The statuses that the description knows for this call."""
    return next(
        (
            known
            for verb, pattern, known in _operations()
            if verb == method and pattern.fullmatch(path)
        ),
        frozenset(),
    )


def _explain(errors: list[Exception]) -> str:
    """Everything openapi-core says, down to the schema's own words."""
    told = []
    for error in errors:
        cause: BaseException | None = error
        while cause is not None:
            details = getattr(cause, "schema_errors", ())
            told.append(
                "; ".join(
                    [
                        f"{type(cause).__name__}: {cause}",
                        *(f"{list(d.path)}: {d.message}" for d in details),
                    ]
                )
            )
            cause = cause.__cause__
    return " <- ".join(told)[:2000]
