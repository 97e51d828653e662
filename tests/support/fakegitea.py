"""Gitea (and Forgejo) in memory: the calls of its REST API that a pull request bot makes.

Refuses requests whose fields the API does not know, so that a misspelt one fails loudly.
"""

from __future__ import annotations

import re
from typing import Any

from tests.support.fakeforge import FakeForge, Refusal, Route
from tests.support.fakeserver import Pull, Reply, Seen

REPOSITORY_ID = 12
FORK_ID = 34
MAX_PAGE = 50
KNOWN = {
    "list": {"state", "sort", "milestone", "labels", "poster", "page", "limit"},
    "labels": {"page", "limit"},
    "create": {"head", "base", "title", "body", "labels", "assignee", "milestone"},
    "update": {"title", "body", "state", "base", "labels"},
    "label": {"labels"},
    "make_label": {"name", "color", "description", "exclusive"},
    "comment": {"body"},
}


class FakeGitea(FakeForge):
    """One repository. `old` leaves out the lookup by branches, as servers before 1.22 do."""

    prefix = "/api/v1"
    old = False
    quota = False

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.labels: list[str] = ["bug"]

    def authorise(self, seen: Seen) -> None:
        scheme, _, token = seen.headers.get("authorization", "").partition(" ")
        if scheme != "token" or token not in self.tokens:
            raise Refusal(401, {"message": "token is required", "url": f"{self.api_url}/swagger"})

    def table(self) -> list[Route]:
        home = re.escape(f"/repos/{self.owner}/{self.repo}")
        routes: list[Route] = [
            ("repository", "GET", home, lambda _: Reply(200, {"id": REPOSITORY_ID})),
            ("list", "GET", f"{home}/pulls", self._list),
            ("create", "POST", f"{home}/pulls", self._create),
            (
                "get",
                "GET",
                rf"{home}/pulls/(\d+)",
                lambda _, n: Reply(200, self._json(self.pull(n))),
            ),
            ("update", "PATCH", rf"{home}/pulls/(\d+)", self._update),
            ("labels", "GET", f"{home}/labels", self._labels),
            ("make_label", "POST", f"{home}/labels", self._make_label),
            ("label", "POST", rf"{home}/issues/(\d+)/labels", self._label),
            ("comment", "POST", rf"{home}/issues/(\d+)/comments", self._comment),
            ("comments", "GET", rf"{home}/issues/(\d+)/comments", self._comments),
        ]
        if not self.old:
            routes.append(("lookup", "GET", rf"{home}/pulls/([^/]+)/(.+)", self._lookup))
        return routes

    def route(self, seen: Seen) -> Any:
        operation, work = super().route(seen)
        return (operation, self._no_route) if operation == "unknown" else (operation, work)

    def _no_route(self) -> Reply:
        raise Refusal(404, b"404 page not found\n", {"Content-Type": "text/plain"})

    def missing(self) -> Reply:
        told = "The target couldn't be found."
        raise Refusal(404, {"errors": [], "message": told, "url": f"{self.api_url}/swagger"})

    def check_request(self, seen: Seen) -> None:
        given = seen.query if seen.method == "GET" else (seen.body or {})
        if unknown := set(given) - KNOWN.get(seen.operation, set(given)):
            raise Refusal(500, {"message": f"the fake knows no field {sorted(unknown)}"})

    def _list(self, seen: Seen) -> Reply:
        state = seen.query.get("state", "open")
        shown = [p for p in self.listed() if state in {"all", self._state(p)}]
        return self._page(seen, [self._json(p) for p in shown])

    def _page(self, seen: Seen, items: list[Any]) -> Reply:
        page = int(seen.query.get("page", 1))
        size = min(int(seen.query.get("limit", 30)), MAX_PAGE)
        return Reply(
            200,
            items[(page - 1) * size : page * size],
            # The server's idea of its own address is often wrong behind a proxy.
            {
                "X-Total-Count": str(len(items)),
                "Link": '<https://wrong.example/?page=2>; rel="next"',
            },
        )

    def _lookup(self, _: Seen, base: str, head: str) -> Reply:
        found = [p for p in self.listed() if (p.head, p.base) == (head, base)]
        mine = [p for p in found if not p.fork and not p.ghost]
        return Reply(200, self._json(mine[-1])) if mine else self.missing()

    def _create(self, seen: Seen) -> Reply:
        data = seen.body
        head, base = data["head"], data["base"]
        if self.archived:
            raise Refusal(423, {"message": "Repo is archived"})
        if self.quota:
            raise Refusal(413, {"message": "quota exceeded"})
        if head == base:
            told = "Invalid PullRequest: There are no changes between the head and the base"
            raise Refusal(422, {"message": told})
        if not self.git.tip(head) or not self.git.tip(base):
            return self.missing()
        if pull := self.find_open(head, base):
            told = f"pull request already exists for these targets [id: {pull.number}, head_branch: {head}]"
            raise Refusal(409, {"message": told, "url": f"{self.api_url}/swagger"})
        pull = self.make_pull(head, base, data["title"], data.get("body") or "")
        return Reply(201, self._json(pull))

    def _update(self, seen: Seen, number: str) -> Reply:
        pull, data = self.pull(number), seen.body
        pull.title = data.get("title", pull.title)
        pull.body = data.get("body", pull.body)
        if "state" in data:
            if pull.state == "merged":
                told = "cannot change state of this pull request, it was already merged"
                raise Refusal(412, {"message": told})
            pull.state = data["state"]
        return Reply(201, self._json(pull))

    def _labels(self, seen: Seen) -> Reply:
        return self._page(seen, [self._label_json(name) for name in self.labels])

    def _make_label(self, seen: Seen) -> Reply:
        if not re.fullmatch("#?[0-9a-fA-F]{6}", seen.body["color"]):
            raise Refusal(422, {"message": "bad colour"})
        self.labels.append(seen.body["name"])
        return Reply(201, {"id": len(self.labels), "name": seen.body["name"]})

    def _label(self, seen: Seen, number: str) -> Reply:
        pull = self.pull(number)
        for label in seen.body["labels"]:
            if not isinstance(label, int) or not 1 <= label <= len(self.labels):
                raise Refusal(422, {"message": f"no label {label!r}"})
            name = self.labels[label - 1]
            pull.labels += [] if name in pull.labels else [name]
        return Reply(200, [self._label_json(name) for name in pull.labels])

    def _label_json(self, name: str) -> dict[str, Any]:
        return {"id": self.labels.index(name) + 1, "name": name, "color": "ededed"}

    def _comment(self, seen: Seen, number: str) -> Reply:
        pull = self.pull(number)
        pull.comments.append(seen.body["body"])
        return Reply(201, {"id": len(pull.comments), "body": seen.body["body"]})

    def _comments(self, _: Seen, number: str) -> Reply:
        return Reply(200, [{"id": i, "body": t} for i, t in enumerate(self.pull(number).comments)])

    def _state(self, pull: Pull) -> str:
        return "open" if pull.state == "open" else "closed"

    def _json(self, pull: Pull) -> dict[str, Any]:
        here = bool(self.git.tip(pull.head))
        return {
            "id": 900 + pull.number,
            "number": pull.number,
            "title": pull.title,
            "body": pull.body,
            "state": self._state(pull),
            "merged": pull.state == "merged",
            "labels": [self._label_json(name) for name in pull.labels],
            "user": None,
            "html_url": f"{self.url}/{self.project}/pulls/{pull.number}",
            "head": {
                "label": pull.head,
                "ref": pull.head if here else f"refs/pull/{pull.number}/head",
                "sha": pull.head_sha,
                "repo_id": -1 if pull.ghost else FORK_ID if pull.fork else REPOSITORY_ID,
                "repo": None,
            },
            "base": {"label": pull.base, "ref": pull.base, "sha": "", "repo_id": REPOSITORY_ID},
        }
