"""The loopback HTTP server of a fake forge, and the faults it can be told to have.

Knows sockets, requests and replies; refuses to know what any of them mean.
"""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit


@dataclass
class Pull:
    """One pull request. `fork` puts its head into another repository, `ghost` into none."""

    number: int
    head: str
    base: str
    title: str
    body: str = ""
    state: str = "open"
    head_sha: str = ""
    labels: list[str] = field(default_factory=list)
    comments: list[str] = field(default_factory=list)
    fork: bool = False
    ghost: bool = False
    locked: bool = False
    unlisted: int = 0


@dataclass
class Fault:
    """What one call shall meet: the connection cut or a status, before or after the work."""

    operation: str
    after: bool = False
    status: int = 0
    body: bytes = b"<html><body><h1>502 Bad Gateway</h1></body></html>"
    headers: Mapping[str, str] = field(default_factory=dict)
    keep_status: bool = False
    skip: int = 0


@dataclass
class Faults:
    """Faults in the order they shall happen, and standing switches.

    `stale` is how many lists (or lookups by branch) leave out each request made from now on;
    `ignore_filters` makes lists answer everything; `foreign_next` sends readers of page one to
    another origin; `all_fails` breaks lists of `state=all`.
    """

    queue: list[Fault] = field(default_factory=list)
    stale: int = 0
    ignore_filters: bool = False
    foreign_next: str = ""
    all_fails: bool = False
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def cut(self, operation: str, *, after: bool = False, times: int = 1, skip: int = 0) -> None:
        """Close the connection without a reply, before or `after` the work is done.

        `operation` is one of the names in the fake's table, or `*`; `skip` calls are spared.
        """
        self._add(Fault(operation, after=after, skip=skip), times)

    def status(
        self,
        operation: str,
        status: int,
        *,
        after: bool = False,
        times: int = 1,
        message: str | None = None,
        headers: Mapping[str, str] | None = None,
        skip: int = 0,
    ) -> None:
        """Answer this status: with an HTML page, or JSON when there is a `message`."""
        fault = Fault(operation, after=after, status=status, headers=headers or {}, skip=skip)
        if message is not None:
            fault.body = json.dumps({"message": message}).encode()
        self._add(fault, times)

    def garbage(self, operation: str, *, times: int = 1) -> None:
        """Do the work, then answer success with an HTML page instead of JSON."""
        self._add(Fault(operation, after=True, status=200, keep_status=True), times)

    def take(self, operation: str, *, after: bool) -> Fault | None:
        with self._lock:
            for fault in self.queue:
                if fault.operation not in {operation, "*"} or fault.after != after:
                    continue
                if fault.skip:
                    fault.skip -= 1
                    continue
                self.queue.remove(fault)
                return fault
        return None

    def _add(self, fault: Fault, times: int) -> None:
        with self._lock:
            self.queue.extend(replace(fault) for _ in range(times))


@dataclass
class Seen:
    """One request as it came in. `path` has no prefix and no query; header names are lower."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: Any
    raw: bytes
    target: str
    operation: str = ""
    status: int = 0
    at: float = 0.0


@dataclass
class Reply:
    """What goes back. `data` is JSON unless it is bytes."""

    status: int
    data: Any = None
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def content(self) -> bytes:
        if isinstance(self.data, bytes):
            return self.data
        return b"" if self.data is None else json.dumps(self.data).encode()


class Server(ThreadingHTTPServer):
    """The loopback server of one fake: it closes what it opened."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(
        self, answer: Callable[[Seen], Reply | None], now: Callable[[], float], prefix: str
    ) -> None:
        self.answer = answer
        self.now = now
        self.prefix = prefix
        self.open: set[Any] = set()
        super().__init__(("127.0.0.1", 0), _Handler)
        self.port: int = self.server_address[1]
        self._thread = threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self.shutdown()
        self._thread.join()
        for connection in list(self.open):
            with contextlib.suppress(OSError):
                connection.shutdown(2)
        self.server_close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away is no error of the server."""


class _Handler(BaseHTTPRequestHandler):
    """Reads one request, hands it to the forge, writes what comes back."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Server

    def setup(self) -> None:
        super().setup()
        self.server.open.add(self.connection)

    def finish(self) -> None:
        self.server.open.discard(self.connection)
        super().finish()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class names it
        """Tests read `requests` instead of a log."""

    def serve(self) -> None:
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts = urlsplit(self.path)
        try:
            body = json.loads(raw) if raw else None
        except ValueError:
            body = None
        seen = Seen(
            method=self.command,
            path=parts.path.removeprefix(self.server.prefix),
            query=dict(parse_qsl(parts.query, keep_blank_values=True)),
            headers={name.lower(): value for name, value in self.headers.items()},
            body=body,
            raw=raw,
            target=self.path,
        )
        reply = self.server.answer(seen)
        if reply is None:
            self.close_connection = True
            self.connection.shutdown(2)
            return
        content = reply.content
        self.send_response(reply.status)
        headers = {"Content-Type": "application/json; charset=utf-8", **reply.headers}
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = serve  # noqa: N815 - http.server names them

    def date_time_string(self, timestamp: float | None = None) -> str:
        """The fake's own clock writes the Date header."""
        return super().date_time_string(self.server.now() if timestamp is None else timestamp)
