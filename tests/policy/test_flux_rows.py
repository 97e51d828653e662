"""Flux's behaviour table, answered by rule through the batch interface in strict reading."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from imagebot.errors import PolicyError
from imagebot.policy import compile_filter, compile_policy, decide_line

TABLE = json.loads(Path("tests/data/policy/flux.json").read_text("utf-8"))["rows"]
ELECTIONS = [
    row
    for row in TABLE
    if row["policy"]
    and row["policy"]["type"] in ("semver", "alphabetical", "numerical")
    and not row.get("constructor_only")
]
CONSTRUCTORS = [row for row in TABLE if row.get("constructor_only")]
FILTERS = [row for row in TABLE if row["policy"] is None]
EXCLUSIONS = [row for row in TABLE if row["policy"] and row["policy"]["type"] == "exclusionList"]
PARSES = [row for row in TABLE if row["policy"] and row["policy"]["type"] == "semver-parse"]

# Flux gives up on the whole list for one tag that is no number; here that tag is dropped by name.
UNPARSABLE_IS_DROPPED = {"\uff11": "0"}


def spec(policy: dict[str, Any]) -> dict[str, Any]:
    kind = policy["type"]
    return {kind: policy["range"] if kind == "semver" else {"order": policy["order"]}}


def name(row: dict[str, Any]) -> str:
    return f"{row['policy'] and row['policy'].get('range', row['policy']['type'])}: {row['label']}"


@pytest.mark.parametrize("row", ELECTIONS, ids=name)
@pytest.mark.parametrize("turned", [False, True], ids=["as listed", "reversed"])
def test_elections(row: dict[str, Any], *, turned: bool) -> None:
    """The tag that Flux elects is elected, whatever the order of the list; ties by our rule."""
    tags = row["tags"][::-1] if turned else row["tags"]
    reply = decide_line(
        {
            "id": 1,
            "policy": spec(row["policy"]),
            "filter": row["filter"],
            "tags": tags,
            "strict": True,
        }
    )
    odd = next((tag for tag in tags if tag in UNPARSABLE_IS_DROPPED), None)
    if odd is not None:
        assert (reply["chosen"], reply["error"]) == (UNPARSABLE_IS_DROPPED[odd], None)
        assert reply["dropped"] == {odd: "not a number"}
    elif row["error"]:
        assert reply["chosen"] is None
        assert reply["error"]
    else:
        assert (reply["chosen"], reply["error"]) == (row["expected"], None)


@pytest.mark.parametrize("row", CONSTRUCTORS, ids=name)
def test_constructors(row: dict[str, Any]) -> None:
    """What Flux refuses to construct is refused with a hint; what it takes is taken."""
    if row["error"]:
        with pytest.raises(PolicyError) as caught:
            compile_policy(spec(row["policy"]))
        assert caught.value.hint
    else:
        assert compile_policy(spec(row["policy"])).name == row["policy"]["type"]


@pytest.mark.parametrize("row", FILTERS, ids=lambda row: row["label"])
def test_filters(row: dict[str, Any]) -> None:
    """A filter leaves the candidates that Flux's leaves, as they were extracted."""
    pattern, extract = row["filter"]["pattern"], row["filter"]["extract"]
    filtered = compile_filter(allow=(pattern,), extract=extract).apply(row["tags"])
    assert sorted(filtered.texts.values()) == row["expected_candidates_sorted"]
    assert filtered.texts.keys() | filtered.dropped.keys() == set(row["tags"])


@pytest.mark.parametrize("row", EXCLUSIONS, ids=lambda row: row["label"])
def test_exclusions(row: dict[str, Any]) -> None:
    """Deny patterns drop what Flux's exclusion list drops."""
    filtered = compile_filter(deny=row["policy"]["patterns"]).apply(row["tags"])
    assert list(filtered.texts) == row["expected"]


@pytest.mark.parametrize("row", PARSES, ids=lambda row: repr(row["tags"][0]))
def test_strict_candidates(row: dict[str, Any]) -> None:
    """In strict reading the same tags are versions as for Flux."""
    reply = decide_line({"policy": {"semver": ">=0-0"}, "tags": row["tags"], "strict": True})
    assert reply["chosen"] == row["expected"]
