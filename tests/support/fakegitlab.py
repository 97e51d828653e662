"""GitLab in memory: the calls of its REST API v4 that a merge request bot makes.

Refuses requests whose fields GitLab does not know, so that a misspelt one fails loudly.
"""

from __future__ import annotations

import re
from typing import Any

from tests.support.fakeforge import FakeForge, Refusal, Route
from tests.support.fakeserver import Pull, Reply, Seen

PROJECT_ID = 31
FORK_ID = 77
STATES = {"open": "opened", "closed": "closed", "merged": "merged"}
LIST_QUERY = {
    "state", "source_branch", "target_branch", "order_by", "sort", "page", "per_page",
}  # fmt: skip
CREATE = {
    "source_branch",
    "target_branch",
    "title",
    "description",
    "labels",
    "remove_source_branch",
}
UPDATE = {"title", "description", "state_event", "add_labels", "labels", "target_branch"}


class FakeGitLab(FakeForge):
    """One project. `owner` may hold subgroups: `acme/platform`. `link` leaves its paging out."""

    prefix = "/api/v4"
    closes_with_branch = False
    next_page_header = True

    def authorise(self, seen: Seen) -> None:
        if seen.headers.get("private-token", "") not in self.tokens:
            raise Refusal(401, {"message": "401 Unauthorized"})

    def table(self) -> list[Route]:
        home = re.escape(f"/projects/{self.owner}/{self.repo}")
        requests = f"{home}/merge_requests"
        return [
            ("repository", "GET", home, lambda _: Reply(200, {"id": PROJECT_ID})),
            ("list", "GET", requests, self._list),
            ("create", "POST", requests, self._create),
            ("get", "GET", rf"{requests}/(\d+)", lambda _, n: Reply(200, self._json(self.pull(n)))),
            ("update", "PUT", rf"{requests}/(\d+)", self._update),
            ("comment", "POST", rf"{requests}/(\d+)/notes", self._note),
            ("comments", "GET", rf"{requests}/(\d+)/notes", self._notes),
        ]

    def route(self, seen: Seen) -> Any:
        operation, work = super().route(seen)
        if operation == "update" and "add_labels" in (seen.body or {}):
            operation = "label"
        return operation, work

    def missing(self) -> Reply:
        raise Refusal(404, {"message": "404 Not found"})

    def check_request(self, seen: Seen) -> None:
        """The project must come as one encoded segment, and fields must be GitLab's."""
        if f"/projects/{self.owner}/" in seen.path:
            raise Refusal(404, {"error": "404 Not Found"})
        known = {"list": LIST_QUERY, "create": CREATE, "update": UPDATE, "label": UPDATE}
        given = seen.query if seen.method == "GET" else (seen.body or {})
        if unknown := set(given) - known.get(seen.operation, set(given)):
            raise Refusal(500, {"message": f"the fake knows no field {sorted(unknown)}"})
        if seen.method != "GET" and "json" not in seen.headers.get("content-type", ""):
            raise Refusal(500, {"message": "the fake wants JSON"})

    def _list(self, seen: Seen) -> Reply:
        query = seen.query
        shown = self.listed()
        if query.get("state", "all") != "all":
            shown = [p for p in shown if self._state(p) == query["state"]]
        if not self.faults.ignore_filters:
            shown = [p for p in shown if query.get("source_branch") in {None, p.head}]
            shown = [p for p in shown if query.get("target_branch") in {None, p.base}]
        return self._page(seen, [self._json(p) for p in shown])

    def _page(self, seen: Seen, items: list[Any]) -> Reply:
        page = int(seen.query.get("page", 1))
        size = min(int(seen.query.get("per_page", 20)), 100)
        more = page * size < len(items)
        headers = {"X-Next-Page": str(page + 1) if more else ""} if self.next_page_header else {}
        return Reply(200, items[(page - 1) * size : page * size], headers)

    def _create(self, seen: Seen) -> Reply:
        data = seen.body
        head, base = data["source_branch"], data["target_branch"]
        if self.archived:
            raise Refusal(403, {"message": "403 Forbidden"})
        if not self.git.tip(head):
            raise Refusal(422, {"message": ["Source branch does not exist"]})
        if pull := self.find_open(head, base):
            # In the language of the server, as an administrator may set it.
            told = f"Es gibt bereits einen offenen Merge-Request für diesen Branch: !{pull.number}"
            raise Refusal(409, {"message": [told]})
        self._check(data)
        pull = self.make_pull(head, base, data["title"], data.get("description") or "")
        return Reply(201, self._json(pull))

    def _check(self, data: dict[str, Any]) -> None:
        if len(data.get("title") or "") > 255:
            raise Refusal(400, {"message": {"title": ["is too long (maximum is 255 characters)"]}})
        if len(data.get("description") or "") > 1_048_576:
            raise Refusal(400, {"message": {"description": ["is too long"]}})

    def _update(self, seen: Seen, number: str) -> Reply:
        pull, data = self.pull(number), seen.body
        self._check(data)
        pull.title = data.get("title", pull.title)
        pull.body = data.get("description", pull.body)
        if data.get("state_event") == "close" and pull.state == "open":
            pull.state = "closed"
        new = [name.strip() for name in data.get("add_labels", "").split(",") if name.strip()]
        pull.labels += [name for name in new if name not in pull.labels]
        return Reply(200, self._json(pull))

    def _note(self, seen: Seen, number: str) -> Reply:
        pull = self.pull(number)
        pull.comments.append(seen.body["body"])
        return Reply(201, {"id": len(pull.comments), "body": seen.body["body"]})

    def _notes(self, seen: Seen, number: str) -> Reply:
        notes = [{"id": i, "body": text} for i, text in enumerate(self.pull(number).comments)]
        return self._page(seen, notes)

    def _state(self, pull: Pull) -> str:
        return "locked" if pull.locked and pull.state == "open" else STATES[pull.state]

    def _json(self, pull: Pull) -> dict[str, Any]:
        return {
            "id": 5000 + pull.number,
            "iid": pull.number,
            "project_id": PROJECT_ID,
            "title": pull.title,
            "description": pull.body or None,
            "state": self._state(pull),
            "source_branch": pull.head,
            "target_branch": pull.base,
            "source_project_id": None if pull.ghost else FORK_ID if pull.fork else PROJECT_ID,
            "target_project_id": PROJECT_ID,
            "labels": list(pull.labels),
            "sha": pull.head_sha,
            "author": None,
            "web_url": f"{self.url}/{self.project}/-/merge_requests/{pull.number}",
        }
