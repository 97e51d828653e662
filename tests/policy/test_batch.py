"""The batch interface: one reply for every request, however odd."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagebot.policy import decide_line

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=6,
)


def test_reply() -> None:
    """A reply names the request, the choice and the reason of every dropped tag."""
    request = {
        "id": "web",
        "policy": {"semver": ">=1.0.0"},
        "filter": {"pattern": "^v(?P<v>.*)$", "extract": "$v"},
        "tags": ["v1.0.0", "v1.1.0", "v2.0.0-rc.1", "latest", "vx"],
        "current": None,
        "strict": True,
    }
    assert decide_line(request) == {
        "id": "web",
        "chosen": "v1.1.0",
        "error": None,
        "dropped": {
            "latest": "matches no allow pattern: ^v(?P<v>.*)$",
            "v2.0.0-rc.1": "a prerelease, and the range names none",
            "vx": "not a semantic version of three parts",
        },
    }


@pytest.mark.parametrize(
    ("policy", "tags", "chosen"),
    [
        ({"semver": {"range": ">=1"}}, ["1.0", "1.2"], "1.2"),
        ({"type": "semver", "range": ">=1"}, ["1.0", "1.2"], "1.2"),
        ({"alphabetical": {"order": "DESC"}}, ["a", "b"], "a"),
        ({"type": "numerical", "order": ""}, ["1", "2"], "2"),
        ({"numeric": None}, ["1", "2"], "2"),
        ({"calendar": {}}, ["20240101", "20240102"], "20240102"),
    ],
)
def test_spellings(policy: dict[str, Any], tags: list[str], chosen: str) -> None:
    """A policy may be written short, as a mapping, or flat with its type."""
    assert decide_line({"policy": policy, "tags": tags})["chosen"] == chosen


@pytest.mark.parametrize(
    ("request_", "error"),
    [
        ([], "a request is an object, not list"),
        (None, "a request is an object"),
        ("x", "a request is an object"),
        ({}, "tags is a list of texts"),
        ({"tags": ["1"]}, "policy is an object"),
        ({"tags": [1], "policy": {"semver": "*"}}, "tags is a list of texts"),
        ({"tags": "1.0", "policy": {"semver": "*"}}, "tags is a list of texts"),
        ({"tags": [], "policy": {}}, "exactly one name"),
        ({"tags": [], "policy": {"semver": "*", "newest": {}}}, "exactly one name"),
        ({"tags": [], "policy": {"semver": "1x"}}, "is no comparison"),
        ({"tags": [], "policy": {"semver": "*"}}, "the list of tags is empty"),
        ({"tags": ["a"], "policy": {"semver": "*"}}, "no tag satisfies the policy semver *"),
        ({"tags": ["1.0"], "policy": {"newest": {}}}, "cannot decide before the details"),
        ({"tags": ["1"], "policy": {"semver": "*"}, "filter": {"pattern": "("}}, "pattern '('"),
        ({"tags": ["1"], "policy": {"semver": "*"}, "filter": {"pattern": "^2"}}, "no tag passes"),
        (
            {"tags": ["1"], "policy": {"semver": "*"}, "filter": {"patern": "^2"}},
            "filter is null or",
        ),
        ({"tags": ["1"], "policy": {"semver": "*"}, "filter": "^2"}, "filter is null or"),
        ({"tags": ["1"], "policy": {"semver": "*"}, "filter": {"pattern": 2}}, "are texts"),
        ({"tags": ["1"], "policy": {"semver": "*"}, "current": 1}, "current is null or a tag"),
        ({"tags": ["1"], "policy": {"semver": "*"}, "strict": 1}, "strict is true or false"),
        ({"tags": ["1"], "policy": {"semver": "*"}, "polcy": 1}, "no field polcy"),
    ],
)
def test_bad_requests(request_: Any, error: str) -> None:
    """A request that makes no sense gets a reply that says what is wrong, with its id."""
    if isinstance(request_, dict):
        request_ = {"id": 7, **request_}
    reply = decide_line(request_)
    assert reply["chosen"] is None
    assert error in reply["error"]
    assert reply["id"] == (7 if isinstance(request_, dict) else None)


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "id": JSON,
            "policy": JSON
            | st.dictionaries(
                st.sampled_from(
                    ["semver", "numeric", "regex", "follow", "digest", "newest", "type", "calendar"]
                ),
                JSON,
                min_size=1,
                max_size=1,
            ),
            "filter": JSON | st.fixed_dictionaries({}, optional={"pattern": JSON, "extract": JSON}),
            "tags": JSON | st.lists(st.text(max_size=5), max_size=4),
            "current": JSON,
            "strict": JSON,
        },
    )
    | JSON
)
def test_never_raises(request_: Any) -> None:
    """Whatever JSON comes, a reply goes back: a choice or an error, never both, never neither."""
    reply = decide_line(request_)
    assert set(reply) == {"id", "chosen", "error", "dropped"}
    assert (reply["chosen"] is None) == (reply["error"] is not None)
    json.dumps(reply)
