"""Runs one command and prints what it cost, as JSON. Standard library only, to stay small.

A process inherits the peak memory of the one that started it, so whoever measures must be smaller
than what is measured. That is why this is a process of its own.
"""

from __future__ import annotations

import json
import os
import sys
import time


def main(out: str, command: list[str]) -> None:
    """Run `command` with its output in the file `out`; print seconds, CPU seconds, kilobytes."""
    files = [
        (os.POSIX_SPAWN_OPEN, 1, out, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600),
        (os.POSIX_SPAWN_DUP2, 1, 2),
    ]
    started = time.perf_counter()
    process = os.posix_spawnp(command[0], command, os.environ, file_actions=files)
    _, status, usage = os.wait4(process, 0)
    cost = {
        "code": os.waitstatus_to_exitcode(status),
        "wall": time.perf_counter() - started,
        "cpu": usage.ru_utime + usage.ru_stime,
        "peak_kb": usage.ru_maxrss,
    }
    sys.stdout.write(json.dumps(cost))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
