"""Runs git: fixed settings, a scrubbed environment, a deadline, and errors without secrets.

The one place that imports GitPython, whose `Git.execute` starts the process. It refuses to know
what the commands mean.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from imagebot.errors import StartError
from imagebot.gitrepo import environment
from imagebot.gitrepo.credentials import Remote
from imagebot.gitrepo.failure import failure
from imagebot.gitrepo.process import Bounds, Finished, communicate

MIN_VERSION = (2, 30)
"""The oldest git that has every option used here."""

DEFAULT_TIMEOUT = 300.0
DEFAULT_CAP = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class GitRunner:
    """Runs git commands in `directory`, on the repository `git_dir` (or the one found there).

    `home` stands for the user's home and for temporary files. `timeout` is in seconds for one
    command. Only a command run with `network=True` sees `remote`'s credentials.
    """

    directory: Path
    home: Path
    git_dir: Path | None = None
    remote: Remote | None = field(default=None, repr=False)
    timeout: float = DEFAULT_TIMEOUT
    cancelled: Callable[[], bool] = lambda: False
    clock: Callable[[], float] = time.monotonic

    def run(
        self,
        args: Sequence[str],
        *,
        stdin: bytes = b"",
        network: bool = False,
        settings: Mapping[str, str] | None = None,
        cap: int = DEFAULT_CAP,
    ) -> bytes:
        """Run `git args...` and give its output. Raises GitError, also over time or `cap` bytes.

        `settings` are added to the fixed ones. Every word of `args` must be a constant or a
        checked object name, branch name or path: options are not told from values here.
        """
        finished = self.attempt(args, stdin=stdin, network=network, settings=settings, cap=cap)
        if finished.returncode or finished.stopped:
            raise failure(args[0], finished, self.remote.secrets if self.remote else ())
        return finished.stdout

    def attempt(
        self,
        args: Sequence[str],
        *,
        stdin: bytes = b"",
        network: bool = False,
        settings: Mapping[str, str] | None = None,
        cap: int = DEFAULT_CAP,
    ) -> Finished:
        """Like `run`, for a caller that reads the exit status and the errors itself."""
        variables = environment.variables(os.environ, self.home)
        if network and self.remote is not None:
            variables |= self.remote.environment
        process = _start(self._words(args, settings or {}), variables, self.directory)
        bounds = Bounds(self.timeout, cap, self.cancelled, self.clock)
        return communicate(process, stdin, bounds)

    def _words(self, args: Sequence[str], settings: Mapping[str, str]) -> list[str]:
        where = [f"--git-dir={self.git_dir}"] if self.git_dir else []
        more = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        return ["--no-pager", *where, *environment.arguments(), *more, *args]


def preflight() -> tuple[int, ...]:
    """The version of git on this machine. Raises StartError when it is missing or too old."""
    path = _executable("git")
    variables = environment.variables(os.environ, Path("/nonexistent"))
    found = subprocess.run(
        [path, "version"], capture_output=True, check=False, timeout=30, env=variables
    )
    text = found.stdout.decode("utf-8", "replace").strip()
    match = re.match(r"git version (\d+)\.(\d+)(?:\.(\d+))?", text)
    if found.returncode or match is None:
        raise StartError(f"{path} does not say its version", hint="is git installed properly?")
    version = tuple(int(part) for part in match.groups(default="0"))
    if version < MIN_VERSION:
        wanted = ".".join(str(part) for part in MIN_VERSION)
        raise StartError(f"{text} is too old", hint=f"install git {wanted} or newer")
    return version


def _executable(name: str) -> str:
    path = shutil.which(name)
    if path is None:
        raise StartError(f"{name} is not installed, or not on PATH", hint=f"install {name}")
    return str(Path(path).absolute())


def _start(
    words: Sequence[str], variables: Mapping[str, str], directory: Path
) -> subprocess.Popen[bytes]:
    """Start git in a process group and session of its own: no terminal, one kill for all.

    GitPython can add to the environment but not take away, so `env -u` removes every variable
    that is not ours before it becomes git. Only names are on its command line, never values.
    """
    # GitPython looks for git when it is imported; a broken git is preflight's to report.
    os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")
    from git.cmd import Git  # costs 90 ms, and most verbs need no git

    unwanted = os.environ.keys() - variables.keys()
    command = [_executable("env"), *(word for name in unwanted for word in ("-u", name))]
    command += [_executable("git"), *words]
    wrapped = Git(str(directory)).execute(
        command,
        istream=subprocess.PIPE,
        as_process=True,
        shell=False,
        env=dict(variables),
        start_new_session=True,
        umask=0o077,
    )
    process = wrapped.proc
    # From here on the process is ours: GitPython's wrapper would end it when it is collected.
    wrapped.proc = None
    if process is None:
        raise StartError("git did not start")
    return process
