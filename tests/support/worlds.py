"""A small world to run imagebot in: a registry, a GitOps repository, an operator's file, people.

Knows how the parts fit together and what a person does to a request. Refuses to know what
imagebot should make of it.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

from imagebot.pulls.naming import branch_name
from imagebot.registry.server import EmbeddedRegistry
from imagebot.registry.server_routes import Answer, Request, answer
from tests.support.crash import Process, Ran, Zygote
from tests.support.gitrepos import AUTHOR, RemoteRepo, git

ENVIRONMENTS = ("dev", "staging", "production")
CONFIG = """\
version: 1
paths: ["overlays/**"]
environments:
  - {name: dev, paths: ["overlays/dev/**"]}
  - {name: staging, paths: ["overlays/staging/**"]}
  - {name: production, paths: ["overlays/production/**"]}
images:
  - match: "**"
    policy: {semver: "*"}
pullRequests: {labels: [dependencies]}
"""
OVERLAY = """\
# {environment}: hands off the quotes
resources:
  - ../../base
images:
  - name: {app}
    newName: {host}/acme/{app}
    newTag: "{tag}"   # current
"""


def overlay_path(environment: str, app: str = "web") -> str:
    return f"overlays/{environment}/{app}/kustomization.yaml"


@dataclass
class World:
    """One repository that runs `web` in three environments, all at 1.0.0."""

    folder: Path
    registry: EmbeddedRegistry
    zygote: Zygote
    host: str = ""
    remote: RemoteRepo = field(init=False)

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.host = self.host or self.registry.host
        self.home = self.folder / "home"
        self.home.mkdir()
        self.workdir = self.folder / "work"
        self.operator_file = self.folder / "imagebot.operator.yaml"
        self.remote = RemoteRepo(self.folder / "deploy.git")
        self.remote.commit(
            {
                ".imagebot.yaml": CONFIG.encode(),
                "README.md": b"deployments\n",
                **{overlay_path(name): self.overlay(name) for name in ENVIRONMENTS},
            }
        )
        self.write_operator()

    def overlay(self, environment: str, tag: str = "1.0.0", app: str = "web") -> bytes:
        text = OVERLAY.format(environment=environment, host=self.host, tag=tag, app=app)
        return text.encode()

    def write_operator(self, text: str = "") -> None:
        """The operator's file: this repository on the local forge, or `text` instead of that."""
        repositories = text or (
            f"repositories:\n  - url: {self.remote.path}\n    forge: {{kind: local}}\n"
        )
        self.operator_file.write_text(f"version: 1\nworkdir: {self.workdir}\n{repositories}")

    def release(self, *tags: str, app: str = "web") -> None:
        for tag in tags:
            self.registry.put_image(
                f"acme/{app}", tag, created="2026-01-05T09:00:00Z", payload=f"{app} {tag}".encode()
            )

    @property
    def env(self) -> dict[str, str]:
        return {"PATH": os.environ["PATH"], "HOME": str(self.home), "LC_ALL": "C.UTF-8"}

    @property
    def argv(self) -> list[str]:
        return ["run", "--operator", str(self.operator_file), "--output", "json"]

    def run(self, **options: Any) -> Ran:
        """One cycle in a process of its own."""
        return self.start(**options).wait()

    def start(
        self, *, env: Mapping[str, str] | None = None, argv: Any = None, uid: int = 0
    ) -> Process:
        return self.zygote.start(argv or self.argv, env or self.env, cwd=self.folder, uid=uid)

    def cold(self, *prefix: str, more: Sequence[str] = (), **options: Any) -> Ran:
        """One cycle in a fresh interpreter, behind the words of `prefix`."""
        done = subprocess.run(
            [*prefix, sys.executable, "-m", "imagebot", *self.argv, *more],
            **{"capture_output": True, "env": self.env, "cwd": self.folder} | options,
            stdin=subprocess.DEVNULL,
            timeout=60,
            check=False,
        )
        out, err = ((text or b"").decode("utf-8", "replace") for text in (done.stdout, done.stderr))
        return Ran(done.returncode, out, err)

    def settle(self, *expected: str) -> Ran:
        """A run that must end well, having done just the `expected` actions, in any order."""
        ran = self.run()
        assert ran.code == 0, (ran.code, ran.out[-2000:], ran.err)
        if expected:
            assert sorted(ran.actions.values()) == sorted(expected), ran.reasons
        return ran

    def key(self, environment: str, app: str = "web") -> str:
        return f"{environment}/{self.host}/acme/{app}"

    def branch(self, environment: str, app: str = "web", base: str = "main") -> str:
        return branch_name(base, self.key(environment, app))

    def tag_on(self, branch: str, environment: str, app: str = "web") -> str:
        """The tag that a branch's overlay runs; the rest of the file must be as it was."""
        text = self.remote.show(branch, overlay_path(environment, app))
        tag = text.decode().split('newTag: "')[1].split('"')[0]
        assert text == self.overlay(environment, tag, app)
        return tag

    @property
    def pulls(self) -> dict[int, dict[str, Any]]:
        """Every request's record, with its body."""
        folder = self.remote.path / "imagebot" / "pulls"
        return {
            int(path.stem): json.loads(path.read_text())
            | {"body": path.with_suffix(".md").read_text()}
            for path in sorted(folder.glob("[0-9]*.json"))
        }

    def open_pulls(self, head: str = "") -> list[dict[str, Any]]:
        found = [pull for pull in self.pulls.values() if pull["state"] == "open"]
        return [pull for pull in found if head in ("", pull["head"])]

    def one_pull(self, environment: str, app: str = "web") -> dict[str, Any]:
        """The one open request of an environment."""
        (pull,) = self.open_pulls(self.branch(environment, app))
        return pull

    # What people do.

    def bump(self, environment: str, tag: str, *, branch: str = "main", app: str = "web") -> str:
        """A person writes a tag by hand."""
        return self.remote.commit(
            {overlay_path(environment, app): self.overlay(environment, tag, app)},
            branch=branch,
            message=f"set {tag} by hand",
        )

    def amend(self, branch: str, message: str, *, parents: list[str] | None = None) -> str:
        """A person rewrites the tip of a branch, the content as it was."""
        tip = f"refs/heads/{branch}"
        tree = git(self.remote.path, "rev-parse", f"{tip}^{{tree}}").decode().strip()
        if parents is None:
            parents = [git(self.remote.path, "rev-parse", f"{tip}^").decode().strip()]
        return self._move(branch, tree, parents, message)

    def merge(self, source: str, target: str) -> str:
        """A merge commit of `source` on `target`, as a forge's button makes it."""
        tips = [self.remote.sha(target), self.remote.sha(source)]
        merged = git(self.remote.path, "merge-tree", "--write-tree", *tips)
        return self._move(target, merged.decode().split()[0], tips, f"Merge {source}")

    def squash(self, source: str, target: str) -> str:
        tips = [self.remote.sha(target), self.remote.sha(source)]
        merged = git(self.remote.path, "merge-tree", "--write-tree", *tips)
        return self._move(target, merged.decode().split()[0], tips[:1], f"Squash {source}")

    def _move(self, branch: str, tree: str, parents: list[str], message: str) -> str:
        words = [word for parent in parents for word in ("-p", parent)]
        made = git(self.remote.path, "commit-tree", tree, *words, "-m", message).decode().strip()
        git(self.remote.path, "update-ref", f"refs/heads/{branch}", made)
        return made

    def delete_branch(self, branch: str) -> None:
        git(self.remote.path, "update-ref", "-d", f"refs/heads/{branch}")

    def edit_record(self, number: int, **changes: Any) -> None:
        path = self.remote.path / "imagebot" / "pulls" / f"{number}.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | changes))

    def remove(self, *paths: str) -> None:
        """A person deletes files from the base branch."""
        env = {"GIT_INDEX_FILE": str(self.remote.path / "test-index")}
        tip = self.remote.sha("main")
        git(self.remote.path, "read-tree", tip, env=env)
        stdin = "".join(f"0 {'0' * 40}\t{path}\0" for path in paths).encode()
        git(self.remote.path, "update-index", "-z", "--index-info", stdin=stdin, env=env)
        tree = git(self.remote.path, "write-tree", env=env).decode().strip()
        self._move("main", tree, [tip], "remove files")

    # What is compared.

    def picture(self) -> dict[str, Any]:
        """Everything that people can see: branches, and requests by branch, without numbers."""
        return {
            "branches": self.remote.branches(),
            "requests": sorted(
                (pull["head"], pull["state"], pull["title"], tuple(pull["labels"]), pull["body"])
                for pull in self.pulls.values()
            ),
        }


@dataclass
class Snapshot:
    """A folder as it was, to be put back at the same place again and again."""

    folder: Path
    kept: Path

    @classmethod
    def of(cls, folder: Path, kept: Path) -> Snapshot:
        shutil.copytree(folder, kept, symlinks=True)
        return cls(folder, kept)

    def restore(self) -> None:
        shutil.rmtree(self.folder)
        shutil.copytree(self.kept, self.folder, symlinks=True)


Spoil = Callable[[Request, Answer], Answer | None]


class Front:
    """A registry on loopback that asks for a password and fails where it is told to.

    `spoil` sees each answer and gives another one; None cuts the connection in its middle.
    """

    def __init__(self, registry: EmbeddedRegistry, *, account: tuple[str, str] | None = None):
        self.registry = registry
        self.spoil: Spoil = lambda request, reply: reply
        self.expected = account and "Basic " + base64.b64encode(":".join(account).encode()).decode()
        self.authorized = 0
        self.heard: list[tuple[str, str]] = []

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.server.server_address[1]}"

    def __enter__(self) -> Self:
        handler = type("Handler", (_Handler,), {"front": self})
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.thread = threading.Thread(
            target=self.server.serve_forever, kwargs={"poll_interval": 0.02}
        )
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


class _Handler(BaseHTTPRequestHandler):
    front: Front

    def log_message(self, *args: Any) -> None:
        """Nothing on stderr."""

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_GET(self) -> None:
        front = self.front
        front.heard.append((self.path, str(self.headers)))
        if front.expected and self.headers.get("Authorization") != front.expected:
            self._send(Answer(401, {"WWW-Authenticate": 'Basic realm="registry"'}))
            return
        front.authorized += 1
        request = Request(self.command, self.path, self.headers)
        found = answer(front.registry.service, request)
        reply = front.spoil(request, found)
        if reply is None:
            self._send(found, cut=True)
        else:
            self._send(reply)

    def _send(self, reply: Answer, *, cut: bool = False) -> None:
        self.send_response(reply.status)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(reply.body)))
        self.end_headers()
        if self.command != "HEAD":
            part = reply.body[: len(reply.body) // 2] if cut else reply.body
            with suppress(BrokenPipeError, ConnectionResetError):
                self.wfile.write(part)
        self.close_connection = True


PERSON = AUTHOR["GIT_AUTHOR_EMAIL"]
