"""URLs, JSON, headers and messages: what is accepted, and that messages give nothing away."""

from __future__ import annotations

import json
import logging
import threading
import time
import traceback

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imagebot.errors import PeerError
from imagebot.http import (
    Headers,
    HttpClient,
    NotJson,
    Response,
    is_internal,
    is_loopback,
    parse_json,
    parse_url,
    redact,
)
from imagebot.http.retry import MAX_DEFERRAL, backoff, retry_after
from tests.support.misbehaving import Misbehaving, ok, status
from tests.support.skipclock import SkipClock


@pytest.mark.parametrize(
    ("text", "origin", "path", "query"),
    [
        ("https://ghcr.io", "https://ghcr.io", "/", ""),
        ("https://GHCR.io:443/v2/?n=1#frag", "https://ghcr.io", "/v2/", "n=1"),
        ("http://[::1]:5000/v2/", "http://[::1]:5000", "/v2/", ""),
        ("http://127.0.0.1:80/a", "http://127.0.0.1", "/a", ""),
        ("HTTPS://h:8443/a?b=c&d", "https://h:8443", "/a", "b=c&d"),
    ],
)
def test_urls_are_read(text: str, origin: str, path: str, query: str) -> None:
    """A URL falls into origin, path and query."""
    url = parse_url(text)
    assert (str(url.origin), url.path, url.query) == (origin, path, query)


@pytest.mark.parametrize(
    "text",
    [
        "", "ghcr.io/v2/", "file:///etc/passwd", "https://", "https://u@h/", "https://u:p@h/",
        "https://h:0/", "https://h:70000/", "https://h:x/", "https://h\r\nX: y/", "https://h /",
        "https://h\\@evil/", "https://hö/", "https://[::1/", "https://h/\x00", "https://[x]/",
        "https://h/" + "a" * 20_000,
    ],
)  # fmt: skip
def test_odd_urls_are_refused_without_being_quoted(text: str) -> None:
    """A URL that two readers could read in two ways is none."""
    with pytest.raises(ValueError) as caught:
        parse_url(text)
    if "u:p" in text:
        assert "u:p" not in str(caught.value)


@given(st.text(max_size=60))
def test_any_text_is_a_url_or_a_value_error(text: str) -> None:
    """Nothing but ValueError comes out of reading, and what is read reads back the same."""
    for candidate in (text, f"https://{text}", f"https://h/{text}"):
        try:
            url = parse_url(candidate)
        except ValueError:
            continue
        assert parse_url(url.text) == url
        assert "@" not in str(url.origin)


def test_redaction_keeps_names_and_drops_values() -> None:
    """A message shows what was asked, not with which key."""
    shown = redact("https://s3.example/b?X-Amz-Signature=abcdef&n=3")
    assert shown == "https://s3.example/b?X-Amz-Signature=…&n=…"
    assert redact("https://user:pw@h/") == "<unreadable URL>"


@pytest.mark.parametrize(
    ("host", "loopback", "internal"),
    [
        ("127.0.0.1", True, True), ("localhost", True, True), ("::1", True, True),
        ("LOCALHOST.", True, True), ("a.localhost", True, True), ("10.0.0.1", False, True),
        ("169.254.169.254", False, True), ("fe80::1%eth0", False, True), ("8.8.8.8", False, False),
        ("2606:4700::1111", False, False), ("ghcr.io", False, False), ("notlocalhost", False, False),
        ("127.0.0.1.example.com", False, False), ("::ffff:10.0.0.1", False, True),
        ("224.0.0.251", False, True), ("0", False, True),
    ],
)  # fmt: skip
def test_hosts_are_near_or_far(host: str, *, loopback: bool, internal: bool) -> None:
    """Addresses are recognised in every spelling; names are names."""
    assert (is_loopback(host), is_internal(host)) == (loopback, internal)


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"", "empty"),
        (b"  \n", "empty"),
        (b"<!doctype html><title>Login", "HTML"),
        (b'{"a": NaN}', "NaN"),
        (b"[Infinity]", "Infinity"),
        (b"[-Infinity]", "Infinity"),
        (b"[1e999]", "too large"),
        (b'{"a": 1, "a": 2}', "twice"),
        (b'{"a": {"b": 1, "b": 1}}', "twice"),
        (b"[" * 100_000, "deep"),
        (b"[" * 65 + b"]" * 65, "deep"),
        (b'{"a":' * 65 + b"1" + b"}" * 65, "deep"),
        (b"1" * 5000, "too long"),
        (b'{"tags": ["a", "b"', "byte"),
        (b"\xff\xfe[\x00]\x00", "UTF-8"),
        (b"[1] [2]", "byte"),
    ],
    ids=str,
)
def test_json_with_two_meanings_is_refused(body: bytes, why: str) -> None:
    """R10, R28: HTML, half an answer, NaN, equal keys and deep nesting are no evidence."""
    with pytest.raises(NotJson, match=why):
        parse_json(body)
    with pytest.raises(PeerError, match="not JSON") as caught:
        Response(200, Headers(), body, "https://h/x?key=value").json()
    assert "value" not in str(caught.value)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(JSON)
@settings(max_examples=60)
def test_honest_json_is_read_as_it_was_written(value: object) -> None:
    """Strictness costs nothing that is JSON."""
    assert parse_json(json.dumps(value).encode()) == value


@given(st.binary(max_size=80))
def test_any_bytes_are_json_or_not_json(body: bytes) -> None:
    """Nothing but NotJson comes out of reading."""
    try:
        parse_json(body)
    except NotJson:
        return
    json.loads(body)


@given(st.text(max_size=40), st.floats(min_value=0, max_value=4e9))
def test_any_retry_after_is_a_bounded_wait_or_none(text: str, now: float) -> None:
    """No header makes a wait that is negative or longer than a day."""
    seconds = retry_after(Headers([("Retry-After", text)]), now)
    assert seconds is None or 0 < seconds <= MAX_DEFERRAL


def test_backoff_grows_and_varies() -> None:
    """Waits triple, and two clients do not wait the same time."""
    for attempt in range(4):
        waits = {backoff(attempt) for _ in range(20)}
        assert len(waits) > 1
        assert all(0.5 * 3**attempt <= wait <= 3**attempt for wait in waits)


def test_headers_are_found_in_any_case_and_joined() -> None:
    """Several headers of one name are one list."""
    headers = Headers([("Link", "<a>"), ("LINK", "<b>"), ("X", "1")])
    assert (headers["link"], headers.get("x"), headers.get("no")) == ("<a>, <b>", "1", None)
    assert len(headers) == 2
    assert "<a>" not in repr(headers)


def test_a_header_that_would_split_is_refused_without_its_value() -> None:
    """A line break in a secret is an error that does not show the secret."""
    with Misbehaving(ok([])) as server, HttpClient(user_agent="t") as http:
        for bad in ["canary\r\nX: y", "canary\n", "can\x00ary", "canary€"]:
            with pytest.raises(PeerError, match="'Authorization'") as caught:
                http.request("GET", server.url, secret_headers={"Authorization": bad})
            assert "canary" not in str(caught.value)
        with pytest.raises(PeerError):
            http.request("GET", server.url, headers={"X\r\nY": "z"})
        assert server.seen == []


@pytest.mark.parametrize(
    ("url", "allowed"),
    [
        ("http://127.0.0.1:1/", True),
        ("http://localhost:1/", True),
        ("http://registry.example.com/", False),
        ("http://10.0.0.8:1/", False),
        ("http://plain.example.com:5000/", True),
        ("http://plain.example.com/", False),
        ("http://any.example.com:1/", True),
    ],
)
def test_plain_http_needs_permission(url: str, *, allowed: bool) -> None:
    """Http goes to loopback and to named hosts only."""
    insecure = frozenset({"plain.example.com:5000", "any.example.com"})
    with HttpClient(user_agent="t", insecure_hosts=insecure) as http:
        assert http.speaks_plain(url.removeprefix("http://").removesuffix("/")) is allowed
        if not allowed:
            with pytest.raises(PeerError, match="plain http"):
                http.request("GET", url)


def test_no_error_and_no_log_line_holds_a_secret(caplog: pytest.LogCaptureFixture) -> None:
    """Law 5: query values and headers stay out of messages, tracebacks and debug logs."""
    caplog.set_level(logging.DEBUG)
    secret = "canary-77aa"
    with (
        Misbehaving(lambda seen, wire: wire.reset()) as server,
        Misbehaving(status(200)) as good,
        HttpClient(user_agent="t", clock=SkipClock()) as http,
    ):
        http.request("GET", f"{good.url}/?sig={secret}", secret_headers={"Authorization": secret})
        with pytest.raises(PeerError) as caught:
            http.request(
                "GET", f"{server.url}/?sig={secret}", secret_headers={"Authorization": secret}
            )
    shown = "".join(traceback.format_exception(caught.value))
    assert secret not in shown
    assert secret not in caplog.text


def test_closing_ends_the_deadline_thread() -> None:
    """A closed client leaves no thread behind."""
    with Misbehaving(ok([])) as server, HttpClient(user_agent="t") as http:
        http.request("GET", server.url)
        assert any(thread.name == "http-deadlines" for thread in threading.enumerate())
    assert not any(thread.name == "http-deadlines" for thread in threading.enumerate())


def test_small_requests_are_fast() -> None:
    """The layer costs about a millisecond a request on a keep-alive connection, deadlines included."""
    with Misbehaving(ok({"tags": ["1.0"] * 50})) as server, HttpClient(user_agent="t") as http:
        http.request("GET", server.url)
        best = min(_timed(http, server.url) for _ in range(5))
        assert best < 0.005


def _timed(http: HttpClient, url: str) -> float:
    started = time.perf_counter()
    for _ in range(20):
        http.request("GET", url).json()
    return (time.perf_counter() - started) / 20
