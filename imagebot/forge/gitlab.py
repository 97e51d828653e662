"""Merge requests on gitlab.com and self-managed GitLab, by its REST API (v4).

Knows GitLab's paths, fields and states; calls its merge requests pull requests, as the rest of
imagebot does. Refuses to know what a request is for, and anything about git.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

from imagebot.errors import DuplicatePullRequest, ForgeError
from imagebot.forge.fields import names, number, text
from imagebot.forge.once import comment_once, create_once, repeat
from imagebot.forge.pages import newest_first, page_of, with_page
from imagebot.forge.port import Limits, PullRequest, State
from imagebot.forge.rest import Json, Rest
from imagebot.http import Response

TOKEN_HEADER = "PRIVATE-TOKEN"  # noqa: S105 - the header's name, no token
HINTS = {
    401: "GitLab does not accept the token: it is wrong, expired or revoked",
    403: "the token needs the `api` scope and the Developer role in the project",
    404: "no such project, or the token may not see it: `api` scope, Developer role",
}
# `locked` means that GitLab is merging it right now: until that is done it is still open.
_STATES: dict[str, State] = {
    "opened": "open",
    "locked": "open",
    "closed": "closed",
    "merged": "merged",
}


class GitLab:
    """One project on GitLab. `project` is its full path; `web` is where people see GitLab."""

    limits = Limits(title=255, body=1_000_000, mermaid=True)

    def __init__(self, rest: Rest, *, web: str, project: str) -> None:
        self._rest = rest
        self._web = f"{web}/{quote(project)}"
        self._home = f"/projects/{quote(project, safe='')}"
        self._list_path = f"{self._home}/merge_requests"

    def open_pulls(self, prefix: str) -> Sequence[PullRequest]:
        """Every open merge request of this project whose source branch starts with `prefix`."""
        found = [p for state in ("opened", "locked") for p in self._list({"state": state})]
        return [pull for pull in newest_first(found) if pull.head.startswith(prefix)]

    def history(self, head: str, base: str) -> Sequence[PullRequest]:
        """Merge requests in any state from `head` to `base`, newest first."""
        query = {"source_branch": head, "target_branch": base, "state": "all"}
        return [p for p in self._list(query) if (p.head, p.base) == (head, base)]

    def get(self, number: int) -> PullRequest | None:
        """One merge request by number, or None."""
        data = self._rest.find(f"{self._list_path}/{number}")
        if data is None:
            # A token that lost its sight of the project gets 404 for everything.
            self._rest.get(self._home)
            return None
        return _pull(data)

    def create(self, *, head: str, base: str, title: str, body: str) -> PullRequest:
        """Open a merge request; a lost reply ends in exactly one."""
        asked = {
            "source_branch": head,
            "target_branch": base,
            "title": title,
            "description": body,
        }

        def post() -> PullRequest:
            try:
                data = self._rest.write("POST", self._list_path, asked)
            except ForgeError as error:
                if error.status != HTTPStatus.CONFLICT:
                    raise
                # The text is in the server's language; the status is not.
                raise DuplicatePullRequest(error.message, status=error.status) from error
            return self._whole(data)

        return create_once(post, lambda: self._open(head, base), self._rest.clock)

    def update(
        self, number: int, *, title: str | None = None, body: str | None = None, close: bool = False
    ) -> PullRequest:
        """Change what is given, in one request."""
        given = {"title": title, "description": body, "state_event": "close" if close else None}
        changes = {name: value for name, value in given.items() if value is not None}
        return self._whole(self._put(number, changes))

    def label(self, number: int, labels: Sequence[str]) -> None:
        """Add labels; GitLab makes those that it does not have."""
        if labels:
            self._put(number, {"add_labels": ",".join(labels)})

    def comment(self, number: int, text: str) -> None:
        """Add one comment; a lost reply does not make it two."""
        path = f"{self._list_path}/{number}/notes"

        def texts() -> list[str]:
            found = self._rest.pages(path, {"per_page": "100"}, _following)
            return [str(item.get("body")) for item in found]

        post = partial(self._rest.write, "POST", path, {"body": text})
        comment_once(post, texts, text, self._rest.clock)

    def file_url(self, commit: str, path: str, line: int = 0) -> str:
        """A link to a file at a commit."""
        return f"{self._web}/-/blob/{commit}/{quote(path)}" + (f"#L{line}" if line else "")

    def _put(self, number: int, changes: Json) -> Any:
        path = f"{self._list_path}/{number}"
        return repeat(partial(self._rest.write, "PUT", path, changes), self._rest.clock)

    def _list(self, query: dict[str, str]) -> list[PullRequest]:
        asked = {**query, "order_by": "created_at", "sort": "desc", "per_page": "100"}
        found = self._rest.pages(self._list_path, asked, _following)
        return newest_first(pull for pull in map(_pull, found) if pull)

    def _open(self, head: str, base: str) -> PullRequest | None:
        return next((pull for pull in self.history(head, base) if pull.state == "open"), None)

    def _whole(self, data: Any) -> PullRequest:
        pull = _pull(data)
        if pull is None:
            raise self._rest.strange("POST", self._list_path, "no merge request in the reply")
        return pull


def _pull(data: Json) -> PullRequest | None:
    """A pull request from GitLab's JSON; None when its source is elsewhere or it is no request."""
    home = number(data, "target_project_id")
    state = _STATES.get(text(data, "state"))
    if not home or number(data, "source_project_id") != home or state is None:
        return None
    if not number(data, "iid"):
        return None
    return PullRequest(
        number=number(data, "iid"),
        state=state,
        head=text(data, "source_branch"),
        base=text(data, "target_branch"),
        title=text(data, "title"),
        body=text(data, "description"),
        url=text(data, "web_url"),
        head_sha=text(data, "sha"),
        labels=names(data, "labels"),
    )


def _following(response: Response, url: str, count: int) -> str:
    """The next page by number: GitLab's Link header holds its own idea of its address."""
    told = response.headers.get("x-next-page")
    if told is None:
        # A proxy took the header away: ask on until a page is empty.
        return with_page(url, page_of(url) + 1) if count else ""
    return with_page(url, int(told)) if told.strip().isdecimal() else ""
