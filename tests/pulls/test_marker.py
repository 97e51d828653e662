"""The bot's memory in a body: written, found, checked, and kept apart from people's text."""

from __future__ import annotations

import base64
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imagebot.pulls.markdown import clean
from imagebot.pulls.marker import (
    MAX_ENCODED,
    MAX_HISTORY,
    Marker,
    around,
    block,
    decode,
    encode,
    merge_body,
    with_marker,
)

TEXT = st.text(st.characters(exclude_categories=()), max_size=90)
SHOWN = st.text(st.characters(codec="ascii", categories=("L", "N", "P")), max_size=60).map(clean)
MARKERS = st.builds(
    Marker,
    key=TEXT,
    fingerprint=st.sampled_from(["", "a" * 32]),
    commit=st.sampled_from(["", "b" * 40]),
    title=TEXT,
    text=st.sampled_from(["", "c" * 32]),
    version=TEXT,
    closed_by=st.sampled_from(["", "imagebot"]),
    told=st.lists(st.sampled_from(["edited", "obsolete"]), max_size=2).map(tuple),
    history=st.lists(SHOWN, max_size=MAX_HISTORY).map(tuple),
)
MARKER = Marker("production/my-app", "a" * 32, title="production: my-app 1 → 2")


@given(MARKERS, st.booleans())
@settings(max_examples=200, deadline=None)
def test_what_is_written_is_read(marker: Marker, html: bool) -> None:  # noqa: FBT001 -- Hypothesis draws it
    """Any text survives, in both hidden forms, and cannot break out of its line."""
    line = encode(marker, html=html)
    assert decode(f"text above\n\n{line}\n\ntext below") == marker
    assert "\n" not in line
    assert line.isascii()
    assert line.count("-->") == int(html)
    assert line.count(")") == int(not html)


@given(st.text(max_size=300))
@settings(max_examples=200, deadline=None)
def test_no_body_makes_decode_raise(text: str) -> None:
    """Garbage is no marker, whatever it looks like."""
    for body in (text, f"<!-- imagebot:marker {text} -->"):
        decode(body)
    payload = base64.b64encode(text.encode()).decode()
    assert decode(f"<!-- imagebot:marker {payload} -->") is None


def forged(**values: object) -> str:
    packed = json.dumps({"v": 1, "key": "k"} | values).encode()
    return f"<!-- imagebot:marker {base64.b64encode(packed).decode()} -->"


@pytest.mark.parametrize(
    "body",
    [
        "",
        "<!-- imagebot:marker -->",
        "<!-- imagebot:marker AAAA -->",
        "<!-- imagebot:marker A -->",
        forged(v=2),
        forged(v="1"),
        forged(key=7),
        forged(key="k" * 601),
        forged(key=None),
        forged(title=["x"]),
        forged(title="x" * 601),
        forged(fingerprint="a" * 129),
        forged(fingerprint="a b"),
        forged(commit="--upload-pack=x y"),
        forged(commit={"a": 1}),
        forged(history="1.2.3"),
        forged(history=["x"] * (MAX_HISTORY + 1)),
        forged(history=["x" * 401]),
        forged(history=[1]),
        forged(told={"edited": True}),
        "<!-- imagebot:marker " + "A" * (MAX_ENCODED + 4) + " -->",
        "<!-- imagebot:marker " + base64.b64encode(b"[" * 5000).decode() + " -->",
        "<!-- imagebot:marker " + base64.b64encode(b'{"v":1e999}').decode() + " -->",
        "<!-- imagebot:marker " + base64.b64encode(b'"text"').decode() + " -->",
    ],
)
def test_a_forged_marker_is_none(body: str) -> None:
    """Wrong version, type, alphabet or size: not a marker at all, rather than half of one."""
    assert decode(body) is None


def test_a_valid_forgery_is_cleaned() -> None:
    """Text that goes back into a body comes without control characters."""
    marker = decode(forged(history=["1.2\n<!-- x\u202e"], extra=1))
    assert marker is not None
    assert marker.history == ("1.2 <! -- x",)


def test_a_long_marker_stays_readable() -> None:
    """The longest one that is written is short enough to be read, and keeps the latest history."""
    title = "→" * 500
    huge = Marker("k" * 700, "a" * 64, "b" * 64, title, "c" * 32, title, history=(title,) * 50)
    marker = decode(encode(huge))
    assert marker is not None
    assert marker.key == "k" * 600
    assert len(marker.history) == MAX_HISTORY


BLOCK = block("new table", MARKER)


@pytest.mark.parametrize(
    ("existing", "expected"),
    [
        ("", BLOCK),
        (block("old", MARKER), BLOCK),
        (f"Ann: wait\n\n{block('old', MARKER)}", f"Ann: wait\n\n{BLOCK}"),
        (f"{block('old', MARKER)}\n\nBob: ok", f"{BLOCK}\n\nBob: ok"),
        (f"up\r\n{block('old', MARKER)}\r\ndown".replace("\n", "\r\n"), f"up\n\n{BLOCK}\n\ndown"),
        (f"a\n{block('old', MARKER)}\nb\n{block('old', MARKER)}\nc", f"a\n\n{BLOCK}\n\nb\n\nc"),
        ("only Ann", f"only Ann\n\n{BLOCK}"),
        ("a\n<!-- imagebot:begin -->\nb", f"a\n\nb\n\n{BLOCK}"),
        ("> <!-- imagebot:begin -->", f"> <!-- imagebot:begin -->\n\n{BLOCK}"),
        (f"a\n{block('old', MARKER, html=False)}\nb", f"a\n\n{BLOCK}\n\nb"),
        (f"a\n{encode(MARKER)}\nb", f"a\n\nb\n\n{BLOCK}"),
        ("a <!-- imagebot:end --> b", f"a <!-- imagebot:end --> b\n\n{BLOCK}"),
    ],
)
def test_people_keep_their_text(existing: str, expected: str) -> None:
    """The bot replaces its own block; what people wrote around it stays, in its place."""
    assert merge_body(existing, BLOCK) == expected
    assert merge_body(expected, BLOCK) == expected


@given(SHOWN, SHOWN, SHOWN, SHOWN)
@settings(max_examples=100, deadline=None)
def test_merging_is_stable(above: str, below: str, first: str, second: str) -> None:
    """Updated any number of times, the text around the block is what it was."""
    body = f"{above}\n\n{block(first, MARKER)}\n\n{below}"
    for content in (second, first, second):
        body = merge_body(body, block(content, MARKER))
    assert around(body) == (above.strip(), below.strip())
    assert body.count("imagebot:begin") == 1


def test_a_marker_is_exchanged_in_place() -> None:
    """Closing or holding changes the hidden line alone, or adds a block where there was none."""
    body = f"up\n\n{block('table', MARKER)}\n\ndown"
    other = Marker("production/my-app", closed_by="imagebot")
    changed = with_marker(body, other)
    assert decode(changed) == other
    assert changed.replace(encode(other), encode(MARKER)) == body
    assert decode(with_marker("Ann's text", other)) == other
    assert with_marker("Ann's text", other).startswith("Ann's text\n")
