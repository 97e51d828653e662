"""Host names that lead to this machine, so that tests can speak of `registry.example.com`."""

from __future__ import annotations

import socket

import pytest


def resolve_to_loopback(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    """Let these names resolve to 127.0.0.1 in this test; all others as ever."""
    real = socket.getaddrinfo

    def resolve(host: str, *args: object, **kwargs: object) -> object:
        return real("127.0.0.1" if host in names else host, *args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
