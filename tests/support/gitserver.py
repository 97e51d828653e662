"""Git over smart HTTP on loopback: `git http-backend` behind a small server that can misbehave.

It asks for a user and a password, and can redirect, refuse, or do the work and lose the reply.
"""

from __future__ import annotations

import base64
import os
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any


@dataclass
class Seen:
    """One request as it came in."""

    method: str
    path: str
    authorization: str


@dataclass
class GitServer:
    """Serves the bare repositories under `root`. Change its fields while it runs."""

    root: Path
    username: str = "x-access-token"
    token: str = ""
    redirect: str = ""
    status: int = 0
    lose_push_reply: bool = False
    seen: list[Seen] = field(default_factory=list)
    port: int = 0

    def url(self, name: str) -> str:
        return f"http://127.0.0.1:{self.port}/{name}"

    @contextmanager
    def running(self) -> Iterator[GitServer]:
        handler = type("Handler", (_Handler,), {"shared": self})
        server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        server.daemon_threads = False
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        self.port = server.server_address[1]
        thread.start()
        try:
            yield self
        finally:
            server.shutdown()
            server.server_close()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    shared: GitServer
    protocol_version = "HTTP/1.1"

    def log_message(self, *args: Any) -> None:
        """Tests read `seen`, not a log."""

    def do_GET(self) -> None:
        self._serve(b"")

    def do_POST(self) -> None:
        self._serve(self._body())

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", "0")))
        parts = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def _serve(self, body: bytes) -> None:
        shared = self.shared
        authorization = self.headers.get("Authorization", "")
        shared.seen.append(Seen(self.command, self.path, authorization))
        if shared.redirect:
            self._reply(302, [("Location", shared.redirect + self.path)], b"")
        elif shared.token and authorization != self._expected():
            self._reply(401, [("WWW-Authenticate", 'Basic realm="git"')], b"who are you?")
        elif shared.status:
            self._reply(shared.status, [("Content-Type", "text/plain")], b"remote: no\n")
        else:
            self._backend(body)

    def _expected(self) -> str:
        pair = f"{self.shared.username}:{self.shared.token}".encode()
        return "Basic " + base64.b64encode(pair).decode()

    def _backend(self, body: bytes) -> None:
        path, _, query = self.path.partition("?")
        env = {
            "PATH": os.environ["PATH"],
            "GIT_PROJECT_ROOT": str(self.shared.root),
            "GIT_HTTP_EXPORT_ALL": "1",
            "GIT_CONFIG_GLOBAL": "/dev/null",
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "REQUEST_METHOD": self.command,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "CONTENT_LENGTH": str(len(body)),
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
            "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
            "REMOTE_USER": "tester",
            "REMOTE_ADDR": "127.0.0.1",
        }
        done = subprocess.run(
            ["git", "http-backend"], input=body, capture_output=True, env=env, check=False
        )
        if (
            self.shared.lose_push_reply
            and self.command == "POST"
            and path.endswith("/git-receive-pack")
        ):
            self.close_connection = True
            self.connection.shutdown(2)
            return
        head, _, content = done.stdout.partition(b"\r\n\r\n")
        headers = [line.split(": ", 1) for line in head.decode().split("\r\n")]
        status = next((int(value.split()[0]) for name, value in headers if name == "Status"), 200)
        self._reply(status, [(name, value) for name, value in headers if name != "Status"], content)

    def _reply(self, status: int, headers: list[tuple[str, str]], content: bytes) -> None:
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)
