"""Feeds a running process and reads it, within a deadline and a number of bytes.

Knows pipes and process groups. It refuses to know git, and what the bytes mean.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import IO, Literal

STDERR_CAP = 64 * 1024
"""Bytes of error output that are kept; the rest is read and dropped."""

_CHUNK = 64 * 1024
_POLL = 0.2

Stopped = Literal["", "timeout", "output", "cancelled"]


@dataclass(frozen=True, slots=True)
class Finished:
    """How a process ended. `stopped` says why it was killed, empty when it ended by itself."""

    returncode: int
    stdout: bytes
    stderr: bytes
    stopped: Stopped = ""


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a process may take: seconds in total, bytes of output. `cancelled` is asked often."""

    timeout: float
    cap: int
    cancelled: Callable[[], bool] = lambda: False
    clock: Callable[[], float] = time.monotonic


def communicate(process: subprocess.Popen[bytes], stdin: bytes, bounds: Bounds) -> Finished:
    """Write `stdin`, read both outputs, wait. The process must lead its own process group.

    On a bound, or on an exception (an interrupt from the keyboard), the whole group is killed.
    """
    pump = _Pump(process, stdin, bounds)
    try:
        stopped = pump.run()
    except BaseException:
        kill_group(process)
        raise
    finally:
        pump.close()
    if stopped:
        kill_group(process)
    return Finished(process.returncode, bytes(pump.out), bytes(pump.err), stopped)


def kill_group(process: subprocess.Popen[bytes]) -> None:
    """Kill a process and everything it started in its group, then wait for it."""
    # Until it is waited for, its number cannot belong to anyone else.
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


class _Pump:
    """Moves bytes between us and the three pipes of one process."""

    def __init__(self, process: subprocess.Popen[bytes], stdin: bytes, bounds: Bounds) -> None:
        self.process = process
        self.bounds = bounds
        self.deadline = bounds.clock() + bounds.timeout
        self.out = bytearray()
        self.err = bytearray()
        self.rest = memoryview(stdin)
        self.selector = selectors.DefaultSelector()

    def run(self) -> Stopped:
        """Move bytes until both outputs are closed and the process ended, or a bound is met."""
        for pipe, wanted in (
            (self.process.stdout, selectors.EVENT_READ),
            (self.process.stderr, selectors.EVENT_READ),
            (self.process.stdin, selectors.EVENT_WRITE),
        ):
            if pipe is not None:
                os.set_blocking(pipe.fileno(), False)
                self.selector.register(pipe, wanted)
        while self.selector.get_map():
            if stopped := self._exceeded():
                return stopped
            for key, _ in self.selector.select(_POLL):
                self._move(key.fileobj)  # type: ignore[arg-type]  # only pipes are registered
        return self._wait()

    def _exceeded(self) -> Stopped:
        if len(self.out) > self.bounds.cap:
            return "output"
        if self.bounds.clock() >= self.deadline:
            return "timeout"
        return "cancelled" if self.bounds.cancelled() else ""

    def _wait(self) -> Stopped:
        while True:
            try:
                self.process.wait(_POLL)
            except subprocess.TimeoutExpired:
                if stopped := self._exceeded():
                    return stopped
            else:
                return "output" if len(self.out) > self.bounds.cap else ""

    def _move(self, pipe: IO[bytes]) -> None:
        if pipe is self.process.stdin:
            self._write(pipe)
            return
        data = os.read(pipe.fileno(), _CHUNK)
        if not data:
            self._done(pipe)
        elif pipe is self.process.stdout:
            self.out += data
        else:
            self.err += data[: max(0, STDERR_CAP - len(self.err))]

    def _write(self, pipe: IO[bytes]) -> None:
        try:
            self.rest = self.rest[os.write(pipe.fileno(), self.rest[:_CHUNK]) :]
        except BrokenPipeError:
            # The process reads no more; its exit status and error output say why.
            self.rest = self.rest[:0]
        if not self.rest:
            self._done(pipe)

    def _done(self, pipe: IO[bytes]) -> None:
        self.selector.unregister(pipe)
        pipe.close()

    def close(self) -> None:
        """Release the selector and every pipe."""
        self.selector.close()
        for pipe in (self.process.stdin, self.process.stdout, self.process.stderr):
            if pipe is not None:
                pipe.close()
