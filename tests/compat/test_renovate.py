"""Renovate's configuration as rules."""

from __future__ import annotations

from typing import Any

import pytest

from imagebot.compat.draft import Draft, render
from imagebot.compat.renovate import from_renovate
from imagebot.config import Config, load

MAJOR = {"match": "**", "separate": ["major"]}


def _draft(held: object, seen: dict[str, str] | None = None) -> Draft:
    draft = Draft(seen=seen or {})
    from_renovate(draft, "renovate.json", held)
    return draft


def _loaded(draft: Draft) -> Config:
    return load(".imagebot.yaml", render(draft).encode())


@pytest.mark.parametrize(
    ("rule", "made"),
    [
        ({"matchPackageNames": ["nginx"], "enabled": False}, {"match": "nginx", "enabled": False}),
        ({"matchPackageNames": "nginx", "pinDigests": True}, {"match": "nginx", "pin": "tag@digest"}),
        ({"matchPackageNames": ["acme{/,}**"], "enabled": False}, {"match": "acme/**", "enabled": False}),
        ({"matchPackagePrefixes": ["ghcr.io/acme/"], "enabled": False}, {"match": "ghcr.io/acme/**", "enabled": False}),
        ({"matchPackageNames": ["a"], "minimumReleaseAge": "3 days"}, {"match": "a", "minimumAge": "3d"}),
        ({"matchPackageNames": ["a"], "minimumReleaseAge": "1 week"}, {"match": "a", "minimumAge": "1w"}),
        ({"matchPackageNames": ["a"], "stabilityDays": 5}, {"match": "a", "minimumAge": "5d"}),
        ({"matchPackageNames": ["a"], "allowedVersions": "<3"}, {"match": "a", "policy": {"semver": "<3"}}),
        ({"matchPackageNames": ["a"], "allowedVersions": "/^1/"}, {"match": "a", "tags": {"allow": ["^1"]}}),
        ({"matchPackageNames": ["a"], "allowedVersions": "!/rc/i"}, {"match": "a", "tags": {"deny": ["(?i)rc"]}}),
        ({"matchPackageNames": ["a"], "versioning": "semver"}, {"match": "a", "policy": {"semver": "*"}}),
        (
            {"matchPackageNames": ["a"], "matchUpdateTypes": ["major"], "enabled": False},
            {"match": "a", "policy": {"follow": {"step": "minor"}}},
        ),
        (
            {"matchPackageNames": ["a"], "versioning": r"regex:^(?<major>\d+)-(?<minor>\d+)$"},
            {
                "match": "a",
                "policy": {
                    "regex": {
                        "pattern": r"^(?P<major>\d+)-(?P<minor>\d+)$",
                        "sort": [{"group": "major", "as": "number"}, {"group": "minor", "as": "number"}],
                    }
                },
            },
        ),
    ],
)  # fmt: skip
def test_a_package_rule_is_a_rule(rule: dict[str, Any], made: dict[str, Any]) -> None:
    """What means the same here is carried over, and the file loads."""
    draft = _draft({"packageRules": [{"matchDatasources": ["docker"], **rule}]})

    assert draft.rules == [made, MAJOR]
    assert draft.missing == []
    assert len(_loaded(draft).rules) == 2


@pytest.mark.parametrize(
    "rule",
    [
        {"matchPackageNames": ["a"], "automerge": True},
        {"matchPackageNames": ["a"], "schedule": ["before 5am"]},
        {"matchPackageNames": ["/^a/"], "enabled": False},
        {"matchPackageNames": ["!a"], "enabled": False},
        {"matchPackagePatterns": ["^a"], "enabled": False},
        {"matchFileNames": ["a/**"], "enabled": False},
        {"excludePackageNames": ["a"], "enabled": False},
        {"matchPackageNames": ["a"], "matchUpdateTypes": ["minor"], "enabled": False},
        {"matchPackageNames": ["a"], "allowedVersions": "/(?=a)/"},
        {"matchPackageNames": ["a"], "allowedVersions": "not a range"},
        {"matchPackageNames": ["a"], "versioning": "loose"},
        {"matchPackageNames": ["a"], "versioning": "regex:^(?<compatibility>.*)-(?<major>\\d+)$"},
        {"matchPackageNames": ["a"], "minimumReleaseAge": "soon"},
        {"matchPackageNames": ["a"], "labels": ["x"]},
    ],
)
def test_what_has_no_counterpart_is_told(rule: dict[str, Any]) -> None:
    """By its place in the file; nothing is made of it."""
    draft = _draft({"packageRules": [{}, rule]})

    assert draft.rules == [MAJOR]
    assert len(draft.missing) == 1
    assert draft.missing[0].startswith("renovate.json: packageRules[1]: ")


def test_a_range_is_not_made_of_tags_with_suffixes() -> None:
    """`16.1-alpine` is a prerelease to semver: the flavour would be lost."""
    rule = {"matchPackageNames": ["postgres"], "allowedVersions": "<17"}
    draft = _draft({"packageRules": [rule]}, {"postgres": "16.1-alpine"})

    assert draft.rules == [MAJOR]
    assert "suffix" in draft.missing[0]


@pytest.mark.parametrize(
    "rule",
    [{"matchDatasources": ["npm"], "enabled": False}, {"matchManagers": ["npm"], "enabled": False}],
)
def test_rules_for_other_things_are_passed_over(rule: dict[str, Any]) -> None:
    """They say nothing about images."""
    draft = _draft({"packageRules": [rule]})

    assert (draft.rules, draft.missing) == ([MAJOR], [])


def test_later_rules_win_as_they_do_there() -> None:
    """The order is turned round, as the first match counts here."""
    rules = [
        {"matchPackageNames": ["a"], "minimumReleaseAge": "1 day"},
        {"matchPackageNames": ["a"], "minimumReleaseAge": "9 days", "pinDigests": True},
        {"matchPackageNames": ["a"], "enabled": False},
    ]
    draft = _draft({"packageRules": rules})

    assert draft.rules[0] == {
        "match": "a",
        "enabled": False,
        "minimumAge": "9d",
        "pin": "tag@digest",
    }
    assert _loaded(draft).rules[0].minimum_age == 9 * 86_400


def test_the_whole_configuration_is_the_last_rule() -> None:
    """Groups, labels and the limit have keys of their own; presets are not read."""
    draft = _draft(
        {
            "$schema": "x",
            "extends": ["config:recommended"],
            "labels": ["deps"],
            "prConcurrentLimit": 0,
            "minimumReleaseAge": "3 days",
            "separateMajorMinor": False,
            "ignoreDeps": ["redis"],
            "timezone": "UTC",
            "packageRules": [{"matchPackageNames": ["a", "b"], "groupName": "My Apps!"}],
        }
    )

    assert draft.rules == [
        {"match": "redis", "enabled": False},
        {"match": "**", "minimumAge": "3d"},
    ]
    assert draft.groups == {"my-apps": ["a", "b"]}
    assert (draft.labels, draft.limit) == (["deps"], 500)
    assert [line.partition(": ")[2].partition(":")[0] for line in sorted(draft.missing)] == [
        "the preset 'config",
        "timezone",
    ]
    config = _loaded(draft)
    assert config.pull_requests.limit == 500
    assert config.groups[0].name == "my-apps"


def test_something_else_than_a_configuration_is_told() -> None:
    """A list at the top is no configuration."""
    assert _draft([]).missing == ["renovate.json: it is no mapping"]
