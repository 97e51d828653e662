"""Real `imagebot` processes without the wait for imports, and the means to kill them exactly.

`python -m tests.support.crash` is a fork server: it imports everything once and forks a process
for each command line it is given. Each child is a process like any other: own session, own
environment, own exit code. strace kills it, or one of its git processes, at a chosen system call.
"""

from __future__ import annotations

import json
import os
import re
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

ROOT = Path(__file__).parents[2]
MUTATING = (
    "openat,rename,renameat,renameat2,link,linkat,symlink,symlinkat,unlink,unlinkat,mkdir,mkdirat,"
    "rmdir,write,pwrite64,writev,fsync,fdatasync,ftruncate,chmod,fchmod,fchmodat,flock,connect,"
    "sendto,execve,vfork,clone,clone3"
)
"""System calls after which the world may look different."""


@dataclass(frozen=True)
class Ran:
    """A finished process. `code` is negative when a signal ended it."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> dict[str, Any]:
        """The JSON it printed."""
        return json.loads(self.out)

    @property
    def cycle(self) -> dict[str, Any]:
        """The one repository of the JSON it printed."""
        (cycle,) = self.document["repositories"]
        return cycle

    @property
    def actions(self) -> dict[str, str]:
        """What was done for each key."""
        return {outcome["key"]: outcome["action"] for outcome in self.cycle["outcomes"]}

    @property
    def reasons(self) -> dict[str, str]:
        return {outcome["key"]: outcome["reason"] for outcome in self.cycle["outcomes"]}


@dataclass(frozen=True)
class Process:
    """A started process."""

    server: Zygote
    pid: int
    files: Path

    def wait(self, timeout: float = 60) -> Ran:
        """Its end; over `timeout` seconds it is killed and an error."""
        code = self.server.reap(self.pid, timeout)
        out, err = ((self.files / name).read_text("utf-8", "replace") for name in ("out", "err"))
        shutil.rmtree(self.files, ignore_errors=True)
        return Ran(code, out, err)

    def signal(self, number: int) -> None:
        os.kill(self.pid, number)


class Zygote:
    """The client of one fork server."""

    def __enter__(self) -> Self:
        self.files = Path(tempfile.mkdtemp(prefix="imagebot-zygote-"))
        self.server = subprocess.Popen(
            [os.path.realpath(sys.executable) if _is_shim() else sys.executable, "-m", __name__],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "HOME": "/nonexistent"},
        )
        assert self._line(60) == "ready"
        return self

    def __exit__(self, *_: object) -> None:
        assert self.server.stdin
        assert self.server.stdout
        self.server.stdin.close()
        self.server.wait(30)
        self.server.stdout.close()
        shutil.rmtree(self.files, ignore_errors=True)

    def start(
        self,
        argv: Sequence[str],
        env: Mapping[str, str],
        *,
        cwd: Path | None = None,
        gate: Path | None = None,
        uid: int = 0,
    ) -> Process:
        """Fork a process that runs `imagebot argv...`, once `gate` (a FIFO) holds a byte.

        `uid` is the user it runs as, 0 for the one who runs this.
        """
        files = Path(tempfile.mkdtemp(dir=self.files))
        job = {"argv": list(argv), "env": dict(env), "cwd": str(cwd or files), "files": str(files)}
        self._tell(job | {"gate": str(gate) if gate else "", "uid": uid})
        return Process(self, int(self._line(30)), files)

    def run(self, argv: Sequence[str], env: Mapping[str, str], **options: Any) -> Ran:
        """Start and wait."""
        return self.start(argv, env, **options).wait()

    def reap(self, pid: int, timeout: float) -> int:
        self._tell({"wait": pid})
        try:
            return int(self._line(timeout))
        except TimeoutError:
            os.killpg(pid, signal.SIGKILL)
            self._line(30)
            raise

    def _tell(self, job: dict[str, Any]) -> None:
        assert self.server.stdin
        self.server.stdin.write(json.dumps(job) + "\n")
        self.server.stdin.flush()

    def _line(self, timeout: float) -> str:
        assert self.server.stdout
        ready, _, _ = select.select([self.server.stdout], [], [], timeout)
        if not ready:
            raise TimeoutError(f"nothing happened in {timeout} s")
        return self.server.stdout.readline().strip()


def _is_shim() -> bool:
    """Whether python is a shell script, as version managers install it."""
    return Path(sys.executable).read_bytes()[:2] == b"#!"


@dataclass(frozen=True)
class KillPoint:
    """Where to kill: the `when`-th call of `name` in imagebot itself (`git` 0) or its n-th git.

    `whole` kills imagebot together with its git; otherwise it goes on and sees git die.
    """

    git: int
    name: str
    when: int
    whole: bool = True

    def __str__(self) -> str:
        who = f"git {self.git}" if self.git else "imagebot"
        return f"{who} {self.name} {self.when}" + ("" if self.whole else " (git alone)")


@dataclass
class Killer:
    """Runs commands with a git in front of git that counts calls and lets strace in."""

    zygote: Zygote
    folder: Path
    git: str = field(default_factory=lambda: shutil.which("git") or "git")

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        shim = self.folder / "git"
        shim.write_text(_SHIM.replace("GIT", self.git).replace("HERE", str(self.folder)))
        shim.chmod(0o755)

    def record(self, argv: Sequence[str], env: Mapping[str, str]) -> list[KillPoint]:
        """Run to the end, and name every point at which something may be half done."""
        self._clear()
        (self.folder / "record").touch()
        own = self._traced(argv, env, ["-e", f"trace={MUTATING}"])
        if own.code:
            raise AssertionError(f"the run to record failed: {own.err}")
        points = [KillPoint(0, *point) for point in _points(self.folder / "own")]
        for log in sorted(self.folder.glob("trace.*"), key=lambda path: int(path.suffix[1:])):
            call = int(log.suffix[1:])
            for name, when in _points(log):
                whole = (call + when) % 3 != 0
                points.append(KillPoint(call, name, when, whole))
        return points

    def kill(
        self, argv: Sequence[str], env: Mapping[str, str], point: KillPoint
    ) -> tuple[Ran, bool]:
        """Run and kill at the point. The second value says whether it was ever reached."""
        self._clear()
        inject = f"{point.name}:signal=SIGKILL:when={point.when}"
        words = ["-e", f"trace={point.name}", "-e", f"inject={inject}"]
        if point.git == 0:
            ran = self._traced(argv, env, words)
            return ran, ran.code == -signal.SIGKILL
        (self.folder / "target").write_text(str(point.git))
        (self.folder / "inject").write_text(" ".join(words))
        if point.whole:
            (self.folder / "whole").touch()
        ran = self.zygote.run(argv, self._env(env))
        log = self.folder / f"trace.{point.git}"
        return ran, log.exists() and "killed by SIGKILL" in log.read_text("utf-8", "replace")

    def _env(self, env: Mapping[str, str]) -> dict[str, str]:
        return {**env, "PATH": f"{self.folder}:{env['PATH']}"}

    def _traced(self, argv: Sequence[str], env: Mapping[str, str], words: Sequence[str]) -> Ran:
        gate = self.folder / "gate"
        os.mkfifo(gate)
        # Opened for both, so that it never waits for a reader, who may be dead already.
        opened = os.open(gate, os.O_RDWR)
        try:
            return self._behind(gate, opened, argv, env, words)
        finally:
            os.close(opened)

    def _behind(
        self,
        gate: Path,
        opened: int,
        argv: Sequence[str],
        env: Mapping[str, str],
        words: Sequence[str],
    ) -> Ran:
        process = self.zygote.start(argv, self._env(env), gate=gate)
        _until_blocked(process.pid, gate)
        log = self.folder / "own"
        strace = subprocess.Popen(
            ["strace", "-p", str(process.pid), "-o", str(log), *words],
            stderr=subprocess.PIPE,
            text=True,
        )
        assert strace.stderr
        told = strace.stderr.readline()
        if "attached" not in told:
            raise AssertionError(f"strace: {told}")
        os.write(opened, b"x")
        ran = process.wait()
        strace.communicate(timeout=30)
        return ran

    def _clear(self) -> None:
        for path in self.folder.iterdir():
            if path.name != "git":
                path.unlink()


def _until_blocked(pid: int, gate: Path) -> None:
    """Wait until a process has the gate open, and so has nothing left to do but to wait for it."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        with suppress(OSError):
            if any(found.readlink() == gate for found in Path(f"/proc/{pid}/fd").iterdir()):
                return
        time.sleep(0.002)
    raise TimeoutError(f"process {pid} did not come to the gate")


_SHIM = """\
#!/bin/sh
here=HERE
n=0
[ -e $here/count ] && read n < $here/count
n=$((n + 1))
echo $n > $here/count
if [ -e $here/record ]; then
    exec strace -f -qq -o $here/trace.$n -e trace=MUTATING GIT "$@"
fi
if [ -e $here/target ] && [ "$n" = "$(cat $here/target)" ]; then
    strace -f -q -o $here/trace.$n $(cat $here/inject) GIT "$@"
    status=$?
    if [ -e $here/whole ] && grep -q 'killed by SIGKILL' $here/trace.$n; then
        kill -9 $PPID
    fi
    exit $status
fi
exec GIT "$@"
""".replace("MUTATING", MUTATING)

_CALL = re.compile(r"(?:(\d+)\s+)?(\w+)\((.*)")
_WRITING = re.compile(r"O_(?:WRONLY|RDWR|CREAT)")


def _points(log: Path) -> Iterator[tuple[str, int]]:
    """(name, ordinal) of every call in a trace; of the opens, only those to write."""
    counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
    found: dict[tuple[str, int], None] = {}
    for line in log.read_text("utf-8", "replace").splitlines():
        call = _CALL.match(line)
        if call is None:
            continue
        pid, name, rest = call.groups()
        counts[pid or ""][name] += 1
        if name != "openat" or _WRITING.search(rest):
            found[name, counts[pid or ""][name]] = None
    return iter(found)


def _serve() -> None:
    _warm()
    print("ready", flush=True)
    while line := sys.stdin.readline():
        job = json.loads(line)
        if "wait" in job:
            _, status = os.waitpid(job["wait"], 0)
            print(os.waitstatus_to_exitcode(status), flush=True)
            continue
        pid = os.fork()
        if pid == 0:
            _become(job)
            return
        print(pid, flush=True)


def _become(job: dict[str, Any]) -> None:
    """From here on this process is `imagebot`."""
    os.setsid()
    os.environ.clear()
    os.environ.update(job["env"])
    os.chdir(job["cwd"])
    files = Path(job["files"])
    with Path(os.devnull).open("rb") as nothing:
        os.dup2(nothing.fileno(), 0)
    for number, name in ((1, "out"), (2, "err")):
        with (files / name).open("wb") as sink:
            os.dup2(sink.fileno(), number)
    if job["uid"]:
        os.setgroups([])
        os.setgid(job["uid"])
        os.setuid(job["uid"])
    if job["gate"]:
        gate = os.open(job["gate"], os.O_RDONLY)
        os.read(gate, 1)
        os.close(gate)
    from imagebot.__main__ import main

    sys.argv = ["imagebot", *job["argv"]]
    main()


def _warm() -> None:
    """Import what a run imports, so that no child spends its time on that."""
    import importlib
    import pkgutil

    os.environ["GIT_PYTHON_REFRESH"] = "quiet"
    import git
    import sqlalchemy.dialects.sqlite

    import imagebot

    del git, sqlalchemy
    for module in pkgutil.walk_packages(imagebot.__path__, "imagebot."):
        if not module.name.endswith("__main__"):
            with suppress(ModuleNotFoundError):
                importlib.import_module(module.name)


if __name__ == "__main__":
    _serve()
