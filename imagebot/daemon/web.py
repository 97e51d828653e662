"""The daemon's web address: `/healthz` and `/readyz`. Read-only, and it needs no login."""

from __future__ import annotations

import socket
import threading
from types import TracebackType
from typing import Self

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from imagebot.daemon.health import Health
from imagebot.errors import StartError


def application(health: Health) -> Starlette:
    """The pages: 200 while all is well, 503 when it is not, with the reasons as JSON."""

    def healthz(request: Request) -> JSONResponse:
        del request
        alive = health.is_alive()
        document = {"alive": alive, "repositories": health.document()}
        return JSONResponse(document, 200 if alive else 503)

    def readyz(request: Request) -> JSONResponse:
        del request
        ready = health.is_ready()
        return JSONResponse({"ready": ready}, 200 if ready else 503)

    return Starlette(routes=[Route("/healthz", healthz), Route("/readyz", readyz)])


class WebServer:
    """The pages on a socket, in a thread of their own, for the length of a `with` block."""

    def __init__(self, health: Health, address: tuple[str, int]) -> None:
        family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self._socket = socket.socket(family)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            self._socket.bind(address)
        except OSError as error:
            self._socket.close()
            raise StartError(f"cannot listen on {address[0]}:{address[1]}: {error}") from error
        config = uvicorn.Config(
            application(health), log_level="warning", access_log=False, lifespan="off"
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(
            target=self._server.run, kwargs={"sockets": [self._socket]}, name="web", daemon=True
        )

    @property
    def port(self) -> int:
        """The port that was bound, which matters when 0 was asked for."""
        return int(self._socket.getsockname()[1])

    def __enter__(self) -> Self:
        """Start to answer."""
        self._socket.listen()
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Finish what is being answered, then stop."""
        self._server.should_exit = True
        self._thread.join(timeout=5)
        self._socket.close()
