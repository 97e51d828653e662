"""The daemon's process ends in time, whatever its cycles wait for."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from imagebot.demo.stage import make_repository

DRAIN = 1.0
# The drain as it is, but shorter than an operator waits.
PROGRAM = f"""\
import sys
from functools import partial
from imagebot.__main__ import main
from imagebot.daemon import service

service.Daemon = partial(service.Daemon, drain_seconds={DRAIN})
sys.exit(main())
"""


@contextmanager
def silence() -> Iterator[socket.socket]:
    """A port on loopback that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as server:
        yield server


def waits_at_the_registry(folder: Path, port: int) -> str:
    uses = f"images: [{{name: web, newName: '127.0.0.1:{port}/a/web', newTag: '1.0'}}]\n"
    make_repository(folder / "deploy.git", {"kustomization.yaml": uses.encode()})
    return f"{{url: '{folder / 'deploy.git'}', forge: {{kind: local}}}}"


def waits_at_git(_folder: Path, port: int) -> str:
    url = f"http://127.0.0.1:{port}/acme/deploy.git"
    return f"{{url: '{url}', forge: {{kind: gitea, token: {{env: TOKEN}}}}}}"


@pytest.mark.parametrize("waits", [waits_at_the_registry, waits_at_git])
def test_a_cycle_that_waits_does_not_keep_the_process(tmp_path: Path, waits: object) -> None:
    """SIGTERM, the drain, and the end: exit code 143, a warning, and no git left behind."""
    assert callable(waits)
    with silence() as server:
        port = server.getsockname()[1]
        operator = tmp_path / "operator.yaml"
        operator.write_text(
            f"version: 1\nworkdir: {tmp_path / 'work'}\nserve: {{listen: '127.0.0.1:0'}}\n"
            f"network: {{insecureHosts: ['127.0.0.1']}}\nrepositories: [{waits(tmp_path, port)}]\n"
        )
        process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, "serve", "--operator", str(operator)],
            env={**os.environ, "TOKEN": "t0ken"},
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            server.settimeout(30)
            waiting, _ = server.accept()
            process.send_signal(signal.SIGTERM)
            begun = time.monotonic()
            _, said = process.communicate(timeout=20)
        finally:
            process.kill()
            process.wait()
        took = time.monotonic() - begun
        waiting.close()
    assert process.returncode == 143, said
    assert DRAIN <= took < DRAIN + 6
    assert "a cycle was still running" in said
    assert not [args for args in command_lines() if f"127.0.0.1:{port}/" in args]


def command_lines() -> list[str]:
    """What every process on this machine was started with."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found.append(path.read_bytes().replace(b"\0", b" ").decode("utf-8", "replace"))
        except OSError:
            continue
    return found
