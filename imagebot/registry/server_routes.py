"""The endpoints of the OCI distribution specification 1.1, as functions from request to answer.

Knows paths, headers and status codes. It refuses to know sockets, and what is kept where.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from imagebot.registry.mediatypes import OCI_INDEX
from imagebot.registry.server_manifest import Manifest
from imagebot.registry.server_rules import Refused
from imagebot.registry.server_store import Store
from imagebot.registry.server_uploads import Uploads

_JSON = "application/json"
_OCTETS = "application/octet-stream"
_SPAN = re.compile(r"(?:bytes[= ])?(\d{1,15})-(\d{0,15})", re.ASCII)
_COUNT = re.compile(r"\d{1,9}", re.ASCII)


class Headers(Protocol):
    """Header fields, looked up by name without regard to case."""

    def get(self, name: str, /) -> str | None:
        """The value of a field."""


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request, its body read."""

    method: str
    target: str
    headers: Headers
    body: bytes = b""

    @property
    def path(self) -> str:
        """The path, percent-decoded."""
        return unquote(self.target.partition("?")[0])

    @property
    def query(self) -> dict[str, str]:
        """The query's parameters; the last of several of one name counts."""
        return dict(parse_qsl(urlsplit(self.target).query, keep_blank_values=True))

    @property
    def is_read(self) -> bool:
        """Whether this is a GET or a HEAD, whose answers differ by the body only."""
        return self.method in {"GET", "HEAD"}


@dataclass(frozen=True, slots=True)
class Answer:
    """One HTTP answer. `headers` has no Content-Length: the connection adds that of `body`."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Service:
    """What answers: the content, the unfinished uploads, and the most tags that a page has."""

    store: Store
    uploads: Uploads
    page_size: int


def answer(service: Service, request: Request) -> Answer:
    """What the registry answers; a rule that is broken becomes an error document."""
    try:
        return _dispatch(service, request)
    except Refused as refused:
        return error_answer(refused)


def error_answer(refused: Refused) -> Answer:
    """The error document of the specification."""
    error = {"code": refused.code, "message": refused.message, "detail": refused.detail}
    return _json(refused.status, {"errors": [error]})


def _dispatch(service: Service, request: Request) -> Answer:
    path = request.path
    if path in {"/v2/", "/v2"} and request.is_read:
        return _json(200, {}, {"Docker-Distribution-API-Version": "registry/2.0"})
    if not path.startswith("/v2/"):
        raise Refused(404, "UNSUPPORTED", "this path is no registry's")
    name, _, end = path.removeprefix("/v2/").rpartition("/")
    name, _, kind = name.rpartition("/")
    if kind == "uploads" and name.endswith("/blobs"):
        return _upload(service, request, name.removesuffix("/blobs"), end)
    if kind == "tags" and end == "list" and request.is_read:
        return _tags(service, request, name)
    endpoint = _ENDPOINTS.get(kind)
    if not name or endpoint is None:
        raise Refused(404, "UNSUPPORTED", "this path is no registry's")
    return endpoint(service, request, name, end)


def _manifests(service: Service, request: Request, name: str, reference: str) -> Answer:
    if request.is_read:
        found = service.store.manifest(name, reference)
        headers = {
            "Content-Type": found.media_type,
            "Docker-Content-Digest": found.digest,
            "Etag": f'"{found.digest}"',
        }
        unchanged = request.headers.get("If-None-Match") == headers["Etag"]
        return Answer(304, headers) if unchanged else Answer(200, headers, found.body)
    if request.method == "PUT":
        media_type = request.headers.get("Content-Type") or ""
        return _created(name, service.store.put_manifest(name, reference, media_type, request.body))
    if request.method == "DELETE":
        service.store.delete_manifest(name, reference)
        return Answer(202)
    raise _unsupported(request)


def _created(name: str, manifest: Manifest) -> Answer:
    headers = {
        "Location": f"/v2/{name}/manifests/{manifest.digest}",
        "Docker-Content-Digest": manifest.digest,
    }
    if manifest.subject:
        headers["OCI-Subject"] = manifest.subject
    return Answer(201, headers)


def _blobs(service: Service, request: Request, name: str, digest: str) -> Answer:
    if digest == "uploads" and request.method == "POST":
        return _upload(service, request, name, "")
    if request.is_read:
        data = service.store.blob(name, digest)
        headers = {
            "Content-Type": _OCTETS,
            "Docker-Content-Digest": digest,
            "Accept-Ranges": "bytes",
            "Etag": f'"{digest}"',
        }
        wanted = request.headers.get("Range") or ""
        return _part(data, wanted, headers) if wanted else Answer(200, headers, data)
    if request.method == "DELETE":
        service.store.delete_blob(name, digest)
        return Answer(202)
    raise _unsupported(request)


def _part(data: bytes, wanted: str, headers: Mapping[str, str]) -> Answer:
    """One range of a blob; a header that asks for something else gets the whole (RFC 9110)."""
    span = _SPAN.fullmatch(wanted)
    if span is None:
        return Answer(200, headers, data)
    first, last = int(span[1]), min(int(span[2] or len(data)), len(data) - 1)
    if first > last:
        return Answer(416, {"Content-Range": f"bytes */{len(data)}"})
    place = {"Content-Range": f"bytes {first}-{last}/{len(data)}"}
    return Answer(206, {**headers, **place}, data[first : last + 1])


def _upload(service: Service, request: Request, name: str, session: str) -> Answer:
    if not session:
        if request.method != "POST":
            raise _unsupported(request)
        return _start_upload(service, request, name)
    if request.method == "GET":
        size = service.uploads.size(name, session)
        return Answer(204, _progress(name, session, size))
    if request.method == "DELETE":
        service.uploads.cancel(name, session)
        return Answer(204)
    if request.method in {"PATCH", "PUT"}:
        return _continue_upload(service, request, name, session)
    raise _unsupported(request)


def _start_upload(service: Service, request: Request, name: str) -> Answer:
    query = request.query
    if "digest" in query:
        digest = service.store.put_blob(name, request.body, query["digest"] or "-")
        return Answer(201, _place(name, digest))
    mount, source = query.get("mount", ""), query.get("from", "")
    if mount and service.store.mount_blob(name, mount, source):
        return Answer(201, _place(name, mount))
    session = service.uploads.start(name)
    return Answer(202, _progress(name, session, 0))


def _continue_upload(service: Service, request: Request, name: str, session: str) -> Answer:
    digest = request.query.get("digest", "")
    if request.method == "PUT" and not digest:
        raise Refused(400, "DIGEST_INVALID", "an upload ends with its digest")
    try:
        start = _chunk_start(request)
        size = service.uploads.append(name, session, request.body, start)
    except Refused as refused:
        if refused.status != 416:  # noqa: PLR2004 - a status code is its own name
            raise
        return Answer(416, _progress(name, session, service.uploads.size(name, session)))
    if request.method == "PATCH":
        return Answer(202, _progress(name, session, size))
    return Answer(201, _place(name, service.uploads.finish(name, session, digest)))


def _chunk_start(request: Request) -> int | None:
    stated = request.headers.get("Content-Range")
    if stated is None:
        return None
    span = _SPAN.fullmatch(stated.partition("/")[0])
    if span is None or not span[2] or int(span[2]) - int(span[1]) + 1 != len(request.body):
        raise Refused(416, "BLOB_UPLOAD_INVALID", "the range does not fit the chunk")
    return int(span[1])


def _progress(name: str, session: str, size: int) -> dict[str, str]:
    return {
        "Location": f"/v2/{name}/blobs/uploads/{session}",
        "Range": f"0-{max(size - 1, 0)}",
        "Docker-Upload-UUID": session,
    }


def _place(name: str, digest: str) -> dict[str, str]:
    return {"Location": f"/v2/{name}/blobs/{digest}", "Docker-Content-Digest": digest}


def _tags(service: Service, request: Request, name: str) -> Answer:
    query = request.query
    count = query.get("n", str(service.page_size))
    if _COUNT.fullmatch(count) is None:
        raise Refused(400, "PAGINATION_NUMBER_INVALID", "n is no count", count)
    limit = min(int(count), service.page_size)
    tags, more = service.store.tags(name, limit, query.get("last", ""))
    headers = {}
    if more and tags:
        headers["Link"] = f'</v2/{name}/tags/list?n={limit}&last={quote(tags[-1])}>; rel="next"'
    return _json(200, {"name": name, "tags": list(tags)}, headers)


def _referrers(service: Service, request: Request, name: str, digest: str) -> Answer:
    if not request.is_read:
        raise _unsupported(request)
    wanted = request.query.get("artifactType", "")
    found = service.store.referrers(name, digest, wanted)
    headers = {"Content-Type": OCI_INDEX}
    if wanted:
        headers["OCI-Filters-Applied"] = "artifactType"
    index = {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": found}
    return _json(200, index, headers)


def _json(status: int, document: Any, headers: Mapping[str, str] | None = None) -> Answer:
    body = json.dumps(document, separators=(",", ":")).encode()
    return Answer(status, {"Content-Type": _JSON, **(headers or {})}, body)


def _unsupported(request: Request) -> Refused:
    return Refused(405, "UNSUPPORTED", f"{request.method} means nothing here")


_ENDPOINTS: dict[str, Callable[[Service, Request, str, str], Answer]] = {
    "manifests": _manifests,
    "blobs": _blobs,
    "referrers": _referrers,
}
