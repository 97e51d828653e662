"""Pull requests on Gitea and Forgejo, by the REST API that both share.

Knows its paths, fields, statuses and label numbers. Refuses to know what a request is for, and
anything about git.
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
from imagebot.forge.pages import newest_first, page_of, with_page
from imagebot.forge.port import Limits, PullRequest, State
from imagebot.forge.rest import Json, Rest
from imagebot.http import Response

LABEL_COLOR = "#ededed"
_SCOPES = "repository: read and write, issue: read and write"
HINTS = {
    401: "the forge does not accept the token: it is wrong, expired or revoked",
    403: f"the token needs the scopes {_SCOPES}, and its user write access to the repository",
    404: f"no such repository or branch, or the token may not see it: it needs {_SCOPES}",
    413: "the owner's quota is used up",
    423: "the repository is archived: it takes no changes",
}


class Gitea:
    """One repository on Gitea or Forgejo. `web` is where people see it, no final slash."""

    limits = Limits(title=255, body=1_000_000, mermaid=True)

    def __init__(self, rest: Rest, *, web: str, owner: str, repo: str) -> None:
        self._rest = rest
        self._web = f"{web}/{quote(owner)}/{quote(repo)}"
        self._home = f"/repos/{quote(owner, safe='')}/{quote(repo, safe='')}"

    def open_pulls(self, prefix: str) -> Sequence[PullRequest]:
        """Every open pull request of this repository whose head starts with `prefix`."""
        found = self._list({"state": "open"})
        return [pull for pull in found if pull.state == "open" and pull.head.startswith(prefix)]

    def history(self, head: str, base: str) -> Sequence[PullRequest]:
        """Pull requests in any state from `head` to `base`, newest first."""
        if not self._ever(head, base):
            return []
        return [p for p in self._list({"state": "all"}) if (p.head, p.base) == (head, base)]

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
                raise _refused(error) from error
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
        """Add labels, made in the repository when it does not have them."""
        if labels:
            path = f"{self._home}/issues/{number}/labels"
            body = {"labels": self._label_ids(labels)}
            repeat(partial(self._rest.write, "POST", path, body), self._rest.clock)

    def comment(self, number: int, text: str) -> None:
        """Add one comment; a lost reply does not make it two."""
        path = f"{self._home}/issues/{number}/comments"

        def texts() -> list[str]:
            # This list has no pages.
            found = self._rest.get(path)
            return [str(at(item, "body")) for item in found] if isinstance(found, list) else []

        post = partial(self._rest.write, "POST", path, {"body": text})
        comment_once(post, texts, text, self._rest.clock)

    def file_url(self, commit: str, path: str, line: int = 0) -> str:
        """A link to a file at a commit."""
        return f"{self._web}/src/commit/{commit}/{quote(path)}" + (f"#L{line}" if line else "")

    def _list(self, query: dict[str, str]) -> list[PullRequest]:
        asked = {**query, "limit": "50"}
        found = self._rest.pages(f"{self._home}/pulls", asked, _following)
        return newest_first(pull for pull in map(_pull, found) if pull)

    def _open(self, head: str, base: str) -> PullRequest | None:
        found = self.open_pulls(head)
        return next((pull for pull in found if (pull.head, pull.base) == (head, base)), None)

    def _ever(self, head: str, base: str) -> bool:
        """Whether a request from `head` to `base` was ever made, in one call where that works.

        The list knows no filter by branch, and the lookup by branches gives one request of any
        state: enough to spare the list of a repository's whole past to a new branch.
        """
        path = f"{self._home}/pulls/{quote(base, safe='')}/{quote(head)}"
        try:
            if "/" in base or self._rest.find(path) is not None:
                return True
        except ForgeError as error:
            if error.status != HTTPStatus.NOT_FOUND:
                raise
            # An older server has no such call.
            return True
        self._rest.get(self._home)
        return False

    def _label_ids(self, labels: Sequence[str]) -> list[int]:
        path = f"{self._home}/labels"
        known = self._known_labels(path)
        for name in labels:
            if name not in known:
                body = {"name": name, "color": LABEL_COLOR}
                made = self._make_label(path, name, body)
                known[name] = made
        return [known[name] for name in dict.fromkeys(labels)]

    def _make_label(self, path: str, name: str, body: Json) -> int:
        def make() -> int:
            # A lost reply leaves a label behind, and names need not be unique here.
            return self._known_labels(path).get(name) or number(
                self._rest.write("POST", path, body), "id"
            )

        return repeat(make, self._rest.clock)

    def _known_labels(self, path: str) -> dict[str, int]:
        found = self._rest.pages(path, {"limit": "50"}, _following)
        return {text(item, "name"): number(item, "id") for item in reversed(found)}

    def _whole(self, data: Any) -> PullRequest:
        pull = _pull(data)
        if pull is None:
            raise self._rest.strange("POST", f"{self._home}/pulls", "no pull request in the reply")
        return pull


def _refused(error: ForgeError) -> ForgeError:
    """What a failed POST means."""
    if error.status == HTTPStatus.CONFLICT:
        return DuplicatePullRequest(error.message, status=error.status)
    if error.status == HTTPStatus.UNPROCESSABLE_ENTITY and "no changes between" in error.message:
        return NoCommits(error.message, status=error.status)
    return error


def _pull(data: Json) -> PullRequest | None:
    """A pull request from the forge's JSON; None when its head is elsewhere or it is no request."""
    home = number(data, "base", "repo_id")
    if home <= 0 or number(data, "head", "repo_id") != home or not number(data, "number"):
        return None
    state: State = "open" if text(data, "state") == "open" else "closed"
    if at(data, "merged") is True:
        state = "merged"
    return PullRequest(
        number=number(data, "number"),
        state=state,
        # `ref` turns into refs/pull/N/head once the branch is deleted; `label` stays.
        head=text(data, "head", "label") or text(data, "head", "ref"),
        base=text(data, "base", "label") or text(data, "base", "ref"),
        title=text(data, "title"),
        body=text(data, "body"),
        url=text(data, "html_url"),
        head_sha=text(data, "head", "sha"),
        labels=names(data, "labels"),
    )


def _following(_: Response, url: str, count: int) -> str:
    """The next page by number: servers cap the page size at their own idea of many.

    The Link header is not used: it holds the server's own idea of its address.
    """
    return with_page(url, page_of(url) + 1) if count else ""
