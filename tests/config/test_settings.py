"""What a configuration means for one image and one path."""

from __future__ import annotations

import pytest

from imagebot.config import Config, environment_of, is_in_paths, load, settings_for, sourced
from imagebot.config.operator import AllowShape, load_operator, narrowed
from imagebot.imageref import Repository, parse_repository

RULES = b"""
version: 1
images:
  - {match: "ghcr.io/acme/web", policy: {semver: "1.x"}}
  - {match: "ghcr.io/acme/*", policy: {semver: "2.x"}, tags: {deny: rc}, allowDowngrade: true}
  - {match: nginx, enabled: false}
  - {match: "docker.io/library/*", policy: {newest: {}}}
  - {match: "**", tags: {deny: "."}, enabled: true}
"""


@pytest.mark.parametrize(
    ("image", "policy", "downgrade", "enabled", "rules"),
    [
        (
            "ghcr.io/acme/web",
            "semver 1.x",
            True,
            True,
            {"policy": 0, "tag_filter": 1, "allow_downgrade": 1, "enabled": 4},
        ),
        (
            "ghcr.io/acme/api",
            "semver 2.x",
            True,
            True,
            {"policy": 1, "tag_filter": 1, "allow_downgrade": 1, "enabled": 4},
        ),
        ("nginx", "newest", False, False, {"policy": 3, "tag_filter": 4, "enabled": 2}),
        (
            "docker.io/library/redis",
            "newest",
            False,
            True,
            {"policy": 3, "tag_filter": 4, "enabled": 4},
        ),
        ("quay.io/a/b", "follow", False, True, {"tag_filter": 4, "enabled": 4}),
    ],
)
def test_the_first_matching_rule_wins_key_by_key(
    image: str, policy: str, downgrade, enabled, rules: dict[str, int]
) -> None:
    """Each key comes from the first rule that matches and sets it, and its index explains it."""
    found = settings_for(load("c", RULES), parse_repository(image))
    assert str(found.policy) == policy
    assert (found.allow_downgrade, found.enabled) == (downgrade, enabled)
    assert found.rules == rules


def test_guards_are_merged_key_by_key() -> None:
    """Each guard comes from the first rule that sets it; an empty value switches a later one off."""
    config = load(
        "c",
        b"""
version: 1
images:
  - {match: nginx, minimumAge: 0m, platforms: [], separate: [], tagListShrink: 100}
  - {match: "*", minimumAge: 2w, pin: digest, platforms: linux/amd64, separate: major}
""",
    )
    nginx = settings_for(config, parse_repository("nginx"))
    assert (nginx.minimum_age, nginx.platforms, nginx.separate) == (0, (), ())
    assert (nginx.pin, nginx.tag_list_shrink) == ("digest", 100)
    redis = settings_for(config, parse_repository("redis"))
    assert (redis.minimum_age, redis.platforms) == (1_209_600, ("linux/amd64",))
    assert (redis.separate, redis.tag_list_shrink) == (("major",), 50)


def test_without_rules_the_policy_is_inferred() -> None:
    """The default stays in the line of the running tag, and never goes back."""
    found = settings_for(Config.default(), parse_repository("nginx"))
    assert str(found.policy) == "follow"
    assert (found.tag_filter, found.allow_downgrade, found.enabled) == (None, False, True)
    assert (found.minimum_age, found.platforms, found.pin, found.separate) == (0, (), None, ())


@pytest.mark.parametrize(
    ("glob", "matches"),
    [
        ("nginx", True),
        ("docker.io/library/nginx", True),
        ("library/nginx", False),
        ("docker.io/nginx", False),
        ("*", True),
        ("docker.io/**", True),
        ("quay.io/**", False),
    ],
)
def test_a_rule_matches_the_full_or_the_familiar_name(glob: str, matches) -> None:
    """People may write `nginx` or `docker.io/library/nginx`, and nothing in between."""
    config = load("c", f"version: 1\nimages: [{{match: '{glob}', enabled: false}}]".encode())
    assert settings_for(config, parse_repository("nginx")).enabled is not matches
    groups = load("c", f"version: 1\ngroups: [{{name: g, match: ['{glob}']}}]".encode()).groups
    assert groups[0].holds(parse_repository("docker.io/library/nginx")) is matches


def test_an_engine_image_can_be_matched() -> None:
    """An image that no registry serves is matched by its scheme."""
    config = load("c", b'version: 1\nimages: [{match: "docker-daemon:*", enabled: false}]')
    assert not settings_for(config, Repository("", "my-app", engine=True)).enabled


def test_a_path_is_in_the_first_environment_that_matches() -> None:
    """The order of environments decides; a path may be in none."""
    config = load(
        "c",
        b"version: 1\nenvironments:\n- {name: dev, paths: ['a/dev/**']}\n- {name: all, paths: ['a/**', 'b']}\n",
    )
    assert environment_of(config, "a/dev/x.yaml") == "dev"
    assert environment_of(config, "a/prod/x.yaml") == "all"
    assert environment_of(config, "b") == "all"
    assert environment_of(config, "c") == ""


def test_only_configured_paths_are_looked_at() -> None:
    """A file outside of `paths` does not exist for the bot."""
    config = load("c", b"version: 1\npaths: ['kustomize/**']")
    assert is_in_paths(config, "kustomize/a.yaml")
    assert not is_in_paths(config, ".github/workflows/a.yaml")
    assert is_in_paths(Config.default(), "anything")


def test_a_repo_narrows_and_never_widens() -> None:
    """What the operator does not allow stays out, whatever the repo's file says."""
    wide = load(
        "c",
        b"version: 1\npaths: ['**']\nimages: [{match: '**', enabled: true}]\npullRequests: {limit: 400}",
    )
    allow = AllowShape.model_validate(
        {"paths": ("apps/**",), "images": ("ghcr.io/acme/*",), "pullRequests": 5}
    )
    config = narrowed(wide, allow)
    assert is_in_paths(config, "apps/a.yaml")
    assert not is_in_paths(config, "secrets/a.yaml")
    assert settings_for(config, parse_repository("ghcr.io/acme/web")).enabled
    assert not settings_for(config, parse_repository("evil.example/acme/web")).enabled
    assert config.pull_requests.limit == 5

    narrow = load("c", b"version: 1\npaths: ['apps/dev/**']\npullRequests: {limit: 2}")
    config = narrowed(narrow, allow)
    assert is_in_paths(config, "apps/dev/a.yaml")
    assert not is_in_paths(config, "apps/production/a.yaml")
    assert config.pull_requests.limit == 2


def test_an_operator_allows_everything_by_default() -> None:
    """Without `allow`, a repo's configuration holds as it is."""
    operator = load_operator(
        "o", b"version: 1\nrepositories: [{url: /a.git, forge: {kind: local}}]"
    )
    config = load("c", RULES)
    assert narrowed(config, operator.repositories[0].allow) == config


@pytest.mark.parametrize(
    ("name", "asked"),
    [
        ("my-app", "docker-daemon:my-app"),
        ("docker-daemon:my-app", "docker-daemon:my-app"),
        ("ghcr.io/acme/local", "docker-daemon:ghcr.io/acme/local"),
        ("nginx", "docker.io/library/nginx"),
    ],
)
def test_a_rule_says_who_knows_an_images_tags(name: str, asked: str) -> None:
    """An image of the engine is asked of the engine, and the rules of its name still hold."""
    config = load(
        "c",
        b"version: 1\nimages:\n"
        b"  - {match: my-app, source: docker-daemon, pin: tag}\n"
        b"  - {match: 'ghcr.io/acme/*', source: docker-daemon}\n",
    )

    found = sourced(config, parse_repository(name))

    assert str(found) == asked
    assert settings_for(config, found).pin == ("tag" if "my-app" in name else None)
