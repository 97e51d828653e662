"""JSON as people write it."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagebot.compat.json5 import parse
from imagebot.errors import ConfigError

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**15), 10**15) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=12,
)


@given(JSON)
def test_json_is_json5(value: object) -> None:
    """What the standard library writes is read back, indented or not."""
    assert parse("x", json.dumps(value)) == value
    assert parse("x", json.dumps(value, indent=2, ensure_ascii=True)) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("{a: 1, 'b': [1, 2,], // c\n}", {"a": 1, "b": [1, 2]}),
        ("/* x */ { $schema: 'y' } // end", {"$schema": "y"}),
        (r"'a\'b\x41\u0042\n'", "a'bAB\n"),
        ("'a\\\nb'", "ab"),
        ("[+1, -2, .5, 1., 0xFF, 1e3, -0x10]", [1, -2, 0.5, 1.0, 255, 1000.0, -16]),
        ("[]", []),
        ("{}", {}),
        ("\ufeff{}", {}),
        ("'// no comment'", "// no comment"),
        ("{true: 1}", {"true": 1}),
    ],
)
def test_what_people_add_to_json_is_read(text: str, value: object) -> None:
    """Comments, bare keys, single quotes, commas at the end, numbers of all kinds."""
    assert parse("x", text) == value


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("", "x.json:1:1"),
        ("{", "x.json:1:2"),
        ("{a 1}", "x.json:1:4"),
        ("{a: 1 b: 2}", "x.json:1:7"),
        ("{\n  a: }", "x.json:2:6"),
        ("[1] 2", "x.json:1:5"),
        ("[NaN]", "x.json:1:2"),
        ("'a\nb'", "x.json:1:1"),
        ("[" * 300, "x.json:1:102"),
    ],
)
def test_a_mistake_is_told_with_its_place(text: str, place: str) -> None:
    """Line and column, in words, and never a crash."""
    with pytest.raises(ConfigError, match="not valid JSON5") as caught:
        parse("x.json", text)

    assert str(caught.value.problems[0].where) == place
