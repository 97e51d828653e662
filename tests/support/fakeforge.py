"""A forge in memory behind a real HTTP server on loopback, with switches for what goes wrong.

Knows pull requests, branches (from a bare git repository or a mapping) and faults; refuses to
know any one forge's paths and JSON, which its subclasses FakeGitHub, FakeGitLab and FakeGitea
add. Usable by any test: `with FakeGitHub(owner="acme", repo="deploy", branches=bare) as forge:`.
"""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Self
from urllib.parse import unquote

from tests.support.fakegit import Branches, GitBranches, NamedBranches
from tests.support.fakeserver import Fault, Faults, Pull, Reply, Seen, Server

CANARY = "canary-token-5f3a9c"


class Refusal(Exception):
    """A reply that ends the work early."""

    def __init__(self, status: int, data: Any, headers: dict[str, str] | None = None) -> None:
        super().__init__(status)
        self.reply = Reply(status, data, headers or {})


Route = tuple[str, str, str, Callable[..., Reply]]


class FakeForge:
    """The part all forges share. A subclass gives `prefix`, `authorise` and `route`."""

    prefix = ""
    closes_with_branch = True

    def __init__(
        self,
        *,
        owner: str = "acme",
        repo: str = "deploy",
        branches: Callable[[str], str] | Mapping[str, str] | Path,
        token: str = CANARY,
        now: Callable[[], float] = time.time,
    ) -> None:
        self.owner = owner
        self.repo = repo
        self.git: Branches = (
            GitBranches(branches) if isinstance(branches, Path) else NamedBranches(branches)
        )
        self.token = token
        self.tokens = {token}
        self.now = now
        self.faults = Faults()
        self.requests: list[Seen] = []
        self.pulls: dict[int, Pull] = {}
        self.archived = False
        self.lock = threading.RLock()
        self._looked: dict[int, tuple[str, str]] = {}
        self._server: Server | None = None

    def __enter__(self) -> Self:
        self._server = Server(self.answer, self.now, self.prefix)
        self._server.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._server:
            self._server.stop()

    @property
    def url(self) -> str:
        """The web address, without a path."""
        assert self._server is not None
        return f"http://127.0.0.1:{self._server.port}"

    @property
    def api_url(self) -> str:
        """Where the API starts."""
        return self.url + self.prefix

    @property
    def project(self) -> str:
        return f"{self.owner}/{self.repo}"

    def add_pull(
        self, head: str, base: str = "main", *, title: str = "A title", **more: Any
    ) -> Pull:
        """A request that a person made: nothing is checked."""
        with self.lock:
            number = max(self.pulls, default=0) + 1
            sha = self.git.tip(head) or f"{number:040x}"
            if isinstance(self.git, NamedBranches) and isinstance(self.git.source, dict):
                self.git.source.setdefault(head, sha)
            pull = Pull(number, head, base, title, **{"head_sha": sha, **more})
            self.pulls[number] = pull
            return pull

    def close(self, number: int) -> None:
        """A person closes a request without merging it."""
        with self.lock:
            self.pulls[number].state = "closed"

    def merge(self, number: int, *, squash: bool = False, delete_branch: bool = False) -> None:
        """A person merges a request, in git too."""
        with self.lock:
            self.sync()
            pull = self.pulls[number]
            self.git.merge(pull.head_sha, pull.base, squash=squash)
            pull.state = "merged"
            if delete_branch:
                self.git.delete(pull.head)

    def sync(self) -> None:
        """Look at git: heads move, merged heads merge their request, deleted ones close it."""
        for pull in self.pulls.values():
            if pull.state != "open" or pull.fork or pull.ghost:
                continue
            tips = (self.git.tip(pull.head), self.git.tip(pull.base))
            if self._looked.get(pull.number) == tips:
                continue
            self._looked[pull.number] = tips
            if not tips[0]:
                merged = self.git.contains(pull.head_sha, pull.base)
                pull.state = "merged" if merged else pull.state
                if not merged and self.closes_with_branch:
                    pull.state = "closed"
                continue
            pull.head_sha = tips[0]
            if self.git.contains(pull.head_sha, pull.base):
                pull.state = "merged"

    def find_open(self, head: str, base: str) -> Pull | None:
        ours = (p for p in self.pulls.values() if not p.fork and not p.ghost)
        return next(
            (p for p in ours if (p.head, p.base, p.state) == (head, base, "open")),
            None,
        )

    def make_pull(self, head: str, base: str, title: str, body: str) -> Pull:
        pull = self.add_pull(head, base, title=title, body=body)
        pull.unlisted = self.faults.stale
        return pull

    def listed(self) -> list[Pull]:
        """Every request, newest first, less those that a stale replica does not show yet."""
        shown = []
        for pull in sorted(self.pulls.values(), key=lambda p: -p.number):
            if pull.unlisted > 0:
                pull.unlisted -= 1
            else:
                shown.append(pull)
        return shown

    def writes(self) -> list[Seen]:
        return [seen for seen in self.requests if seen.method not in {"GET", "HEAD"}]

    def calls(self, operation: str) -> list[Seen]:
        return [seen for seen in self.requests if seen.operation == operation]

    def authorise(self, seen: Seen) -> None:
        raise NotImplementedError

    def table(self) -> list[Route]:
        """Operation, method, pattern of the unquoted path, and the work for what it matches."""
        raise NotImplementedError

    def missing(self) -> Reply:
        """The forge's own 404."""
        raise NotImplementedError

    def route(self, seen: Seen) -> tuple[str, Callable[[], Reply]]:
        path = unquote(seen.path)
        for operation, method, pattern, work in self.table():
            if method == seen.method and (found := re.fullmatch(pattern, path)):
                groups = found.groups()
                return operation, lambda work=work, groups=groups: work(seen, *groups)
        return "unknown", self.missing

    def pull(self, number: str) -> Pull:
        """The request that a path names, or the forge's 404."""
        if int(number) not in self.pulls:
            self.missing()
        return self.pulls[int(number)]

    def check_request(self, seen: Seen) -> None:
        """A subclass refuses what the forge's own description does not allow."""

    def check_reply(self, seen: Seen, reply: Reply) -> None:
        """A subclass refuses to give a reply that the real forge could not give."""

    def answer(self, seen: Seen) -> Reply | None:
        """One request served under the lock; None cuts the connection."""
        with self.lock:
            seen.at = self.now()
            self.requests.append(seen)
            try:
                seen.operation, work = self.route(seen)
                if fault := self.faults.take(seen.operation, after=False):
                    return self._spoil(seen, fault, Reply(fault.status, fault.body))
                self.check_request(seen)
                self.authorise(seen)
                self.sync()
                reply = work()
                self.check_reply(seen, reply)
            except Refusal as refusal:
                reply = refusal.reply
                self.check_reply(seen, reply)
            if fault := self.faults.take(seen.operation, after=True):
                return self._spoil(seen, fault, reply)
            seen.status = reply.status
            return reply

    def _spoil(self, seen: Seen, fault: Fault, reply: Reply) -> Reply | None:
        if not fault.status:
            return None
        status = reply.status if fault.keep_status else fault.status
        kind = "application/json" if fault.body.startswith(b"{") else "text/html"
        seen.status = status
        return Reply(status, fault.body, {"Content-Type": kind, **fault.headers})
