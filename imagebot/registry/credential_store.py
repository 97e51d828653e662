"""The docker package's credential store, made to end: a time limit and a cap on what is said.

Knows the helpers' protocol and processes. It refuses to know which helper is asked and why.
Importing this imports the docker package, so it happens when a helper is about to run.
"""

from __future__ import annotations

import os
import selectors
import signal
import subprocess
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from docker.credentials import CredentialsNotFound, Store, StoreError
from docker.credentials.errors import process_store_error

_MAX_OUTPUT = 1 << 20
_CHUNK = 65_536


class HelperFailed(Exception):
    """The helper failed. Its words are left out: they may hold the secret."""


def get_secret(
    program: str, server: str, env: Mapping[str, str], seconds: float
) -> tuple[str, str] | None:
    """User name and secret that a helper's program has for a server, None when it has nothing.

    Raises TimeoutError and HelperFailed.
    """
    try:
        found = _LimitedStore(program, env, seconds).get(server)
        username, secret = found["Username"], found["Secret"]
    except CredentialsNotFound:
        return None
    except _Late:
        raise TimeoutError from None
    except (StoreError, ValueError, KeyError, TypeError, RecursionError):
        raise HelperFailed from None
    if not (isinstance(username, str) and isinstance(secret, str)):
        raise HelperFailed
    return username, secret


class _Late(StoreError):  # type: ignore[misc]  # the docker package has no types
    """The helper did not answer in time."""


class _LimitedStore(Store):  # type: ignore[misc]  # the docker package has no types
    """The docker package's store, running its program in a process group that can be ended.

    The base class's constructor is left out: it looks on this process's own PATH and warns.
    """

    def __init__(self, program: str, env: Mapping[str, str], seconds: float) -> None:
        self.program = self.exe = program
        self.environment = dict(env)
        self._seconds = seconds

    def _execute(self, subcmd: str, data_input: bytes) -> bytes:
        """Run the program. Raises StoreError."""
        try:
            process = subprocess.Popen(
                [self.exe, subcmd],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=self.environment,
                start_new_session=True,
            )
        except OSError as error:
            raise StoreError from error
        with process:
            try:
                output = _converse(process, data_input, time.monotonic() + self._seconds)
            finally:
                # Whatever the helper started goes with it, whether it ended well or not.
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
        if process.returncode:
            failure = subprocess.CalledProcessError(process.returncode, self.program, output)
            raise process_store_error(failure, self.program)
        return output


def _converse(process: subprocess.Popen[bytes], sent: bytes, deadline: float) -> bytes:
    """Write the input, read all output, and wait for the end, before the deadline."""
    stdin: Any = process.stdin
    stdout: Any = process.stdout
    with suppress(BrokenPipeError):
        # A server's name is far shorter than a pipe's buffer, so this does not block.
        stdin.write(sent)
        stdin.close()
    output = bytearray()
    with selectors.DefaultSelector() as selector:
        selector.register(stdout, selectors.EVENT_READ)
        while selector.select(max(deadline - time.monotonic(), 0)):
            chunk = os.read(stdout.fileno(), _CHUNK)
            if not chunk:
                break
            output += chunk
            if len(output) > _MAX_OUTPUT:
                raise StoreError("the helper says more than a credential")
        else:
            raise _Late
    try:
        process.wait(max(deadline - time.monotonic(), 0))
    except subprocess.TimeoutExpired:
        raise _Late from None
    return bytes(output)
