"""GitHub in memory: the REST calls a pull request bot makes, checked against GitHub's own spec.

Every request and every reply whose status the OpenAPI description knows is validated; what does
not fit is answered with 500 and the violation, so that a test fails loudly. Refuses to know the
adapter under test.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

import jwt

from tests.support import githubspec
from tests.support.fakeforge import FakeForge, Refusal, Route
from tests.support.fakeserver import Pull, Reply, Seen
from tests.support.githubjson import GitHubJson

API_VERSIONS = {"2022-11-28", "2026-03-10"}
WRITE_SCOPES = {
    "create": "pull_requests",
    "update": "pull_requests",
    "label": "issues",
    "comment": "issues",
}


@dataclass
class App:
    """A GitHub App installed on the repository, with the key that proves who it is."""

    client_id: str
    public_key: str
    installation: int
    permissions: dict[str, str]


@dataclass
class _Issued:
    expires: float
    permissions: dict[str, str]


class FakeGitHub(FakeForge):
    """One repository on github.com or GitHub Enterprise Server (the prefix is Enterprise's)."""

    prefix = "/api/v3"

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.violations: list[str] = []
        self.apps: dict[int, App] = {}
        self.issued: dict[str, _Issued] = {}
        self.revoked: list[str] = []
        self.token_life = 3600.0

    @property
    def json(self) -> GitHubJson:
        return GitHubJson(self.owner, self.repo, self.url, self.api_url)

    def pull_json(self, pull: Pull, *, whole: bool = True) -> dict[str, Any]:
        base_sha = self.git.tip(pull.base) or "0" * 40
        return self.json.pull_json(pull, base_sha, whole=whole)

    def add_app(
        self,
        public_key: str,
        *,
        client_id: str = "Iv23liCanaryClient",
        installation: int = 4711,
        permissions: dict[str, str] | None = None,
    ) -> App:
        """Install an App with these permissions (default: all that the bot asks for)."""
        granted = permissions or {
            "contents": "write",
            "pull_requests": "write",
            "metadata": "read",
            "issues": "write",
        }
        app = App(client_id, public_key, installation, granted)
        self.apps[installation] = app
        return app

    # checks

    def check_request(self, seen: Seen) -> None:
        if seen.headers.get("x-github-api-version") not in API_VERSIONS:
            raise Refusal(500, {"message": "the fake wants a known X-GitHub-Api-Version"})
        if not seen.headers.get("user-agent"):
            raise Refusal(403, {"message": "Request forbidden by administrative rules."})
        if wrong := githubspec.request_errors(seen):
            self.violations.append(f"request {seen.method} {seen.path}: {wrong}")
            raise Refusal(500, {"message": f"against GitHub's description: {wrong}"})

    def check_reply(self, seen: Seen, reply: Reply) -> None:
        if any(pull.ghost for pull in self.pulls.values()):
            # GitHub itself breaks its description for a head whose repository is gone.
            return
        if wrong := githubspec.reply_errors(seen, reply):
            self.violations.append(f"reply {reply.status} to {seen.method} {seen.path}: {wrong}")
            reply.status, reply.data = 500, {"message": f"the fake broke the description: {wrong}"}

    def authorise(self, seen: Seen) -> None:
        scheme, _, token = seen.headers.get("authorization", "").partition(" ")
        if seen.operation == "token":
            return
        if scheme not in {"Bearer", "token"} or not token:
            raise Refusal(401, {"message": "Requires authentication", "status": "401"})
        if token in self.tokens:
            return
        issued = self.issued.get(token)
        if issued is None or issued.expires <= self.now():
            raise Refusal(401, {"message": "Bad credentials", "status": "401"})
        wanted = WRITE_SCOPES.get(seen.operation)
        if wanted and issued.permissions.get(wanted) != "write":
            raise Refusal(
                403, {"message": "Resource not accessible by integration", "status": "403"}
            )

    # routes

    def table(self) -> list[Route]:
        home = re.escape(f"/repos/{self.owner}/{self.repo}")
        return [
            ("token", "POST", r"/app/installations/(\d+)/access_tokens", self._issue),
            ("revoke", "DELETE", "/installation/token", self._revoke),
            ("repository", "GET", home, lambda _: Reply(200, self.json.full_repository())),
            ("list", "GET", f"{home}/pulls", self._list),
            ("create", "POST", f"{home}/pulls", self._create),
            ("get", "GET", rf"{home}/pulls/(\d+)", self._get),
            ("update", "PATCH", rf"{home}/pulls/(\d+)", self._update),
            ("label", "POST", rf"{home}/issues/(\d+)/labels", self._label),
            ("comment", "POST", rf"{home}/issues/(\d+)/comments", self._comment),
            ("comments", "GET", rf"{home}/issues/(\d+)/comments", self._comments),
        ]

    def missing(self) -> Reply:
        docs = "https://docs.github.com/rest"
        raise Refusal(404, {"message": "Not Found", "documentation_url": docs, "status": "404"})

    def _get(self, _: Seen, number: str) -> Reply:
        return Reply(200, self.pull_json(self.pull(number)))

    def _list(self, seen: Seen) -> Reply:
        state = seen.query.get("state", "open")
        if state == "all" and self.faults.all_fails:
            raise Refusal(500, {"message": "Server Error"})
        shown = [
            p for p in self.listed() if state == "all" or (p.state == "open") == (state == "open")
        ]
        if not self.faults.ignore_filters:
            head, base = seen.query.get("head"), seen.query.get("base")
            shown = [p for p in shown if head in {None, f"{self.json.head_owner(p)}:{p.head}"}]
            shown = [p for p in shown if base in {None, p.base}]
        if seen.query.get("direction") == "asc":
            shown.reverse()
        page, size = int(seen.query.get("page", 1)), min(int(seen.query.get("per_page", 30)), 100)
        headers = {}
        if self.faults.foreign_next:
            headers["Link"] = f'<{self.faults.foreign_next}?page=2>; rel="next"'
        elif page * size < len(shown):
            query = urlencode({**seen.query, "page": page + 1})
            headers["Link"] = (
                f'<{self.api_url}{seen.path}?{query}>; rel="next", <{self.api_url}{seen.path}?page=99>; rel="last"'
            )
        chosen = shown[(page - 1) * size : page * size]
        return Reply(200, [self.pull_json(p, whole=False) for p in chosen], headers)

    def _create(self, seen: Seen) -> Reply:
        data = seen.body
        if self.archived:
            raise Refusal(
                403, {"message": "Repository was archived so is read-only.", "status": "403"}
            )
        head, base = data["head"].removeprefix(f"{self.owner}:"), data["base"]
        tips = self.git.tip(head), self.git.tip(base)
        for name, tip in zip(("head", "base"), tips, strict=True):
            if not tip:
                raise self._invalid({"field": name, "code": "invalid"})
        if self.git.contains(tips[0], base):
            raise self._invalid(
                {"code": "custom", "message": f"No commits between {base} and {head}"}
            )
        if self.find_open(head, base):
            told = f"A pull request already exists for {self.owner}:{head}."
            raise self._invalid({"code": "custom", "message": told})
        self._check_lengths(data)
        pull = self.make_pull(head, base, data.get("title", ""), data.get("body") or "")
        return Reply(201, self.pull_json(pull))

    def _invalid(self, error: dict[str, str]) -> Refusal:
        return Refusal(
            422,
            {
                "message": "Validation Failed",
                "errors": [{"resource": "PullRequest", **error}],
                "documentation_url": "https://docs.github.com/rest/pulls/pulls#create-a-pull-request",
                "status": "422",
            },
        )

    def _check_lengths(self, data: dict[str, Any]) -> None:
        if len(data.get("title") or "") > 256:
            raise self._invalid(
                {
                    "code": "custom",
                    "field": "title",
                    "message": "title is too long (maximum is 256 characters)",
                }
            )
        if len(data.get("body") or "") > 65536:
            raise self._invalid(
                {
                    "code": "custom",
                    "field": "body",
                    "message": "body is too long (maximum is 65536 characters)",
                }
            )

    def _update(self, seen: Seen, number: str) -> Reply:
        pull = self.pull(number)
        self._check_lengths(seen.body)
        pull.title = seen.body.get("title", pull.title)
        pull.body = seen.body.get("body", pull.body)
        if seen.body.get("state") == "closed" and pull.state == "open":
            pull.state = "closed"
        return Reply(200, self.pull_json(pull))

    def _label(self, seen: Seen, number: str) -> Reply:
        pull = self.pull(number)
        pull.labels += [name for name in seen.body["labels"] if name not in pull.labels]
        return Reply(200, [self.json.label_json(name) for name in pull.labels])

    def _comment(self, seen: Seen, number: str) -> Reply:
        pull = self.pull(number)
        pull.comments.append(seen.body["body"])
        return Reply(201, self.json.comment_json(pull, len(pull.comments)))

    def _comments(self, seen: Seen, number: str) -> Reply:
        pull = self.pull(number)
        page, size = int(seen.query.get("page", 1)), int(seen.query.get("per_page", 30))
        chosen = range(1, len(pull.comments) + 1)[(page - 1) * size : page * size]
        headers = {}
        if page * size < len(pull.comments):
            query = urlencode({**seen.query, "page": page + 1})
            headers["Link"] = f'<{self.api_url}{seen.path}?{query}>; rel="next"'
        return Reply(200, [self.json.comment_json(pull, n) for n in chosen], headers)

    # the App

    def _issue(self, seen: Seen, installation: str) -> Reply:
        app = self.apps.get(int(installation))
        if app is None:
            return self.missing()
        self._check_jwt(seen, app)
        wanted = (seen.body or {}).get("permissions") or app.permissions
        rank = {"read": 1, "write": 2, "admin": 3}
        if any(
            rank[level] > rank.get(app.permissions.get(name, ""), 0)
            for name, level in wanted.items()
        ):
            message = "The permissions requested are not granted to this installation."
            raise Refusal(
                422, {"message": message, "documentation_url": "https://docs.github.com/rest"}
            )
        if any(name != self.repo for name in (seen.body or {}).get("repositories", [])):
            message = "There is at least one repository that does not exist or is not accessible to the parent installation."
            raise Refusal(
                422, {"message": message, "documentation_url": "https://docs.github.com/rest"}
            )
        token = f"ghs_canary{len(self.issued):04d}"
        expires = self.now() + self.token_life
        self.issued[token] = _Issued(expires, dict(wanted))
        until = datetime.fromtimestamp(expires, tz=UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        return Reply(
            201,
            {
                "token": token,
                "expires_at": until,
                "permissions": wanted,
                "repository_selection": "selected",
            },
        )

    def _check_jwt(self, seen: Seen, app: App) -> None:
        token = seen.headers.get("authorization", "").removeprefix("Bearer ")
        try:
            claims = jwt.decode(
                token,
                app.public_key,
                algorithms=["RS256"],
                options={
                    "verify_exp": False,
                    "verify_iat": False,
                    "require": ["iat", "exp", "iss"],
                },
            )
        except jwt.PyJWTError:
            raise Refusal(401, {"message": "A JSON web token could not be decoded"}) from None
        if claims["iss"] != app.client_id:
            raise Refusal(
                401, {"message": "'Issuer' claim ('iss') must be an Integer or client id"}
            )
        if claims["exp"] <= self.now():
            raise Refusal(
                401,
                {
                    "message": "'Expiration time' claim ('exp') must be a numeric value representing the future time at which the assertion expires"
                },
            )
        if claims["exp"] > self.now() + 600:
            raise Refusal(
                401, {"message": "'Expiration time' claim ('exp') is too far in the future"}
            )
        if claims["iat"] > self.now():
            raise Refusal(
                401,
                {
                    "message": "'Issued at' claim ('iat') must be an Integer representing the time that the assertion was issued"
                },
            )

    def _revoke(self, seen: Seen) -> Reply:
        token = seen.headers["authorization"].partition(" ")[2]
        self.issued.pop(token, None)
        self.revoked.append(token)
        return Reply(204)
