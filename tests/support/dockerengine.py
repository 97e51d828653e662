"""A Docker Engine's API on a unix socket, as far as images go: a real server with made-up images."""

from __future__ import annotations

import json
import shutil
import socketserver
import tempfile
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any, Self
from urllib.parse import parse_qs, unquote, urlsplit

Fault = bytes | Callable[[BaseHTTPRequestHandler], None]


def engine_image(
    number: int, *tags: str, digests: tuple[str, ...] = (), **more: Any
) -> dict[str, Any]:
    """An image as the engine describes it. The id is made of `number`."""
    return {
        "Id": f"sha256:{number:064x}",
        "RepoTags": list(tags),
        "RepoDigests": list(digests),
        "Created": "2026-11-20T08:30:00.123456789Z",
        "Size": 1000 + number,
        "Os": "linux",
        "Architecture": "amd64",
        "Config": {"Labels": {}},
        **more,
    }


class DockerEngine:
    """The engine, from `with` to its end. `images` may change at any time; newest first."""

    def __init__(
        self, *images: dict[str, Any], versions: tuple[str, str] = ("1.44", "1.51")
    ) -> None:
        self.images = list(images)
        self.oldest, self.version = versions
        self.requests: list[str] = []
        self.connections = 0
        self.faults: dict[str, Fault] = {}
        self._directory = tempfile.mkdtemp(prefix="engine-")
        self.socket_path = str(Path(self._directory, "docker.sock"))
        self.base_url = f"unix://{self.socket_path}"

    def __enter__(self) -> Self:
        self._server = _Server(self.socket_path, _handler(self))
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.02,), daemon=True
        )
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        shutil.rmtree(self._directory)

    def listed(self, reference: str) -> list[dict[str, Any]]:
        """Images with a tag of this familiar name; the list has seconds where details have text."""
        return [
            {**image, "Created": 1_795_000_000, "Labels": image["Config"].get("Labels")}
            for image in self.images
            if not reference
            or any(tag.rpartition(":")[0] == reference for tag in image["RepoTags"])
        ]

    def described(self, name: str) -> dict[str, Any] | None:
        for image in self.images:
            names = (*image["RepoTags"], *image["RepoDigests"])
            if name in {image["Id"], *(text.removeprefix("docker.io/library/") for text in names)}:
                return image
        return None


class _Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that went away is what some tests are about."""


def _handler(engine: DockerEngine) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = 5

        def setup(self) -> None:
            super().setup()
            engine.connections += 1

        def do_GET(self) -> None:
            engine.requests.append(self.path)
            for part, fault in engine.faults.items():
                if part in self.path:
                    self.close_connection = True
                    return fault(self) if callable(fault) else self._raw(fault)
            return self._answer(*self._route())

        def _route(self) -> tuple[int, object]:
            url = urlsplit(self.path)
            path = unquote(url.path)
            if path == "/version":
                return 200, {"ApiVersion": engine.version, "MinAPIVersion": engine.oldest}
            version, _, rest = path.removeprefix("/v").partition("/")
            numbers = [
                [int(n) for n in text.split(".")]
                for text in (engine.oldest, version, engine.version)
            ]
            if numbers != sorted(numbers):
                return 400, {"message": f"client version {version} is too old or too new"}
            if rest == "images/json":
                filters = json.loads(parse_qs(url.query).get("filters", ["{}"])[0])
                (reference,) = filters.get("reference", [""])
                return 200, engine.listed(reference)
            if rest.startswith("images/") and rest.endswith("/json"):
                name = rest.removeprefix("images/").removesuffix("/json")
                found = engine.described(name)
                return (200, found) if found else (404, {"message": f"No such image: {name}"})
            return 404, {"message": "page not found"}

        def _answer(self, status: int, document: object) -> None:
            body = json.dumps(document).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def _raw(self, content: bytes) -> None:
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            pass

    return Handler
