"""Filters: RE2 only, Go's templates, and no tag lost without a word."""

from __future__ import annotations

import pytest
import re2
from hypothesis import given
from hypothesis import strategies as st

from imagebot.errors import PolicyError
from imagebot.policy import compile_filter, compile_policy, select
from imagebot.policy.expand import compile_template
from imagebot.policy.filters import Pattern

PATTERN = r"^(?P<branch>[a-z]+)-(?P<sha>[0-9a-f]{7})-(?P<ts>[0-9]+)(?P<end>-dirty)?$"
TAG = "main-2d3fcbd-1611906956"


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("$ts", "1611906956"),
        ("${ts}", "1611906956"),
        ("$branch-$ts", "main-1611906956"),
        ("$branch.$ts", "main.1611906956"),
        ("$3", "1611906956"),
        ("$0", TAG),
        ("$1x", ""),
        ("${1}x", "mainx"),
        ("$tsx", ""),
        ("${ts}x", "1611906956x"),
        ("$nope", ""),
        ("$9", ""),
        ("$01", ""),
        ("$$ts", "$ts"),
        ("$$$ts", "$1611906956"),
        ("$end|", "|"),
        ("literal", "literal"),
        ("100%$", "100%$"),
        ("a$-b", "a$-b"),
        ("${ts", "${ts"),
        ("${}", "${}"),
        ("é$ts", "é1611906956"),
        ("$²", "$²"),
        ("${²}", "${²}"),
        ("$ts²", "1611906956²"),
        ("${ts²}", "${ts²}"),
        ("$tsé", ""),
        ("$ts٣", ""),
        ("${é}|", "|"),
        ("$ts$", "1611906956$"),
    ],
)
def test_templates(template: str, expected: str) -> None:
    """A template expands as Go's Regexp.Expand does."""
    assert compile_filter(allow=[PATTERN], extract=template).text(TAG) == expected


@pytest.mark.parametrize(
    ("pattern", "hint"),
    [
        ("(?=a)", "lookahead"),
        ("(?!a)", "lookahead"),
        ("(?<=a)b", "lookbehind"),
        ("(a)\\1", "backreferences"),
        ("(", "RE2"),
        ("a{2000}", "RE2"),
        ("[z-a]", "RE2"),
        ("\ud800", ""),
        ("a" * 3000, ""),
    ],
)
def test_refused_patterns(pattern: str, hint: str) -> None:
    """What RE2 lacks is refused when the filter is compiled, with a hint at what to do."""
    for options in ({"allow": [pattern]}, {"deny": [pattern]}):
        with pytest.raises(PolicyError) as caught:
            compile_filter(**options)
        assert hint in caught.value.hint


def test_extract_needs_a_pattern() -> None:
    """An extract without a pattern is refused: it could only make every tag equal."""
    with pytest.raises(PolicyError, match="no pattern"):
        compile_filter(extract="$1")


def test_patterns_are_searched_for() -> None:
    """Patterns are unanchored, any allow suffices, deny wins, and each drop is named."""
    filtered = compile_filter(["app", "^web$"], ["-dirty$", "tmp"]).apply(
        ["myapp-2", "web", "web2", "app-dirty", "tmp-app"]
    )
    assert filtered.texts == {"myapp-2": "myapp-2", "web": "web"}
    assert filtered.dropped == {
        "web2": "matches no allow pattern: app ^web$",
        "app-dirty": "matches the deny pattern -dirty$",
        "tmp-app": "matches the deny pattern tmp",
    }


def test_first_allow_pattern_extracts() -> None:
    """The first allow pattern that matches gives the groups."""
    chosen_filter = compile_filter([r"^a-(?P<n>\d+)", r"-(?P<n>\d+)$"], extract="$n")
    assert chosen_filter.apply(["a-1-2", "b-3"]).texts == {"a-1-2": "1", "b-3": "3"}


def test_equal_extracts_are_all_kept() -> None:
    """Two tags with one extract both remain, and the sentence names the one that lost the tie."""
    chosen_filter = compile_filter([r"^main-[a-f0-9]+-(?P<ts>[0-9]+)"], extract="$ts")
    tags = [TAG, f"{TAG}-dirty"]
    policy = compile_policy({"numerical": "asc"})
    for listed in (tags, tags[::-1]):
        selection = select(policy, listed, current=None, tag_filter=chosen_filter)
        assert selection.order == (f"{TAG}-dirty", TAG)
        assert f"{TAG} equals it" in selection.why
    stays = select(policy, tags, current=TAG, tag_filter=chosen_filter)
    assert stays.chosen == TAG


TEXT = st.text(max_size=20) | st.from_regex(r"[a-c0-2.-]{0,12}", fullmatch=True)
PATTERNS = [
    "a+b*",
    "^[a-c]+$",
    r"\d\.\d",
    "(?i)B",
    r"^\pL*$",
    "^(a|b)*c$",
    "",
    r"\x00|é",
    r"\bab\b",
]


@given(TEXT, st.lists(st.sampled_from(PATTERNS), min_size=1, max_size=4))
def test_sets_match_as_single_patterns(tag: str, patterns: list[str]) -> None:
    """Matching all patterns in one call finds what each pattern finds alone."""
    alone = any(re2.search(pattern, tag) for pattern in patterns)
    assert (tag in compile_filter(allow=patterns).apply([tag]).texts) is alone
    assert (tag in compile_filter(deny=patterns).apply([tag]).dropped) is alone


@pytest.mark.parametrize(
    ("pattern", "tag"),
    [
        (r"(a|b)*a(a|b){401}\pL{20}$", "ab" * 300),
        (r"\pL{300}$|(a|b)*a\pL{100}$", "a" * 400),
        (r"\pL{400}$", "a" * 400),
    ],
)
def test_heavy_patterns(pattern: str, tag: str) -> None:
    """A pattern near the size limit still matches, where a set could give up silently."""
    assert compile_filter(allow=[pattern]).apply([tag, "0"]).texts == {tag: tag}


@pytest.mark.parametrize("pattern", ["\\C", "v\\\\\\C", "(?P<half>\\C)", "\\Qa\\E\\C"])
def test_a_single_byte_is_no_pattern(pattern: str) -> None:
    r"""`\C`, which Go refuses, would cut characters in half."""
    with pytest.raises(PolicyError, match="invalid escape sequence") as caught:
        compile_filter(allow=[pattern], extract="$0")
    assert "write . for a character" in (caught.value.hint or "")


@pytest.mark.parametrize("pattern", ["\\\\C", "\\Q\\C\\E"])
def test_a_backslash_before_a_letter_is_not_always_an_escape(pattern: str) -> None:
    """An escaped or quoted backslash is itself, and the C behind it too."""
    assert compile_filter(allow=[pattern], extract="$0").text("a\\C") == "\\C"


def test_half_a_character_does_not_raise() -> None:
    """Whatever bytes a pattern takes out of a tag, they come out as text."""
    half = Pattern("half", re2.compile("\\C"))
    templates = [compile_template(text, {}, 0) for text in ("$0", "a$0")]
    assert half.expand("é", templates) == ["\ufffd", "a\ufffd"]


@pytest.mark.parametrize("name", ["é", "名", "a٣"])
def test_names_of_groups_are_ascii(name: str) -> None:
    """A group's name that Go refuses is refused."""
    with pytest.raises(PolicyError, match="invalid named capture group"):
        compile_filter(allow=[f"(?P<{name}>a)"])
