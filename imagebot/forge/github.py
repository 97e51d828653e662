"""Pull requests on GitHub and GitHub Enterprise Server, by its REST API.

Knows GitHub's paths, fields, statuses and limits. Refuses to know how its token is made, what a
pull request is for, and anything about git.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

from imagebot.errors import DuplicatePullRequest, ForgeError, NoCommits
from imagebot.forge.fields import at, names, number, text
from imagebot.forge.once import comment_once, create_once, repeat
from imagebot.forge.pages import newest_first
from imagebot.forge.port import Limits, PullRequest, State
from imagebot.forge.rest import Json, Rest

API_VERSION = "2022-11-28"
WRITE_GAP = 1.0
"""Seconds between writes that GitHub asks for."""

HEADERS = {"Accept": "application/vnd.github+json", "X-GitHub-Api-Version": API_VERSION}
_SCOPES = "contents: write, pull requests: write, metadata: read, and issues: write for labels"
HINTS = {
    401: "GitHub does not accept the token: it is wrong, expired or revoked",
    403: f"the token or App needs {_SCOPES}; an archived repository takes no changes",
    404: f"no such repository, or the token may not see it: it needs {_SCOPES}",
}


class GitHub:
    """One repository on GitHub. `web` is where people see it, without a final slash."""

    limits = Limits(title=255, body=58_000, mermaid=True)

    def __init__(self, rest: Rest, *, web: str, owner: str, repo: str) -> None:
        self._rest = rest
        self._owner = owner
        self._web = f"{web}/{quote(owner)}/{quote(repo)}"
        self._home = f"/repos/{quote(owner, safe='')}/{quote(repo, safe='')}"

    def open_pulls(self, prefix: str) -> Sequence[PullRequest]:
        """Every open pull request of this repository whose head starts with `prefix`."""
        found = self._list({"state": "open"})
        return [pull for pull in found if pull.state == "open" and pull.head.startswith(prefix)]

    def history(self, head: str, base: str) -> Sequence[PullRequest]:
        """Pull requests in any state from `head` to `base`, newest first."""
        query = {"head": f"{self._owner}:{head}", "base": base}
        try:
            found = self._list({**query, "state": "all"})
        except ForgeError as error:
            if error.status < HTTPStatus.INTERNAL_SERVER_ERROR:
                raise
            # GitHub fails on state=all of some repositories and answers the two halves.
            halves = [self._list({**query, "state": state}) for state in ("open", "closed")]
            found = newest_first(pull for half in halves for pull in half)
        return [pull for pull in found if (pull.head, pull.base) == (head, base)]

    def get(self, number: int) -> PullRequest | None:
        """One pull request by number, or None."""
        data = self._rest.find(f"{self._home}/pulls/{number}")
        if data is None:
            # A token that lost its sight of the repository gets 404 for everything.
            self._rest.get(self._home)
            return None
        return _pull(data)

    def create(self, *, head: str, base: str, title: str, body: str) -> PullRequest:
        """Open a pull request; a lost reply ends in exactly one."""
        asked = {"head": head, "base": base, "title": title, "body": body}

        def post() -> PullRequest:
            try:
                data = self._rest.write("POST", f"{self._home}/pulls", asked)
            except ForgeError as error:
                raise self._refused(error, head, base) from error
            return self._whole(data)

        return create_once(post, lambda: self._open(head, base), self._rest.clock)

    def update(
        self, number: int, *, title: str | None = None, body: str | None = None, close: bool = False
    ) -> PullRequest:
        """Change what is given, in one request."""
        given = {"title": title, "body": body, "state": "closed" if close else None}
        changes = {name: value for name, value in given.items() if value is not None}
        path = f"{self._home}/pulls/{number}"
        data = repeat(partial(self._rest.write, "PATCH", path, changes), self._rest.clock)
        return self._whole(data)

    def label(self, number: int, labels: Sequence[str]) -> None:
        """Add labels; GitHub makes those that it does not have."""
        if labels:
            path, body = f"{self._home}/issues/{number}/labels", {"labels": list(labels)}
            repeat(partial(self._rest.write, "POST", path, body), self._rest.clock)

    def comment(self, number: int, text: str) -> None:
        """Add one comment; a lost reply does not make it two."""
        path = f"{self._home}/issues/{number}/comments"

        def texts() -> list[str]:
            found = self._rest.pages(path, {"per_page": "100"}, self._rest.linked)
            return [str(at(item, "body")) for item in found]

        post = partial(self._rest.write, "POST", path, {"body": text})
        comment_once(post, texts, text, self._rest.clock)

    def file_url(self, commit: str, path: str, line: int = 0) -> str:
        """A link to a file at a commit."""
        return f"{self._web}/blob/{commit}/{quote(path)}" + (f"#L{line}" if line else "")

    def _list(self, query: dict[str, str]) -> list[PullRequest]:
        asked = {**query, "sort": "created", "direction": "desc", "per_page": "100"}
        found = self._rest.pages(f"{self._home}/pulls", asked, self._rest.linked)
        return newest_first(pull for pull in map(_pull, found) if pull)

    def _open(self, head: str, base: str) -> PullRequest | None:
        query = {"state": "open", "head": f"{self._owner}:{head}", "base": base}
        wanted = (head, base, "open")
        found = (p for p in self._list(query) if (p.head, p.base, p.state) == wanted)
        return next(found, None)

    def _refused(self, error: ForgeError, head: str, base: str) -> ForgeError:
        """What a failed POST means. A 422 has one status for many reasons, so look."""
        if error.status != HTTPStatus.UNPROCESSABLE_ENTITY:
            return error
        told = error.message.lower()
        kind: type[ForgeError] = ForgeError
        if "no commits between" in told:
            kind = NoCommits
        elif "already exists" in told or self._open(head, base):
            kind = DuplicatePullRequest
        return kind(error.message, hint=error.hint, status=error.status)

    def _whole(self, data: Any) -> PullRequest:
        pull = _pull(data)
        if pull is None:
            raise self._rest.strange("POST", f"{self._home}/pulls", "no pull request in it", 200)
        return pull


def _pull(data: Json) -> PullRequest | None:
    """A pull request from GitHub's JSON; None when its head is elsewhere or it is no request."""
    home = number(data, "base", "repo", "id")
    if not home or number(data, "head", "repo", "id") != home or not number(data, "number"):
        return None
    state: State = "open" if text(data, "state") == "open" else "closed"
    if at(data, "merged") is True or text(data, "merged_at"):
        state = "merged"
    return PullRequest(
        number=number(data, "number"),
        state=state,
        head=text(data, "head", "ref"),
        base=text(data, "base", "ref"),
        title=text(data, "title"),
        body=text(data, "body"),
        url=text(data, "html_url"),
        head_sha=text(data, "head", "sha"),
        labels=names(data, "labels"),
    )
