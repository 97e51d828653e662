"""What a glob matches, and what it refuses to be."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagebot.config.glob import Glob, GlobError

MATCHES = [
    ("**", "a"),
    ("**", "a/b/c.yaml"),
    ("*", "a.yaml"),
    ("a/**", "a/b"),
    ("a/**", "a/b/c"),
    ("**/a", "a"),
    ("**/a", "x/y/a"),
    ("a/**/b", "a/b"),
    ("a/**/b", "a/x/y/b"),
    ("a/*/b", "a/x/b"),
    ("kustomize/overlays/*/my-app/*.yaml", "kustomize/overlays/dev/my-app/hpa.yaml"),
    ("a?c", "abc"),
    ("[ab]c", "ac"),
    ("[!ab]c", "xc"),
    ("[a-c]x", "bx"),
    ("[]]x", "]x"),
    ("[!]]x", "ax"),
    ("[a^]", "^"),
    ("[\\d]", "d"),
    ("[[]x", "[x"),
    ("*.yaml", ".yaml"),
    ("*", ".hidden"),
    ("a.b", "a.b"),
    ("a+b(c)", "a+b(c)"),
    ("ghcr.io/acme/*", "ghcr.io/acme/web"),
    ("*", "ümlaut"),
    ("a*", "a\nb"),
]

MISMATCHES = [
    ("*", "a/b"),
    ("a/**", "a"),
    ("a/**", "ab/c"),
    ("**/a", "xa"),
    ("a/*/b", "a/x/y/b"),
    ("a/*/b", "a/b"),
    ("a?c", "a/c"),
    ("a[!b]c", "a/c"),
    ("a[.-0]c", "a/c"),
    ("[!ab]c", "ac"),
    ("a.b", "axb"),
    ("a", "A"),
    ("a", "a\n"),
    ("a", "xa"),
    ("ghcr.io/acme/*", "ghcr.io/acme/a/b"),
    ("ghcr.io/acme/*", "ghcrxio/acme/a"),
    ("[\\d]", "5"),
    ("*", ""),
]


@pytest.mark.parametrize(("glob", "name"), MATCHES)
def test_a_glob_matches(glob: str, name: str) -> None:
    """Stars stay within a part of the path, `**` crosses parts, everything else is literal."""
    assert Glob(glob).matches(name)


@pytest.mark.parametrize(("glob", "name"), [case for case in MISMATCHES if case != ("*", "")])
def test_a_glob_does_not_match(glob: str, name: str) -> None:
    """A glob is anchored at both ends, and no class or star reaches over a '/'."""
    assert not Glob(glob).matches(name)


@pytest.mark.parametrize(
    "glob",
    ["", "/a", "a//b", "a/", "a/../b", "./a", "a**", "a/**b", "[a", "[z-a]", "*" * 13, "a" * 513],
)
def test_a_bad_glob_is_refused(glob: str) -> None:
    """What could silently match nothing, or everything, or forever, is an error in words."""
    with pytest.raises(GlobError):
        Glob(glob)


@given(st.text(st.characters(blacklist_characters="/*?[", blacklist_categories=["Cs"]), min_size=1))
def test_a_name_without_special_characters_matches_itself_only(name: str) -> None:
    """A plain name as a pattern is that name, whatever characters a regular expression likes."""
    if name in {".", ".."} or len(name) > 500:
        return
    glob = Glob(name)
    assert glob.matches(name)
    assert not glob.matches(name + "x")
    assert not glob.matches("x" + name)


def reference(pattern: list[str], name: list[str]) -> bool:
    """The meaning of `**` by recursion over parts, with `*` as the only other wildcard."""
    if not pattern:
        return not name
    if pattern[0] == "**":
        if len(pattern) == 1:
            return bool(name)
        return any(reference(pattern[1:], name[skip:]) for skip in range(len(name) + 1))
    if not name:
        return False
    part = re.escape(pattern[0]).replace(r"\*", "[^/]*")
    return re.fullmatch(part, name[0]) is not None and reference(pattern[1:], name[1:])


PARTS = st.sampled_from(["a", "b", "ab", "*", "**", "a*", "*b"])
NAMES = st.sampled_from(["a", "b", "ab", "ba", "aab"])


@given(st.lists(PARTS, min_size=1, max_size=4), st.lists(NAMES, min_size=1, max_size=5))
def test_two_stars_mean_any_number_of_parts(pattern: list[str], name: list[str]) -> None:
    """The compiled form agrees with the plain recursive meaning."""
    assert Glob("/".join(pattern)).matches("/".join(name)) == reference(pattern, name)
