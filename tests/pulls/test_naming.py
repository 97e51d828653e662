"""Branch names and fingerprints."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imagebot.errors import Where
from imagebot.pulls.naming import BRANCH_PREFIX, branch_name, fingerprint
from tests.pulls.samples import edit

ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=400)
NASTY = [
    "",
    "production/ghcr.io/acme/my-app",
    "a" * 500,
    "..",
    "@{",
    "x.lock",
    "/",
    "-rf",
    "--upload-pack=touch x",
    "$(id)",
    "`id`",
    "ünï-cødé/日本",
    "a\0b",
    "a\nb",
    "\ud800",
    "A/B",
    "~^:?*[\\",
]


@pytest.mark.parametrize("key", NASTY)
def test_git_itself_accepts_every_branch_name(key: str) -> None:
    """Whatever the key, git check-ref-format says yes."""
    git = shutil.which("git")
    if git is None:
        pytest.skip("git is not installed")
    name = branch_name("main", key)
    subprocess.run([git, "check-ref-format", f"refs/heads/{name}"], check=True)
    subprocess.run([git, "check-ref-format", "--branch", name], check=True, capture_output=True)


@given(ANY_TEXT, ANY_TEXT)
@settings(max_examples=200, deadline=None)
def test_names_are_short_lower_case_and_stable(base: str, key: str) -> None:
    """A name is at most 100 safe characters, and the same every time."""
    name = branch_name(base, key)
    slug, _, digits = name.removeprefix(BRANCH_PREFIX).rpartition("-")
    assert len(name) <= 100
    assert name == name.lower() == branch_name(base, key)
    assert slug
    assert len(digits) == 8
    assert set(slug) <= set("abcdefghijklmnopqrstuvwxyz0123456789-")


def test_a_name_is_what_it_was_in_every_release() -> None:
    """Names are an interface: a changed one would orphan every open request."""
    assert branch_name("main", "production/ghcr.io/acme/my-app") == (
        "imagebot/production-ghcr-io-acme-my-app-3495e655"
    )


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (("main", "A/b"), ("main", "a/B")),
        (("main", "a/b"), ("main", "a-b")),
        (("main", "a"), ("dev", "a")),
        (("ab", "c"), ("a", "bc")),
        (("main", "日本"), ("main", "中国")),
        (("main", "x" * 300), ("main", "x" * 301)),
    ],
)
def test_other_keys_have_other_branches(one: tuple[str, str], other: tuple[str, str]) -> None:
    """Keys that look alike, differ in case, or are cut at the same place stay apart."""
    assert branch_name(*one) != branch_name(*other)


def test_a_fingerprint_is_the_wanted_end_state() -> None:
    """Order, repetition, old text and line numbers do not count."""
    one, two = edit("a.yaml"), edit("b.yaml", "2.0.0")
    moved = replace(one, old="1.4.9", where=Where("a.yaml", 99, 1))
    assert fingerprint([one, two]) == fingerprint([two, moved, two])
    assert len(fingerprint([])) == 32


@pytest.mark.parametrize(
    "other",
    [
        edit("a.yaml", "1.5.1"),
        edit("b.yaml"),
        edit("a.yaml", document=1),
        edit("a.yaml", keys=("images", "0", "newTag")),
        edit("a.yaml", keys=("images", 0)),
    ],
)
def test_another_end_state_has_another_fingerprint(other: object) -> None:
    """Any other text or place is another wish."""
    assert fingerprint([edit("a.yaml")]) != fingerprint([other])  # type: ignore[list-item]
