"""GitHub's JSON, with every field that its description requires."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from tests.support.fakeserver import Pull

REPOSITORY_ID = 7001
FORK_ID = 9009


@dataclass(frozen=True)
class GitHubJson:
    """What one repository's objects look like, given where the API and the web pages are."""

    owner: str
    repo: str
    url: str
    api_url: str

    @property
    def project(self) -> str:
        return f"{self.owner}/{self.repo}"

    def stamp(self, number: int) -> str:
        return datetime.fromtimestamp(1_700_000_000 + number, tz=UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

    def head_owner(self, pull: Pull) -> str:
        return "stranger" if pull.fork or pull.ghost else self.owner

    def pull_json(self, pull: Pull, base_sha: str, *, whole: bool) -> dict[str, Any]:
        """A `pull-request` (whole) or `pull-request-simple`, as GitHub gives it."""
        api = f"{self.api_url}/repos/{self.project}"
        me, issue = f"{api}/pulls/{pull.number}", f"{api}/issues/{pull.number}"
        html = f"{self.url}/{self.project}/pull/{pull.number}"
        merged_at = self.stamp(pull.number) if pull.state == "merged" else None
        ends = {
            "head": (
                pull.head,
                self.head_owner(pull),
                FORK_ID if pull.fork else REPOSITORY_ID,
                pull.head_sha,
            ),
            "base": (pull.base, self.owner, REPOSITORY_ID, base_sha),
        }
        links = {
            "self": me,
            "html": html,
            "issue": issue,
            "comments": f"{issue}/comments",
            "review_comments": f"{me}/comments",
            "review_comment": f"{api}/pulls/comments{{/number}}",
            "commits": f"{me}/commits",
            "statuses": f"{api}/statuses/{pull.head_sha}",
        }
        data: dict[str, Any] = {
            "url": me,
            "id": 100_000 + pull.number,
            "node_id": f"PR_{pull.number}",
            "html_url": html,
            "diff_url": f"{html}.diff",
            "patch_url": f"{html}.patch",
            "issue_url": issue,
            "commits_url": links["commits"],
            "review_comments_url": links["review_comments"],
            "review_comment_url": links["review_comment"],
            "comments_url": links["comments"],
            "statuses_url": links["statuses"],
            "number": pull.number,
            "state": "open" if pull.state == "open" else "closed",
            "locked": pull.locked,
            "title": pull.title,
            "user": _user("imagebot[bot]", self.api_url),
            "body": pull.body or None,
            "labels": [self.label_json(name) for name in pull.labels],
            "milestone": None,
            "created_at": self.stamp(pull.number),
            "updated_at": self.stamp(pull.number),
            "closed_at": None if pull.state == "open" else self.stamp(pull.number),
            "merged_at": merged_at,
            "merge_commit_sha": None,
            "assignee": None,
            "assignees": [],
            "requested_reviewers": [],
            "requested_teams": [],
            "_links": {name: {"href": href} for name, href in links.items()},
            "author_association": "NONE",
            "auto_merge": None,
            "draft": False,
        }
        for end, (ref, owner, repo_id, sha) in ends.items():
            data[end] = {
                "label": f"{owner}:{ref}",
                "ref": ref,
                "sha": sha,
                "user": _user(owner, self.api_url),
                "repo": None
                if end == "head" and pull.ghost
                else _repository(owner, self.repo, repo_id, self.api_url),
            }
        if whole:
            data |= {
                "merged": pull.state == "merged",
                "mergeable": True,
                "rebaseable": True,
                "mergeable_state": "clean",
                "merged_by": None,
                "comments": len(pull.comments),
                "review_comments": 0,
                "maintainer_can_modify": False,
                "commits": 1,
                "additions": 1,
                "deletions": 1,
                "changed_files": 1,
            }
        return data

    def label_json(self, name: str) -> dict[str, Any]:
        return {
            "id": 1,
            "node_id": "LA_1",
            "url": f"{self.api_url}/repos/{self.project}/labels/x",
            "name": name,
            "description": "",
            "color": "ededed",
            "default": False,
        }

    def comment_json(self, pull: Pull, number: int) -> dict[str, Any]:
        issue = f"{self.api_url}/repos/{self.project}/issues/{pull.number}"
        return {
            "id": number,
            "node_id": f"IC_{number}",
            "url": f"{issue}/comments/{number}",
            "html_url": f"{self.url}/{self.project}/pull/{pull.number}#issuecomment-{number}",
            "issue_url": issue,
            "body": pull.comments[number - 1],
            "user": _user("imagebot[bot]", self.api_url),
            "created_at": self.stamp(number),
            "updated_at": self.stamp(number),
            "author_association": "NONE",
        }

    def full_repository(self) -> dict[str, Any]:
        data = _repository(self.owner, self.repo, REPOSITORY_ID, self.api_url)
        return data | {"network_count": 0, "subscribers_count": 0, "has_discussions": False}


@functools.cache
def _user(login: str, api: str) -> dict[str, Any]:
    me = f"{api}/users/{login.removesuffix('[bot]')}"
    links = (
        "followers_url following_url gists_url starred_url subscriptions_url organizations_url"
        " repos_url events_url received_events_url avatar_url html_url url"
    )
    return {
        "login": login,
        "id": 42,
        "node_id": "U_42",
        "gravatar_id": "",
        "type": "Bot" if login.endswith("[bot]") else "User",
        "site_admin": False,
        **dict.fromkeys(links.split(), me),
    }


@functools.cache
def _repository(owner: str, name: str, number: int, api: str) -> dict[str, Any]:
    me = f"{api}/repos/{owner}/{name}"
    links = (
        "archive assignees blobs branches collaborators comments commits compare contents contributors"
        " deployments downloads events forks git_commits git_refs git_tags hooks html issue_comment"
        " issue_events issues keys labels languages merges milestones notifications pulls releases"
        " stargazers statuses subscribers subscription tags teams trees clone git ssh svn"
    )
    counts = "forks forks_count open_issues open_issues_count size stargazers_count watchers watchers_count"
    return {
        "id": number,
        "node_id": f"R_{number}",
        "name": name,
        "full_name": f"{owner}/{name}",
        "owner": _user(owner, api),
        "private": True,
        "fork": number == FORK_ID,
        "url": me,
        **{f"{link}_url": me for link in links.split()},
        **dict.fromkeys(counts.split(), 0),
        **dict.fromkeys(["has_downloads", "has_issues", "has_projects", "has_wiki"], True),
        **dict.fromkeys(["has_pages", "archived", "disabled"], False),
        **dict.fromkeys(["description", "homepage", "language", "license", "mirror_url"]),
        "default_branch": "main",
        "visibility": "private",
        "pushed_at": "2024-01-01T00:00:00Z",
        "created_at": "2024-01-01T00:00:00Z",
        "updated_at": "2024-01-01T00:00:00Z",
    }
