"""The version and range tables of Masterminds/semver and of the tools built on it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from imagebot.errors import PolicyError
from imagebot.policy import compile_filter, compile_policy, select
from imagebot.policy.ranges import Range
from imagebot.policy.version import parse

DATA = Path("tests/data/policy")
MATRIX = json.loads((DATA / "semver_matrix.json").read_text("utf-8"))
GENERATED = json.loads((DATA / "generated_ranges.json").read_text("utf-8"))
TABLE = json.loads((DATA / "argo_kargo_masterminds.json").read_text("utf-8"))["rows"]


def kind(name: str) -> list[dict[str, Any]]:
    return [row for row in TABLE if row["kind"] == name]


def label(row: dict[str, Any]) -> str:
    return json.dumps([row["input"], row.get("options")])


def matching(text: str, versions: list[str]) -> list[str]:
    compiled = Range(text)
    return [version for version in versions if parse(version) in compiled]


@pytest.mark.parametrize("row", MATRIX["rows"], ids=lambda row: row["range"])
def test_matrix(row: dict[str, Any]) -> None:
    """Each range holds the versions that the reference library says, and no other."""
    if row["error"]:
        with pytest.raises(PolicyError):
            Range(row["range"])
    else:
        assert matching(row["range"], MATRIX["versions"]) == row["matches"]


def test_generated_ranges() -> None:
    """Hundreds of generated ranges hold what the reference library says that they hold."""
    wrong = []
    for row in GENERATED["rows"]:
        expected = None if row["error"] else [GENERATED["versions"][i] for i in row["matches"]]
        try:
            found = matching(row["range"], GENERATED["versions"])
        except PolicyError:
            found = None
        if found != expected:
            wrong.append(row["range"])
    assert wrong == []


def test_total_order() -> None:
    """Precedence orders the matrix's versions as the reference library does, metadata ignored."""
    keys = [parse(version) for version in MATRIX["ascending_order"]]
    assert None not in keys
    assert keys == sorted(keys)


@pytest.mark.parametrize("row", kind("semver_constraint_check"), ids=label)
def test_constraint_check(row: dict[str, Any]) -> None:
    """A version is inside a range, or not, as in the library's own tests, gate open or shut."""
    compiled = Range(row["input"]["constraint"], prereleases=row["options"]["include_prerelease"])
    assert (parse(row["input"]["version"]) in compiled) is row["expected"]


@pytest.mark.parametrize("row", kind("semver_constraint_parse"), ids=label)
def test_constraint_parse(row: dict[str, Any]) -> None:
    """What is a range in the library is one here, and what is an error is one."""
    if row["expected"] == "error":
        with pytest.raises(PolicyError) as caught:
            Range(row["input"])
        assert repr(row["input"]) in caught.value.message
    else:
        assert Range(row["input"]).text == row["input"]


# Two readings of the library that none of the three tools uses for tags are left out: its strict
# parser, which has no `v`, and the switch against leading zeros.
LOOSE = [
    row
    for row in kind("semver_parse")
    if row["options"]["mode"] == "loose" and row["options"].get("coerce_new_version", True)
]


@pytest.mark.parametrize("row", LOOSE, ids=label)
def test_parse(row: dict[str, Any]) -> None:
    """A tag is a version exactly when the library's lenient parser takes it."""
    assert (parse(row["input"]) is not None) is (row["expected"] == "ok")


@pytest.mark.parametrize("row", kind("semver_coerce"), ids=label)
def test_coerce(row: dict[str, Any]) -> None:
    """A partial version equals its padded form."""
    assert parse(row["input"]) == parse(row["expected"]) is not None


@pytest.mark.parametrize("row", kind("semver_compare"), ids=label)
def test_compare(row: dict[str, Any]) -> None:
    """Two versions compare as in the library."""
    left, right = (parse(text) for text in row["input"])
    assert left is not None
    assert right is not None
    assert (left > right) - (left < right) == row["expected"]


@pytest.mark.parametrize("row", kind("tag_match"), ids=label)
def test_tag_match(row: dict[str, Any]) -> None:
    """Allow and ignore patterns combine as in Kargo: ignore wins, any allow suffices."""
    options = row["options"]
    chosen_filter = compile_filter(
        options.get("allow_regexes", ()), options.get("ignore_regexes", ())
    )
    spec = {"alphabetical": "asc"} if options["strategy"] == "any" else {"semver": "*"}
    policy = compile_policy(spec, strict=options.get("strict_semvers", False))
    selection = select(policy, [row["input"]], current=None, tag_filter=chosen_filter)
    assert (selection.chosen == row["input"]) is row["expected"]


@pytest.mark.parametrize(
    "row", [r for r in kind("tag_select") if r["options"].get("strategy") == "semver"], ids=label
)
def test_tag_select(row: dict[str, Any]) -> None:
    """A range elects what Argo CD Image Updater elects, also when the running tag is no version."""
    policy = compile_policy({"semver": row["options"]["constraint"] or "*"})
    selection = select(policy, row["input"], current=row["options"]["current"])
    assert selection.chosen == row["expected"]


KEEL = [
    row
    for row in kind("update_decision")
    if row["options"]["policy"] in ("all", "major", "minor", "patch")
    and not row["options"]["match_prerelease"]
    and "-" not in row["input"]["current"]
]


@pytest.mark.parametrize("row", KEEL, ids=label)
def test_steps(row: dict[str, Any]) -> None:
    """Follow with a largest step moves where Keel's policy of that name moves."""
    step = {"all": "major"}.get(row["options"]["policy"], row["options"]["policy"])
    policy = compile_policy({"follow": {"step": step}})
    current, candidate = row["input"]["current"], row["input"]["candidate"]
    selection = select(policy, [current, candidate], current=current)
    assert (selection.chosen != current) is row["expected"]


@pytest.mark.parametrize(
    ("current", "tags", "expected"),
    [
        ("7.9.1-1-ubi8", ["3.0.0", "5.0.0"], "7.9.1-1-ubi8"),
        ("7.9.1-1-ubi8", ["3.0.0", "8.0.0", "8.3.1", "latest"], "8.3.1"),
        ("7.9.1-1-ubi8", ["7.9.1"], "7.9.1"),
    ],
)
def test_never_back(current: str, tags: list[str], expected: str) -> None:
    """A range never goes back from a running version that is outside of it."""
    assert select(compile_policy({"semver": "*"}), tags, current=current).chosen == expected
