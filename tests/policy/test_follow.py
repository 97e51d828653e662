"""Follow: the running tag's line is kept, and what has no order is refused in words."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from imagebot.policy import compile_policy, select
from imagebot.policy.shape import is_hash, parse_shape

RENOVATE = json.loads(Path("tests/data/policy/renovate.json").read_text("utf-8"))["rows"]


def follow(current: str, tags: list[str], **options: object) -> Any:
    return select(compile_policy({"follow": options}), [current, *tags], current=current)


@pytest.mark.parametrize(
    ("current", "tags", "expected", "size"),
    [
        ("v1.2.3", ["v1.2.4", "1.2.5", "v1.3.0-rc.1", "latest", "v1.4"], "v1.2.4", "patch"),
        ("1.2.3", ["v1.2.4", "2.0.0", "10.0.0", "9.0.0", "1.2.3.4"], "10.0.0", "major"),
        ("1.2", ["1.3", "1.2.9", "1.10"], "1.10", "minor"),
        ("3", ["4", "20240315", "3.19"], "4", "major"),
        ("1.2.3-rc.1", ["1.2.3-rc.2", "1.2.3-rc.10", "1.3.0-rc.1"], "1.2.3-rc.10", "patch"),
        ("1.2.3-rc.1", ["1.2.3-rc.2", "1.2.3"], "1.2.3", "patch"),
        ("1.2.3-rc.1", ["1.2.3", "1.3.0", "2.0.0-rc.1"], "1.3.0", "minor"),
        ("1.2.3-beta.2", ["1.2.3-alpha.9", "1.2.3-rc.1"], "1.2.3-rc.1", "patch"),
        ("1.2.3rc1", ["1.2.3rc2", "1.2.3b9"], "1.2.3rc2", "patch"),
        ("17-ea-11", ["17-ea-12", "18-ea-1"], "17-ea-12", "patch"),
        ("1.2.3b2", ["1.2.3b10", "1.2.3b3"], "1.2.3b10", "patch"),
        ("b2", ["b10", "b3", "c11"], "b10", ""),
        (
            "1.2.3-alpine3.18",
            ["1.2.4-alpine3.18", "1.2.5-alpine3.19", "1.2.6"],
            "1.2.4-alpine3.18",
            "patch",
        ),
        ("1.2.3-alpine", ["1.2.4-alpine", "1.2.5-alpine3.19", "1.2.6"], "1.2.4-alpine", "patch"),
        ("8u312-jre", ["8-jre", "11-jre", "8u322-jre", "9u1-jre", "8u332"], "8u322-jre", "patch"),
        ("11.0.20_8-jre", ["11.0.20_9-jre", "11.0.21_2-jdk"], "11.0.20_9-jre", "patch"),
        ("7.9.1-1-ubi8", ["7.9.2-1-ubi8", "8.0.0", "8.0.0-1-ubi9"], "7.9.2-1-ubi8", "patch"),
        (
            "1.2.3-debian-12-r9",
            ["1.2.3-debian-12-r10", "1.2.4-debian-13-r0"],
            "1.2.3-debian-12-r10",
            "patch",
        ),
        ("3.12-dev", ["3.13-dev", "3.14"], "3.13-dev", "minor"),
        ("release-1.2.3", ["release-1.2.10", "1.2.11", "release-2"], "release-1.2.10", "patch"),
        ("release-v1.2.3", ["release-v1.3.0", "release-1.4.0"], "release-v1.3.0", "minor"),
        ("k8s-1.2.3", ["k8s-1.2.4", "k9s-1.3.0"], "k8s-1.2.4", "patch"),
        ("php8.2-fpm", ["php8.3-fpm", "php8.4-cli"], "php8.3-fpm", "minor"),
        ("v1-rc1", ["v1-rc2", "v1"], "v1", "patch"),
        (
            "main-2d3fcbd-1611906956",
            ["main-aaaaaa1-1611906957", "dev-2d3fcbe-1711906958", "main-2d3fcbd-1911906956-dirty"],
            "main-aaaaaa1-1611906957",
            "",
        ),
        (
            "main-2d3fcbd-1611906956",
            ["main-1234567-1611906958", "main-abcdefa-1611906957"],
            "main-1234567-1611906958",
            "",
        ),
        (
            "main-1234567-1611906956",
            ["main-1234566-1611906957", "main-9999999-1511906957"],
            "main-1234566-1611906957",
            "",
        ),
        ("main-41-4f5e6d7", ["main-42-0a1b2c3", "main-43"], "main-42-0a1b2c3", ""),
        ("20240115-4f5e6d7", ["20240116-0a1b2c3", "20240117"], "20240116-0a1b2c3", ""),
        ("1.2.3-4-gabcdef0", ["1.2.3-5-g1234567", "1.2.4-0-gabcdefa"], "1.2.4-0-gabcdefa", "patch"),
        ("123", ["124", "99", "20240115", "1234"], "1234", "major"),
        ("build-9", ["build-10", "build-8"], "build-10", ""),
        ("20240115", ["20240116", "123456789", "20240117-1", "20240118120000"], "20240116", ""),
        ("20240115-1", ["20240115-2", "20240201-2"], "20240201-2", ""),
        ("2024-01-15", ["2024-02-01", "2024-03-01-alpine", "2024-04"], "2024-02-01", ""),
        ("2024.01.15", ["2024.02.01"], "2024.02.01", ""),
        ("24.04", ["24.10", "24.04.1"], "24.10", "minor"),
        (
            "RELEASE.2024-01-01T00-00-00Z",
            ["RELEASE.2024-02-01T00-00-00Z", "RELEASE.2025-02-01T00-00-00Z.fips"],
            "RELEASE.2024-02-01T00-00-00Z",
            "",
        ),
        ("v20240115-1", ["v20240116-1"], "v20240116-1", ""),
    ],
)
def test_lines(current: str, tags: list[str], expected: str, size: str) -> None:
    """The newest tag of the running tag's line is chosen, and the size of the step is told."""
    for listed in (tags, tags[::-1]):
        selection = follow(current, listed)
        assert (selection.chosen, selection.size) == (expected, size)
        assert set(selection.order) | set(selection.dropped) == {current, *tags}


@pytest.mark.parametrize(
    ("options", "current", "tags", "expected"),
    [
        ({"suffixUpgrade": True}, "1.2.3-alpine3.18", ["1.2.3-alpine3.19"], "1.2.3-alpine3.19"),
        ({"suffixUpgrade": True}, "1.2.3-alpine3.18", ["1.2.4-alpine3.17"], "1.2.3-alpine3.18"),
        ({"suffixUpgrade": True}, "1.2.3-alpine3.9", ["1.2.3-alpine3.10"], "1.2.3-alpine3.10"),
        (
            {"suffixUpgrade": True},
            "1.2.3-alpine3.18",
            ["1.2.4-alpine", "1.2.4"],
            "1.2.3-alpine3.18",
        ),
        ({"prerelease": True}, "1.2.3", ["1.3.0-rc.1"], "1.3.0-rc.1"),
        ({"prerelease": True}, "1.2.3-rc.1", ["1.3.0-rc.1", "1.2.3"], "1.3.0-rc.1"),
        ({"step": "minor"}, "1.0.0", ["1.10.0", "10.0.0"], "1.10.0"),
        ({"step": "patch"}, "1.0.0", ["1.10.0", "1.0.3"], "1.0.3"),
    ],
)
def test_options(options: dict[str, object], current: str, tags: list[str], expected: str) -> None:
    """Each option of follow opens or closes what it says."""
    assert follow(current, tags, **options).chosen == expected


@pytest.mark.parametrize(
    "current",
    [
        "latest",
        "stable",
        "abc1234",
        "deadbeef",
        "sha-abc1234",
        "sha-1234567",
        "main-abc1234",
        "pr-12",
        "PR-7",
        "mr_3",
        "\x00",
        "é",
    ],
)
def test_no_order(current: str) -> None:
    """What has no order is refused in words that name the way out, never guessed at."""
    selection = follow(current, ["1.0.0", "2", "pr-13", "zzz"])
    assert selection.chosen is None
    assert "has no order: follow it by digest" in (selection.error or "")


@pytest.mark.parametrize("current", [None, ""])
def test_needs_a_running_tag(current: str | None) -> None:
    """Without a running tag there is no line to follow."""
    selection = select(compile_policy({"follow": {}}), ["1.0.0"], current=current)
    assert selection.chosen is None
    assert selection.error == "follow needs a running tag to follow"


# Where this bot departs from Renovate on purpose: build counters behind a date or a version are
# read as numbers, not as flavours; `b10` is newer than `b2`.
DELIBERATE = {("20240201-2", "20240201-1"), ("1.2.3-2", "1.2.3-1"), ("1.2.3b10", "1.2.3b2")}


def pair(row: dict[str, Any]) -> tuple[str, str]:
    given = row["input"]
    return (given["version"], given["range"]) if "range" in given else (given["a"], given["b"])


@pytest.mark.parametrize(
    "row", [row for row in RENOVATE if row["fn"] == "isCompatible"], ids=lambda r: str(pair(r))
)
def test_compatible(row: dict[str, Any]) -> None:
    """Two tags are of one line where Renovate calls them compatible."""
    new, old = (parse_shape(tag) for tag in pair(row))
    assert new is not None
    assert old is not None
    alike = (new.form, new.flavour) == (old.form, old.flavour)
    assert alike is (row["expected"] or pair(row) in DELIBERATE)


@pytest.mark.parametrize(
    "row",
    [
        row
        for row in RENOVATE
        if row["fn"] in ("isGreaterThan", "compare_sign")
        and len({(s.form, s.flavour) for s in map(parse_shape, pair(row)) if s}) == 1
    ],
    ids=lambda r: str(pair(r)),
)
def test_greater(row: dict[str, Any]) -> None:
    """Of two tags of one line, the one that Renovate calls greater is newer."""
    new, old = pair(row)
    greater = row["expected"] in (True, 1)
    chosen = follow(old, [new], prerelease=True).chosen
    assert (chosen == new != old) is (greater or pair(row) in DELIBERATE)


@pytest.mark.parametrize(
    "row",
    [r for r in RENOVATE if r["fn"] == "newest_by_bucket"],
    ids=lambda r: r["input"]["current"],
)
def test_buckets(row: dict[str, Any]) -> None:
    """Follow elects Renovate's choice for any step and below a major one, but keeps a `v`."""
    current, tags, expected = row["input"]["current"], row["input"]["tags"], row["expected"]
    if isinstance(expected, str):
        assert follow(current, tags).chosen is None
    elif current.startswith("v"):
        assert follow(current, tags).chosen == "v1.2.4"
    else:
        assert follow(current, tags).chosen == expected["major"]
        assert follow(current, tags, step="minor").chosen == expected["non-major"]


@given(st.from_regex(r"v?[0-9]{1,8}(\.[0-9]{1,7}){0,6}", fullmatch=True))
def test_plain_tags(tag: str) -> None:
    """The short way to read a plain version finds what the long way finds."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("imagebot.policy.shape._PLAIN", re.compile(r"(?!)"))
        long = parse_shape(tag)
    assert parse_shape(tag) == long


SHAPES = st.from_regex(
    r"(v|main-|release-)?[0-9]{1,3}(\.[0-9]{1,2}){0,2}(-?(rc|beta|b|alpine|r|p)\.?[0-9]{0,2}){0,2}",
    fullmatch=True,
)


@given(SHAPES, st.lists(SHAPES | st.text(max_size=8), max_size=12))
def test_stays_in_line(current: str, tags: list[str]) -> None:
    """The choice keeps prefix, number of numbers and suffix words, and is never older."""
    assume(not is_hash(current))
    selection = follow(current, tags)
    base, chosen = parse_shape(current), parse_shape(selection.chosen or current)
    assert selection.chosen is not None
    assert base is not None
    assert chosen is not None
    assert (chosen.form, chosen.flavour) == (base.form, base.flavour)
    assert chosen.release >= base.release
    assert base.prerelease or not chosen.prerelease
