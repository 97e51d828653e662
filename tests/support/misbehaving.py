"""A real HTTP/1.1 server on loopback that can do everything a server must not do.

A handler gets what was asked and a wire to write raw bytes to. Every request is kept, so that a
test can say what never arrived: a secret, a second request, anything at all.
"""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Self


@dataclass(frozen=True)
class Seen:
    """One request as it arrived. Header names are lower case."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes
    connection: int

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]

    @property
    def text(self) -> str:
        """Everything that was sent, to look for what must not be in it."""
        lines = [f"{self.method} {self.target}", *(f"{k}: {v}" for k, v in self.headers.items())]
        return "\n".join(lines) + "\n" + self.body.decode("latin-1")


@dataclass
class Wire:
    """The way back to the client."""

    sock: Any
    stopped: threading.Event
    open: bool = True

    def send(self, data: bytes) -> None:
        with contextlib.suppress(OSError):
            self.sock.sendall(data)

    def reply(
        self, status: int = 200, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> None:
        """A well-formed answer with a Content-Length."""
        extra = "".join(f"{name}: {value}\r\n" for name, value in (headers or {}).items())
        head = f"HTTP/1.1 {status} X\r\nContent-Length: {len(body)}\r\n{extra}\r\n"
        self.send(head.encode("latin-1") + body)

    def json(self, value: object, status: int = 200, **headers: str) -> None:
        named = {name.replace("_", "-"): text for name, text in headers.items()}
        self.reply(status, json.dumps(value).encode(), named)

    def drip(self, data: bytes, every: float = 0.05) -> None:
        """One byte at a time, until the client is gone or the server stops."""
        for at in range(len(data)):
            if self.stopped.wait(every):
                return
            try:
                self.sock.sendall(data[at : at + 1])
            except OSError:
                return

    def hang(self, seconds: float = 30.0) -> None:
        self.stopped.wait(seconds)

    def close(self) -> None:
        """Close in good order, in the middle of whatever was being said."""
        self.open = False
        with contextlib.suppress(OSError):
            self.sock.shutdown(socket.SHUT_RDWR)
        self.sock.close()

    def reset(self) -> None:
        """Close with RST instead of FIN."""
        self.open = False
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()


Handler = Callable[[Seen, Wire], None]


@dataclass
class Misbehaving:
    """Start with `with Misbehaving(handler) as server`; `server.url` is where it listens."""

    handler: Handler
    tls: ssl.SSLContext | None = None
    host: str = "127.0.0.1"
    seen: list[Seen] = field(default_factory=list)

    def __enter__(self) -> Self:
        self._stopped = threading.Event()
        self._listener = socket.create_server((self.host, 0), backlog=128)
        self._sockets: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._acceptor = threading.Thread(target=self._accept, daemon=True)
        self._acceptor.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for sock in self._sockets:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
            sock.close()
        for thread in [self._acceptor, *self._threads]:
            thread.join(5)

    @property
    def port(self) -> int:
        return int(self._listener.getsockname()[1])

    @property
    def netloc(self) -> str:
        return f"{self.host}:{self.port}"

    @property
    def url(self) -> str:
        return f"{'https' if self.tls else 'http'}://{self.netloc}"

    @property
    def everything(self) -> str:
        """All that ever arrived here, as text."""
        return "\n".join(seen.text for seen in self.seen)

    def _accept(self) -> None:
        number = 0
        while not self._stopped.is_set():
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            number += 1
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._sockets.append(sock)
            thread = threading.Thread(target=self._serve, args=(sock, number), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, sock: Any, number: int) -> None:
        try:
            if self.tls is not None:
                sock = self.tls.wrap_socket(sock, server_side=True)
                self._sockets.append(sock)
            wire = Wire(sock, self._stopped)
            with sock.makefile("rb") as reader:
                while wire.open and (seen := _read_request(reader, number)) is not None:
                    self.seen.append(seen)
                    self.handler(seen, wire)
        except (OSError, ValueError):
            pass
        finally:
            sock.close()


def _read_request(reader: Any, number: int) -> Seen | None:
    line = reader.readline().decode("latin-1").strip()
    if not line:
        return None
    method, target, _ = line.split(" ", 2)
    headers: dict[str, str] = {}
    while (text := reader.readline().decode("latin-1").strip()) != "":
        name, _, value = text.partition(":")
        headers[name.lower()] = value.strip()
    body = reader.read(int(headers.get("content-length", "0")))
    return Seen(method, target, headers, body, number)


def script(*answers: Handler) -> Handler:
    """One answer a request, in order; the last one repeats."""
    left = list(answers)
    lock = threading.Lock()

    def handle(seen: Seen, wire: Wire) -> None:
        with lock:
            answer = left.pop(0) if len(left) > 1 else left[0]
        answer(seen, wire)

    return handle


def status(code: int, **headers: str) -> Handler:
    """Always this status, with `Retry_After="3"` meaning `Retry-After: 3`."""
    return lambda seen, wire: wire.json({"errors": []}, code, **headers)


def ok(value: object) -> Handler:
    """Always 200 with this JSON."""
    return lambda seen, wire: wire.json(value)


def wait_until(condition: Callable[[], bool], seconds: float = 5.0) -> bool:
    """Whether the condition came true in time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.01)
    return condition()
