"""A small OCI registry inside this process, for demos, tests and benchmarks: loopback, no TLS.

Knows connections: HTTP/1.1 with keep-alive, bodies read under a cap, a log of requests. What a
request means is the routes' business, what is kept the store's. It has no accounts: whoever can
reach the port can write, which is why it listens on a loopback address only.
"""

from __future__ import annotations

import contextlib
import ipaddress
import re
import socket
import threading
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Self, Unpack, cast

from imagebot.errors import UsageError
from imagebot.registry.images import ImageOptions, push_image
from imagebot.registry.server_routes import Answer, Request, Service, answer, error_answer
from imagebot.registry.server_rules import Limits, Refused
from imagebot.registry.server_store import Store
from imagebot.registry.server_uploads import Uploads

_IDLE_SECONDS = 30.0
_STOP_SECONDS = 5.0
_LINE = 1024
_CHUNK = re.compile(rb"([0-9a-fA-F]{1,15})(?:[ \t]*;[^\r\n]*)?\r\n")
_Accepted = socket.socket | tuple[bytes, socket.socket]
_NO_BODY = frozenset({HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED})


class EmbeddedRegistry:
    """A registry on a loopback port, from `start` (or `with`) to `stop`.

    `directory` keeps its content between runs, `page_size` is the most tags a page has,
    `requests` lists (method, path with query) of every request unless `record` is False.
    """

    def __init__(
        self,
        *,
        address: str = "127.0.0.1",
        port: int = 0,
        directory: Path | None = None,
        limits: Limits | None = None,
        page_size: int = 1000,
        record: bool = True,
    ) -> None:
        if not ipaddress.ip_address(address).is_loopback:
            raise UsageError(f"the embedded registry has no accounts; {address} is no loopback")
        self.store = Store(directory, limits)
        self.service = Service(self.store, Uploads(self.store), page_size)
        self.record = record
        self.requests: list[tuple[str, str]] = []
        self._address = (address, port)
        self._server: _Server | None = None
        self._thread: threading.Thread | None = None

    @property
    def host(self) -> str:
        """Where it listens, `127.0.0.1:<port>`: the host part of its image references."""
        if self._server is None:
            raise UsageError("the embedded registry has not been started")
        address, port = self._server.server_address[:2]
        return f"{address!s}:{port}"

    @property
    def url(self) -> str:
        """The base URL, `http://127.0.0.1:<port>`."""
        return f"http://{self.host}"

    def start(self) -> None:
        """Listen. Raises OSError when the port is taken."""
        self._server = _Server(self._address, self)
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """Close the port and every connection; the content stays."""
        server, thread = self._server, self._thread
        self._server = self._thread = None
        if server is not None and thread is not None:
            server.shutdown()
            thread.join()
            server.close_all()

    def put_image(self, repository: str, tag: str, **options: Unpack[ImageOptions]) -> str:
        """Make a small image and keep it under a tag, without a wire; returns its digest."""
        return push_image(self.store, repository, tag, **options)

    def __enter__(self) -> Self:
        """Start."""
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop."""
        self.stop()


class _Server(ThreadingHTTPServer):
    """Threads for connections, and the means to end them all."""

    request_queue_size = 128

    def __init__(self, address: tuple[str, int], registry: EmbeddedRegistry) -> None:
        self.registry = registry
        self._open: set[socket.socket] = set()
        self._changed = threading.Condition()
        super().__init__(address, _Handler)

    def process_request(self, request: _Accepted, client_address: object) -> None:
        """Take note of a connection, and give it a thread."""
        with self._changed:
            self._open.add(cast("socket.socket", request))
        super().process_request(request, client_address)

    def shutdown_request(self, request: _Accepted) -> None:
        """Close a connection whose thread is done."""
        super().shutdown_request(request)
        with self._changed:
            self._open.discard(cast("socket.socket", request))
            self._changed.notify_all()

    def handle_error(self, request: object, client_address: object) -> None:
        """A peer that goes away mid-request is no event worth a traceback on stderr."""

    def close_all(self) -> None:
        """Close the port, then end every connection and wait for its thread."""
        self.server_close()
        with self._changed:
            for connection in self._open:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
            self._changed.wait_for(lambda: not self._open, timeout=_STOP_SECONDS)


class _Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = _IDLE_SECONDS
    server: _Server

    def respond(self) -> None:
        """Read the request's body, and answer."""
        registry = self.server.registry
        if registry.record:
            registry.requests.append((self.command, self.path))
        try:
            body = self._body(registry.store.limits)
        except Refused as refused:
            # What is left of the body cannot be told from a next request.
            self.close_connection = True
            self._send(error_answer(refused))
            return
        request = Request(self.command, self.path, self.headers, body)
        self._send(answer(registry.service, request))

    do_GET = do_HEAD = do_PUT = do_POST = do_PATCH = do_DELETE = respond  # noqa: N815 - http.server looks these names up

    def _body(self, limits: Limits) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            return self._chunks(limits.blob)
        stated = self.headers.get("Content-Length", "0")
        if not (stated.isascii() and stated.isdigit()):
            raise Refused(400, "SIZE_INVALID", "the Content-Length is no number")
        if int(stated) > limits.blob:
            raise Refused(413, "SIZE_INVALID", "this is more than the registry takes")
        return self._exactly(int(stated))

    def _chunks(self, limit: int) -> bytes:
        parts = bytearray()
        while size := self._chunk_size():
            if len(parts) + size > limit:
                raise Refused(413, "SIZE_INVALID", "this is more than the registry takes")
            parts += self._exactly(size)
            if self._exactly(2) != b"\r\n":
                raise Refused(400, "SIZE_INVALID", "the chunked body is malformed")
        while self.rfile.readline(_LINE).strip():
            pass
        return bytes(parts)

    def _chunk_size(self) -> int:
        line = self.rfile.readline(_LINE)
        size = _CHUNK.fullmatch(line)
        if size is None:
            raise Refused(400, "SIZE_INVALID", "the chunked body is malformed")
        return int(size[1], 16)

    def _exactly(self, size: int) -> bytes:
        data = self.rfile.read(size) if size else b""
        if len(data) < size:
            raise Refused(400, "SIZE_INVALID", "the body ended early")
        return data

    def _send(self, reply: Answer) -> None:
        """Write head and body as one segment: two would wait for each other's acknowledgement."""
        lines = [f"HTTP/1.1 {reply.status} {HTTPStatus(reply.status).phrase}"]
        lines += [f"{name}: {value}" for name, value in reply.headers.items()]
        if reply.status not in _NO_BODY:
            lines.append(f"Content-Length: {len(reply.body)}")
        if self.close_connection:
            lines.append("Connection: close")
        head = "\r\n".join([*lines, "", ""]).encode("latin-1")
        self.wfile.write(head if self.command == "HEAD" else head + reply.body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name http.server gives it
        """Say nothing on stderr: `requests` is the log."""
