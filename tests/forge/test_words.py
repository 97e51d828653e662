"""The small rules: rate limit headers, error texts, Link headers, tolerant fields."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagebot.forge.fields import at, names, number, text
from imagebot.forge.pages import next_link, page_of, with_page
from imagebot.forge.ratelimit import Wait, wait_asked
from imagebot.forge.told import MAX_CHARS, sanitise, told_by
from imagebot.http import Headers

NOW = 1_700_000_000.0
DATE = "Tue, 14 Nov 2023 22:13:20 GMT"


@pytest.mark.parametrize(
    ("status", "headers", "body", "wait"),
    [
        (200, {}, b"", None),
        (403, {}, b'{"message": "Forbidden"}', None),
        (404, {"retry-after": "5"}, b"", None),
        (503, {"retry-after": "5"}, b"", None),
        (429, {}, b"", Wait(60, unknown=True)),
        (429, {"retry-after": "nonsense"}, b"", Wait(60, unknown=True)),
        (429, {"retry-after": "0"}, b"", Wait(60, unknown=True)),
        (403, {"retry-after": "5"}, b"", Wait(5)),
        (403, {"retry-after": "Tue, 14 Nov 2023 22:14:20 GMT"}, b"", Wait(60)),
        (403, {"retry-after": "99999999999999999999"}, b"", Wait(86400)),
        (403, {"x-ratelimit-remaining": "0", "x-ratelimit-reset": "1700000010"}, b"", Wait(11)),
        (403, {"x-ratelimit-remaining": "7", "x-ratelimit-reset": "1700000010"}, b"", None),
        (403, {"x-ratelimit-remaining": "0", "x-ratelimit-reset": "soon"}, b"", None),
        (403, {"x-ratelimit-remaining": "0", "x-ratelimit-reset": "1"}, b"", Wait(1)),
        (403, {"x-ratelimit-remaining": "0", "x-ratelimit-reset": "9" * 12}, b"", Wait(86400)),
        (403, {"date": "Tue, 14 Nov 2023 22:13:00 GMT", "x-ratelimit-remaining": "0",
               "x-ratelimit-reset": "1700000010"}, b"", Wait(31)),
        (403, {}, b'{"message": "You have exceeded a secondary rate limit"}', Wait(60, unknown=True)),
        (403, {}, b'{"message": "Abuse Detection mechanism"}', Wait(60, unknown=True)),
    ],
)  # fmt: skip
def test_waits(status: int, headers: dict, body: bytes, wait: Wait | None) -> None:
    """Only 403 and 429 ask for a wait; the forge's own clock and headers say how long."""
    assert wait_asked(status, Headers(headers.items()), body, NOW) == wait


@given(st.dictionaries(st.sampled_from(["retry-after", "date", "x-ratelimit-reset", "x-ratelimit-remaining"]), st.text(max_size=30)), st.binary(max_size=60))  # fmt: skip
def test_any_headers_give_a_bounded_wait(headers: dict, body: bytes) -> None:
    """Law: whatever a forge writes into its headers, the wait is between 0 and a day."""
    wait = wait_asked(429, Headers(headers.items()), body, NOW)
    assert wait is not None
    assert 0 < wait.seconds <= 86400


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b'{"message": "Not Found", "documentation_url": "https://x"}', "Not Found"),
        (b'{"message": "Validation Failed", "errors": [{"message": "No commits between a and b", "code": "custom"}]}',
         "Validation Failed; No commits between a and b"),
        (b'{"message": "Validation Failed", "errors": [{"resource": "PullRequest", "field": "head", "code": "invalid"}]}',
         "Validation Failed; head invalid"),
        (b'{"message": ["Another open merge request already exists: !3"]}', "Another open merge request already exists: !3"),
        (b'{"message": {"title": ["is too long"], "base": ["is wrong"]}}', "is too long; is wrong"),
        (b'{"error": "insufficient_scope", "error_description": "needs api"}', "insufficient_scope; needs api"),
        (b"404 page not found", "404 page not found"),
        (b"<!doctype html><title>502</title>", ""),
        (b"", ""),
        (b"[" * 100_000, "[" * 65_536),
        (b'{"a": ' * 50 + b"1" + b"}" * 50, ""),
    ],
)  # fmt: skip
def test_what_a_forge_says(body: bytes, told: str) -> None:
    """The sentences of every usual shape of error, and nothing of an HTML page."""
    assert told_by(body) == told


@given(st.text(max_size=600), st.text("abcdef0123456789%/+=", min_size=4, max_size=30))
def test_sanitised_text(noise: str, secret: str) -> None:
    """Law: what is shown is printable, bounded and without the secret."""
    shown = sanitise(noise[:100] + secret + noise[100:], [secret])
    assert secret not in shown
    assert shown.isprintable()
    assert len(shown) <= MAX_CHARS


@given(st.binary(max_size=300))
def test_any_error_body(body: bytes) -> None:
    """Law: no error body breaks the reading of it."""
    assert sanitise(told_by(body)).isprintable()


@pytest.mark.parametrize(
    ("header", "target"),
    [
        ("", ""),
        ('<https://a/x?page=2>; rel="next", <https://a/x?page=9>; rel="last"', "https://a/x?page=2"),
        ('<https://a/x?page=1>; rel="prev", </x?page=3>; rel=next', "/x?page=3"),
        ('<https://a/x?page=9>; rel="last"', ""),
        ('<https://a/x>; title="rel=next"', ""),
        ("garbage", ""),
    ],
)  # fmt: skip
def test_next_links(header: str, target: str) -> None:
    """Only the target of rel=next is followed."""
    assert next_link(header) == target


def test_page_numbers() -> None:
    """A page number is put into a URL beside what is there."""
    url = with_page("https://a/x?state=all&head=a%2Fb", 3)
    assert url == "https://a/x?state=all&head=a%2Fb&page=3"
    assert page_of(url) == 3
    assert page_of("https://a/x") == 1
    assert with_page(url, 4).endswith("page=4")


def test_fields_are_tolerant() -> None:
    """What is missing, null or of another type is empty."""
    data = {"a": {"b": None, "n": True, "s": 7}, "l": [{"name": "x"}, "y", None, {}], "z": "text"}
    assert at(data, "a", "b", "c") is None
    assert text(data, "a", "s") == ""
    assert text(data, "z") == "text"
    assert text(None, "z") == ""
    assert number(data, "a", "n") == 0
    assert number(data, "a", "s") == 7
    assert names(data, "l") == ("x", "y")
    assert names(data, "z") == ()
