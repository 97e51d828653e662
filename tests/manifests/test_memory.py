"""Scans that are written down and read back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagebot.errors import ImagebotError, Where
from imagebot.governing import Marker, PolicyObject, Setting
from imagebot.imageref import ImageRef, Repository
from imagebot.manifests.memory import dump, load
from imagebot.model import FileScan, ImageUse, Skipped, Slot

TEXT = st.text(max_size=12) | st.sampled_from(
    ["ghcr.io/acme/web", "é😀", "\ud800", "\u2028", '"\\', "1.10", ""]
)
WHERE = st.builds(Where, TEXT, st.integers(0, 10**9), st.integers(0, 10**6))
KEYS = st.lists(TEXT | st.integers(0, 10**6), max_size=6).map(tuple)
SLOT = st.builds(
    Slot, st.sampled_from(["reference", "tag", "digest"]), st.integers(0, 10**6), KEYS, TEXT, WHERE
)
IMAGE = st.builds(ImageRef, TEXT, st.builds(Repository, TEXT, TEXT, st.booleans()), TEXT, TEXT)
USE = st.builds(
    ImageUse, TEXT, TEXT, IMAGE, st.lists(SLOT, max_size=3).map(tuple), WHERE, st.none()
)
SETTINGS = st.lists(st.builds(Setting, KEYS, TEXT, WHERE), max_size=3).map(tuple)
OBJECT = st.builds(PolicyObject, TEXT, TEXT, TEXT, SETTINGS, WHERE)
MARKER = st.builds(
    Marker, TEXT, TEXT, TEXT, st.integers(0, 9), KEYS, TEXT, WHERE, WHERE, TEXT, TEXT, TEXT
)
SCAN = st.builds(
    FileScan,
    st.lists(USE, max_size=3).map(tuple),
    st.lists(st.builds(Skipped, WHERE, TEXT), max_size=3).map(tuple),
    st.lists(OBJECT, max_size=2).map(tuple),
    st.lists(MARKER, max_size=2).map(tuple),
)


@given(SCAN)
def test_a_scan_comes_back_exactly(scan: FileScan) -> None:
    """Every value and type survives, on one line of ASCII."""
    text = dump(scan)
    assert load(text) == scan
    assert text.isascii()
    assert "\n" not in text
    assert (text == "") == (scan == FileScan())
    for use in load(text).uses:
        assert hash(use) == hash(next(other for other in scan.uses if other == use))


@pytest.mark.parametrize(
    "text",
    [
        "{",
        "null",
        "[]",
        "[[1],[],[],[]]",
        '[[["k","l",[],[],[]]],[],[],[]]',
        "[[],[[1,2]]]",
        "[" * 100_000,
    ],
)
def test_a_damaged_text_is_told(text: str) -> None:
    """A broken memory is an error in words, never half a scan."""
    with pytest.raises(ImagebotError, match="damaged"):
        load(text)
