"""What needs quotes: by table, and against real parsers of both YAML versions."""

from __future__ import annotations

import io
from typing import Any

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from imagebot.yamltree.plain import needs_quotes, quote, reads_as, write


def _words(text: str) -> list[str]:
    return text.split()


STRINGS = _words("""
    1.2.3 v1 v1.10 latest 5d26e07 1.2.3-rc.1 1.21-alpine 20240101-abc 2024.01.01 nginx nginx:1.2
    ghcr.io/acme/web:1.2@sha256:aaaa localhost:5000/a:1 docker-daemon:my-app 1.2.3_4 a_1 x 0x 0xg
    0b2 1e 12345e7f e5 infinity nan null1 truey yess no-op a=b 1-2 1+1 10m 1.2. 1..2 _1 _ é 😀
    a#b a:b a\\b a'b a"b tag@x
""")
NUMBERS = _words("""
    1.10 1.20 .5 1. 10 0 -1 +1 +1.5 1e5 1E5 1e+5 12345e7 1.5e3 5e-3 0755 0o14 08 09 0777 0x1F 0X1f
    -0x1f 0b101 0B1 1_000 1_0.5 0x_1F 1:30 190:20:30 1:30.5 .inf -.inf +.Inf .NaN .nan 1234567
    553640e6 20240101 685230.15e+03
""")
BOOLEANS = _words(
    "y Y yes Yes YES n N no No NO true True TRUE false False FALSE on On ON off Off OFF"
)
TIMESTAMPS = [
    "2024-01-01",
    "2024-1-2",
    "2001-12-14t21:59:43.10-05:00",
    "2001-12-14 21:59:43",
    "2001-12-15T02:59:43.1Z",
]
ILLEGAL = [
    " a", "a ", "a: b", "a:", "a #b", "#a", "- a", "-", "-a", "?", "? a", ":", ":a", "[a", "a]", "{a", "a}", "a,b",
    "&a", "*a", "!a", "|", ">", "'a", '"a', "%a", "@a", "`a", "---", "--- a", "...", "... a", "a\nb", "a\tb", "\t",
    "a\x00", "a\x07", "a\x7f", "a\x85b", "a\u2028b", "\ufeffa", "a\xa0".replace("\xa0", "\u2029"), "{{ .x }}",
]  # fmt: skip


@pytest.mark.parametrize("text", STRINGS)
def test_a_string_for_every_parser_stays_plain(text: str) -> None:
    """Tags and references that no parser takes for anything else keep their plain style."""
    assert reads_as(text) == "string"
    assert not needs_quotes(text)


@pytest.mark.parametrize(
    ("text", "reading"),
    [
        *((text, "number") for text in NUMBERS),
        *((text, "boolean") for text in BOOLEANS),
        *((text, "timestamp") for text in TIMESTAMPS),
        *((text, "null") for text in ["", "~", "null", "Null", "NULL"]),
        *((text, "other") for text in ["=", "<<"]),
    ],
)
def test_what_some_parser_takes_for_another_type_is_quoted(text: str, reading: str) -> None:
    """Numbers, booleans, nulls and timestamps of YAML 1.1, 1.2 and Go are told by name."""
    assert reads_as(text) == reading
    assert needs_quotes(text)


@pytest.mark.parametrize("text", ILLEGAL)
def test_what_is_no_legal_plain_scalar_is_quoted(text: str) -> None:
    """A text that would open, close or comment something is never left plain."""
    assert needs_quotes(text)


def _ruamel(version: str, source: str) -> Any:
    parser = YAML(typ="safe", pure=True)
    parser.version = version
    return parser.load(io.StringIO(source))


def _values(source: str) -> list[Any]:
    """What three parsers read; an error of theirs is a value like any other."""
    found: list[Any] = []
    for read in (
        lambda: _ruamel("1.1", source),
        lambda: _ruamel("1.2", source),
        lambda: yaml.safe_load(source),
    ):
        try:
            found.append(read())
        except (
            YAMLError,
            yaml.YAMLError,
            ValueError,
            AttributeError,
            IndexError,
            TypeError,
        ) as error:
            found.append(error)
    return found


TRICKY = st.text(
    alphabet="0123456789abefnostyxNTFO+-._:eE~=<>#&*!|'\"%@`[]{},? \n\t\\/é\u2028\x85😀", max_size=8
)
WORDS = st.sampled_from([*STRINGS, *NUMBERS, *BOOLEANS, *TIMESTAMPS, *ILLEGAL, "~", "null"])


@given(
    st.one_of(
        TRICKY,
        WORDS,
        st.from_regex(r"[-+]?[0-9._]{1,4}([eE:xob][-+]?[0-9_]{0,3})?", fullmatch=True),
    )
)
@example("1e")
@example("0o")
@example("1__0")
@example("._")
def test_what_may_stay_plain_is_that_string_for_real_parsers(text: str) -> None:
    """No text is left plain that ruamel (YAML 1.1 and 1.2) or PyYAML reads as anything else."""
    if not needs_quotes(text):
        assert _values(f"[{text}, {text}]") == [[text, text]] * 3
        assert _values(f"a: {text} # c") == [{"a": text}] * 3


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"])) | TRICKY)
def test_quoted_texts_read_back_as_themselves(text: str) -> None:
    """Whatever the text is, quotes of both kinds give it back, on one line."""
    for style in ("single", "double"):
        written = write(text, style)
        assert "\n" not in written
        assert _values(f"a: {written} # c")[1:] == [{"a": text}] * 2
    assert quote(text).startswith('"')


@pytest.mark.parametrize(
    ("text", "style", "tagged", "written"),
    [
        ("1.3", "single", 0, "'1.3'"),
        ("it's", "single", 0, "'it''s'"),
        ("a\nb", "single", 0, '"a\\nb"'),
        ("1.3", "double", 0, '"1.3"'),
        ('a"b\\', "double", 0, '"a\\"b\\\\"'),
        ("1.2.3", "plain", 0, "1.2.3"),
        ("1.3", "plain", 0, '"1.3"'),
        ("1.3", "plain", 1, "1.3"),
        ("a: b", "plain", 1, '"a: b"'),
        ("", "plain", 1, '""'),
    ],
)
def test_quotes_are_kept_and_added_where_needed(
    text: str, style: Any, tagged: int, written: str
) -> None:
    """Quotes stay as they are; plain text gets double quotes only for a reason."""
    assert write(text, style, string_tag=bool(tagged)) == written
