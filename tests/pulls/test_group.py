"""Which updates share a request, and its title."""

from __future__ import annotations

import unicodedata
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imagebot.config import NamedGroup
from imagebot.config.glob import Glob
from imagebot.pulls.group import group_title, group_updates, version_summary
from imagebot.pulls.markdown import plain_title
from tests.pulls.samples import NEW_DIGEST, OLD_DIGEST, update

PLATFORM = NamedGroup("platform", (Glob("ghcr.io/acme/platform-*"), Glob("grafana/*")))
WEB = update("ghcr.io/acme/web:1.0.0", "ghcr.io/acme/web:1.1.0")
GATE = update("ghcr.io/acme/platform-gate:1.0.0", "ghcr.io/acme/platform-gate:2.0.0")
LOKI = update("grafana/loki:3.0.0", "grafana/loki:3.1.0")
LOKI_STAGING = update("grafana/loki:3.0.0", "grafana/loki:3.1.0", environment="staging")
NO_ENVIRONMENT = update("nginx:1.25", "nginx:1.27", environment="")


def test_keys() -> None:
    """One group for an image in an environment; named groups join images, one an environment."""
    groups = group_updates([WEB, GATE, LOKI, LOKI_STAGING, NO_ENVIRONMENT], named=[PLATFORM])
    assert [(group.key, len(group.updates)) for group in groups] == [
        ("nginx", 1),
        ("production/ghcr.io/acme/web", 1),
        ("production/platform", 2),
        ("staging/platform", 1),
    ]
    assert all(group.files == () and not group.undecided for group in groups)


def test_a_step_with_a_request_of_its_own_has_its_own_group() -> None:
    """The step is in the key and in the title, for one image and for a named group."""
    major = replace(WEB, new=WEB.new.with_version("2.0.0", ""), lane="major")
    groups = group_updates([WEB, major])
    assert [(group.key, group.title) for group in groups] == [
        ("production/ghcr.io/acme/web", "production: web 1.0.0 → 1.1.0"),
        ("production/ghcr.io/acme/web (major)", "production: web 1.0.0 → 2.0.0 (major)"),
    ]
    named = group_updates(
        [replace(GATE, lane="major"), replace(LOKI, lane="major")], named=[PLATFORM]
    )
    assert [(group.key, group.title) for group in named] == [
        ("production/platform (major)", "production: platform (major) (2 images)")
    ]


def test_equal_keys_share_a_group() -> None:
    """A named group called like an image joins it: a key has one branch, so one request."""
    named = [NamedGroup("nginx", (Glob("redis"),))]
    redis = update("redis:7.0", "redis:8.0")
    nginx = update("nginx:1.25", "nginx:1.27")
    (group,) = group_updates([redis, nginx], named=named)
    assert (group.key, group.title) == ("production/nginx", "production: nginx (2 images)")


def test_the_order_of_updates_does_not_matter() -> None:
    """Any order of the same updates gives the same groups."""
    updates = [
        update(path=f"o/{n}.yaml", line=n, environment=environment)
        for n in range(6)
        for environment in ("dev", "production")
    ] + [GATE, LOKI]
    expected = group_updates(updates, named=[PLATFORM])
    for turn in range(1, len(updates)):
        turned = [*updates[turn:], *updates[:turn]][:: 1 if turn % 2 else -1]
        assert group_updates(turned, named=[PLATFORM]) == expected


def same_tag(old: str, new: str) -> object:
    return update(f"nginx:1.27{old}", f"nginx:1.27{new}")


@pytest.mark.parametrize(
    ("updates", "title"),
    [
        ([update()], "production: my-app 1.4.2 → 1.5.0"),
        ([update(), update("ghcr.io/acme/my-app:1.4.1")], "production: my-app → 1.5.0"),
        (
            [update(), update(new="ghcr.io/acme/my-app:2.0.0")],
            "production: my-app (2 versions)",
        ),
        ([update(environment="")], "my-app 1.4.2 → 1.5.0"),
        ([WEB, GATE, LOKI], "production: platform (3 images)"),
        (
            [update("a/x:1.0", "a/x:1.1"), update("a/y:1.0", "a/y:1.1")],
            "production: platform 1.0 → 1.1 (2 images)",
        ),
        (
            [same_tag(f"@{OLD_DIGEST}", f"@{NEW_DIGEST}")],
            "production: nginx 1.27 (1f1f1f1f1f1f) → 1.27 (2e2e2e2e2e2e)",
        ),
        ([same_tag("", f"@{NEW_DIGEST}")], "production: nginx 1.27 → 1.27 (2e2e2e2e2e2e)"),
        ([update("nginx", "nginx:1.27")], "production: nginx no tag → 1.27"),
        ([update(environment="draft")], "update draft: my-app 1.4.2 → 1.5.0"),
        ([update(environment="WIP")], "update WIP: my-app 1.4.2 → 1.5.0"),
        (
            [update(environment="a`b`<i>@sre [x](y) #1 *z* \u202e\n|")],
            "a b i sre x (y) 1 z : my-app 1.4.2 → 1.5.0",
        ),
    ],
)
def test_titles(updates: list, title: str) -> None:
    """A title says environment, image and versions, in plain text."""
    assert group_title("production/platform", updates) == title


@given(st.text(max_size=300), st.integers(1, 120))
@settings(max_examples=150, deadline=None)
def test_titles_are_one_short_plain_line(environment: str, limit: int) -> None:
    """No environment name can break the limit, the line, or the Markdown around a title."""
    title = plain_title(f"{environment}: my-app 1 → 2", limit)
    assert len(title) <= limit
    assert not set(title) & set("`<>[]@#*|\\~!$&{}\"'")
    assert not any(unicodedata.category(c)[0] == "C" for c in title)


@pytest.mark.parametrize(
    ("updates", "summary"),
    [
        ([update()], "1.5.0"),
        ([update(), update(new="ghcr.io/acme/my-app:2.0.0")], "1.5.0, 2.0.0"),
        ([WEB, LOKI], "web 1.1.0, loki 3.1.0"),
        (
            [update(f"a/x{n}:1.0", f"a/x{n}:1.1") for n in range(5)],
            "x0 1.1, x1 1.1, x2 1.1 and 2 more",
        ),
    ],
)
def test_summaries(updates: list, summary: str) -> None:
    """The history of a request names versions in a few words."""
    assert version_summary(updates) == ("loki 3.1.0, web 1.1.0" if LOKI in updates else summary)


def test_a_summary_is_bounded() -> None:
    """Long tags are cut."""
    assert len(version_summary([update(new=f"ghcr.io/acme/my-app:{'1' * 128}")])) == 80
