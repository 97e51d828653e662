"""What every test starts from: a clean environment, a home of its own, loopback only."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

KEEP = {"PATH", "LANG", "TMPDIR", "CI", "PYTEST_CURRENT_TEST", "PYTEST_XDIST_WORKER", "VIRTUAL_ENV"}


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No test sees the developer's credentials, git identity or proxies."""
    for name in list(os.environ):
        if name not in KEEP and not name.startswith(("PYTEST_", "COV_", "HYPOTHESIS_")):
            monkeypatch.delenv(name)
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("LC_ALL", "C.UTF-8")


@pytest.fixture(autouse=True)
def loopback_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection to anything but this machine fails at once: tests reach no network."""
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: object) -> None:
        if self.family in {socket.AF_INET, socket.AF_INET6}:
            host = str(address[0])  # type: ignore[index]
            if not (host.startswith("127.") or host in {"::1", "localhost"}):
                raise ConnectionRefusedError(f"tests may not reach {host}")
        connect(self, address)  # type: ignore[arg-type]

    monkeypatch.setattr(socket.socket, "connect", guarded)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """In CI a skipped test is named as a failure."""
    if os.environ.get("CI") and terminalreporter.stats.get("skipped"):
        terminalreporter.write_line("CI: nothing may be skipped", red=True)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """In CI a skipped test makes the run fail: a missing real part must not pass unseen."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if os.environ.get("CI") and reporter is not None and reporter.stats.get("skipped"):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
