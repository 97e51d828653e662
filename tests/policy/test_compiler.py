"""Specifications: every mistake is a PolicyError with a way out."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from imagebot.errors import EXIT_USAGE, PolicyError
from imagebot.policy import compile_policy


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ({"semver": ">=1.4 <3"}, "semver >=1.4 <3"),
        ({"alphabetical": "asc"}, "alphabetical asc"),
        ({"numerical": "desc"}, "numerical desc"),
        ({"numeric": "asc"}, "numerical asc"),
        ({"calendar": {}}, "calendar"),
        ({"calendar": None}, "calendar"),
        ({"newest": {}}, "newest"),
        ({"digest": "latest"}, "digest of latest"),
        ({"follow": {}}, "follow"),
        (
            {"follow": {"suffixUpgrade": True, "prerelease": True, "step": "minor"}},
            "follow suffixUpgrade prerelease step minor",
        ),
        (
            {"regex": {"pattern": "^b(?P<n>.*)$", "sort": [{"group": "n", "order": "desc"}]}},
            "regex ^b(?P<n>.*)$ by n desc",
        ),
        ({"regex": {"pattern": "^b(.*)$", "template": "$1"}}, "regex ^b(.*)$ by $1"),
    ],
)
def test_policies_say_what_they_are(spec: dict[str, Any], said: str) -> None:
    """A compiled policy reads as a person would write it."""
    assert str(compile_policy(spec)) == said


@pytest.mark.parametrize(
    ("spec", "message", "hint"),
    [
        ({}, "exactly one", "one of semver"),
        ({"semver": "1", "digest": "x"}, "exactly one", "one of semver"),
        ({"semvr": "1"}, "no policy 'semvr'", "did you mean semver?"),
        ({"zzz": "1"}, "no policy 'zzz'", "one of semver"),
        ({"semver": ""}, "needs a version range", "'*'"),
        ({"semver": None}, "needs a version range", "'*'"),
        ({"semver": 1.5}, "1.5 is a number", "quotes"),
        ({"semver": []}, "no mapping", "semver"),
        ({"semver": ">=1 || latest"}, "'latest' is no comparison", ">=1.4 <3"),
        ({"semver": {"range": "1", "prereleases": True}}, "no option 'prereleases'", "prerelease"),
        ({"semver": {"range": "1", "prerelease": "yes"}}, "true or false", ""),
        ({"semver": "1 " * 300}, "too long", "512"),
        ({"numerical": "up"}, "'up' is no order", "asc"),
        ({"alphabetical": ["asc"]}, "is no order", "asc"),
        ({"calendar": {"format": "x"}}, "no option 'format'", "no options"),
        ({"newest": "x"}, "no mapping", "newest: {}"),
        ({"digest": "a b"}, "needs the tag", "latest"),
        ({"digest": {}}, "needs the tag", "latest"),
        ({"follow": {"step": "huge"}}, "no step", "major, minor or patch"),
        ({"follow": {"step": ["major"]}}, "no step", "major, minor or patch"),
        ({"regex": {"sort": ["n"]}}, "needs a pattern", "named groups"),
        ({"regex": {"pattern": "a"}}, "either sort or template", "sort:"),
        (
            {"regex": {"pattern": "a", "sort": ["n"], "template": "$n"}},
            "either sort or template",
            "",
        ),
        ({"regex": {"pattern": "a", "template": 1}}, "template is a text", ""),
        ({"regex": {"pattern": "(?P<n>a)", "sort": ["m"]}}, "no group 'm'", "n"),
        ({"regex": {"pattern": "(?P<n>a)", "sort": "n"}}, "list of groups", "n"),
        ({"regex": {"pattern": "(?P<n>a)", "sort": []}}, "list of groups", "n"),
        (
            {"regex": {"pattern": "(?P<n>a)", "sort": [{"group": "n", "as": "float"}]}},
            "'float' is no type",
            "number",
        ),
        ({"regex": {"pattern": "(?=a)", "sort": ["n"]}}, "pattern '(?=a)'", "lookahead"),
    ],
)
def test_mistakes(spec: dict[str, Any], message: str, hint: str) -> None:
    """A wrong specification is refused with what is wrong and what to write instead."""
    with pytest.raises(PolicyError) as caught:
        compile_policy(spec)
    assert message in caught.value.message
    assert hint in caught.value.hint
    assert caught.value.exit_code == EXIT_USAGE


def test_strict_reads_three_parts() -> None:
    """Strict reading drops short versions that the lenient one takes."""
    assert str(compile_policy({"semver": "1"}, strict=True)) == "semver 1"


def test_import_is_light() -> None:
    """Importing the room loads no pattern engine, no network and no event loop."""
    program = "import sys, imagebot.policy; print([m for m in ('re2', 'socket', 'requests', 'asyncio', 'numpy') if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, check=True, text=True
    )
    assert done.stdout == "[]\n"
