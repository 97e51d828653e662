"""The process: turns errors and signals into exit codes. Knows nothing of what a verb does."""

from __future__ import annotations

import io
import os
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import TextIO

from imagebot import errors


class _Terminated(BaseException):
    """SIGTERM arrived; raised in the main thread so that every `finally` runs."""


def _terminate(_signum: int, _frame: FrameType | None) -> None:
    raise _Terminated


def main() -> None:
    """Run the command line and exit with a code that means something (docs/command-line.md)."""
    signal.signal(signal.SIGTERM, _terminate)
    # Started with a closed standard output or error: the work is done all the same.
    sys.stdout = sys.stdout or _nowhere()
    sys.stderr = sys.stderr or _nowhere()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A file name need not be text; it is shown escaped instead of ending the run.
            stream.reconfigure(errors="backslashreplace")
    sys.exit(_guarded())


def _guarded() -> int:
    try:
        code = _run()
        sys.stdout.flush()
    except errors.ImagebotError as error:
        _say(f"imagebot: {error}")
        return error.exit_code
    except KeyboardInterrupt:
        _say("imagebot: interrupted")
        return errors.EXIT_INTERRUPTED
    except _Terminated:
        _say("imagebot: terminated")
        return errors.EXIT_TERMINATED
    except BrokenPipeError:
        # The reader went away (`imagebot plan | head`); a second flush must not fail again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return errors.EXIT_OK
    except Exception:  # noqa: BLE001 -- the last resort: anything else is a bug, and says so
        import traceback

        traceback.print_exc()
        _say("imagebot: this is a bug; please report the lines above")
        return errors.EXIT_BUG
    else:
        return code


def _nowhere() -> TextIO:
    return Path(os.devnull).open("w", encoding="utf-8")


def _run() -> int:
    if sys.argv[1:] == ["--version"]:
        # Answered before anything is imported: scripts ask often.
        from imagebot import __version__

        sys.stdout.write(f"imagebot {__version__}\n")
        return errors.EXIT_OK
    from imagebot.cli import main as command_line

    return command_line()


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")


if __name__ == "__main__":
    main()
