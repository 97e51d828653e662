"""What a peer can do wrong on the wire, and that each of it ends in time with a clean error."""

from __future__ import annotations

import gzip
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from imagebot.errors import PeerError
from imagebot.http import HttpClient
from tests.support.misbehaving import Handler, Misbehaving, Seen, Wire
from tests.support.skipclock import SkipClock


def client(**options: object) -> HttpClient:
    return HttpClient(user_agent="imagebot-tests", clock=SkipClock(), **options)  # type: ignore[arg-type]


def raw(data: bytes, *, then: str = "close") -> Handler:
    def handle(seen: Seen, wire: Wire) -> None:
        wire.send(data)
        getattr(wire, then)()

    return handle


def drip_headers(seen: Seen, wire: Wire) -> None:
    wire.drip(b"HTTP/1.1 200 OK\r\n" + b"X-A: b\r\n" * 90 + b"Content-Length: 2\r\n\r\n{}")


def drip_body(seen: Seen, wire: Wire) -> None:
    wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n")
    wire.drip(b" " * 5000)


def drip_until_close(seen: Seen, wire: Wire) -> None:
    wire.send(b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n[")
    wire.drip(b" " * 5000)


def drip_chunked(seen: Seen, wire: Wire) -> None:
    wire.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    wire.drip(b"1\r\n \r\n" * 1000)


def silent(seen: Seen, wire: Wire) -> None:
    wire.hang()


@pytest.mark.parametrize(
    "handler",
    [drip_headers, drip_body, drip_until_close, drip_chunked, silent],
    ids=lambda handler: handler.__name__,
)
def test_a_total_deadline_stops_a_peer_that_drips(handler: Handler) -> None:
    """R05: no byte-at-a-time answer holds a request longer than its deadline."""
    with Misbehaving(handler) as server, client() as http:
        started = time.monotonic()
        with pytest.raises(PeerError, match=r"no whole answer within|does not answer") as caught:
            http.request("GET", server.url, deadline=0.4)
        assert time.monotonic() - started < 1.0
        assert caught.value.retryable


def test_a_deadline_shuts_the_late_connection_only() -> None:
    """The watchdog of a late request leaves other requests to the same host alone."""

    def handle(seen: Seen, wire: Wire) -> None:
        if seen.path == "/slow":
            drip_body(seen, wire)
        else:
            wire.json([seen.path])

    with Misbehaving(handler=handle) as server, client() as http:
        http.request("GET", server.url + "/a")
        with pytest.raises(PeerError):
            http.request("GET", server.url + "/slow", deadline=0.2)
        for at in range(20):
            assert http.request("GET", f"{server.url}/{at}", deadline=0.5).json() == [f"/{at}"]


def test_a_large_upload_that_nobody_reads_ends_with_the_deadline() -> None:
    """A peer that never reads cannot hold a POST."""
    with socket.create_server(("127.0.0.1", 0)) as listener, client() as http:
        started = time.monotonic()
        with pytest.raises(PeerError):
            http.request(
                "POST",
                f"http://127.0.0.1:{listener.getsockname()[1]}/",
                body=b"x" * 30_000_000,
                deadline=0.4,
            )
        assert time.monotonic() - started < 1.5


BROKEN = {
    "shorter than Content-Length": raw(b'HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{"tags":[]}'),
    "chunked without an end": raw(
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n"
    ),
    "reset in the body": raw(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{", then="reset"),
    "reset at once": raw(b"", then="reset"),
    "closed at once": raw(b""),
    "no HTTP": raw(b"SSH-2.0-OpenSSH_9.2\r\n\r\n"),
    "101 headers": raw(b"HTTP/1.1 200 OK\r\n" + b"X-A: b\r\n" * 101 + b"\r\n{}"),
    "a header of 70 KB": raw(b"HTTP/1.1 200 OK\r\nX-A: " + b"b" * 70_000 + b"\r\n\r\n{}"),
    "two Content-Lengths": raw(
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}"
    ),
    "a status that is no number": raw(b"HTTP/1.1 abc OK\r\n\r\n{}"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_answer_is_asked_for_again_and_then_an_error(name: str) -> None:
    """R06, R29: no part of a broken answer is ever used; a GET is tried four times, not more."""
    with Misbehaving(BROKEN[name]) as server, client() as http:
        with pytest.raises(PeerError) as caught:
            http.request("GET", server.url + "/v2/x?token=hunter2")
        assert len(server.seen) == 4
        assert caught.value.retryable
        assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("name", BROKEN)
def test_a_post_is_never_repeated(name: str) -> None:
    """A POST whose answer was lost may have been obeyed: only its caller may decide to repeat."""
    with Misbehaving(BROKEN[name]) as server, client() as http:
        with pytest.raises(PeerError):
            http.request("POST", server.url, body=b"{}")
        assert len(server.seen) == 1


def test_a_closed_port_is_a_passing_failure() -> None:
    """R01: connection refused says so, and may pass."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with client() as http, pytest.raises(PeerError, match="connection refused") as caught:
        http.request("GET", f"http://127.0.0.1:{port}/")
    assert caught.value.retryable


@contextmanager
def black_hole() -> Iterator[int]:
    """A port whose queue is full: connections to it are neither taken nor refused."""
    with socket.socket() as listener, ExitStack() as fillers:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        port = listener.getsockname()[1]
        for _ in range(4):
            filler = fillers.enter_context(socket.socket())
            filler.setblocking(False)  # noqa: FBT003 - the socket API
            filler.connect_ex(("127.0.0.1", port))
        yield port


def test_a_host_that_takes_no_connection_costs_the_connect_timeout() -> None:
    """R02: a black hole is left after the connect timeout."""
    with black_hole() as port, client(connect_timeout=0.3) as http:
        started = time.monotonic()
        with pytest.raises(PeerError, match="does not answer") as caught:
            http.request("GET", f"http://127.0.0.1:{port}/", retries=0)
        assert 0.2 < time.monotonic() - started < 1.5
        assert caught.value.retryable


def test_many_black_holes_behind_one_name_cost_one_deadline(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """R02: the total deadline also ends a walk over many dead addresses."""
    with black_hole() as port, client(connect_timeout=0.4) as http:
        address = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))
        monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **kwargs: [address] * 20)
        started = time.monotonic()
        with pytest.raises(PeerError, match="no whole answer"):
            http.request("GET", f"http://localhost:{port}/", deadline=0.9)
        assert time.monotonic() - started < 1.6


@pytest.mark.parametrize("host", ["a..b.example.com", "x" * 64 + ".example.com", "-.example.com"])
def test_a_host_that_is_no_name_is_a_clean_error(host: str) -> None:
    """Labels that no resolver takes end as an unknown host."""
    with client() as http, pytest.raises(PeerError, match="does not resolve"):
        http.request("GET", f"https://{host}/", deadline=8)


def test_a_name_that_does_not_resolve_has_its_own_words() -> None:
    """R03: an unknown host is told apart from a host that is down."""
    with client() as http, pytest.raises(PeerError, match="does not resolve"):
        http.request("GET", "https://imagebot.invalid/v2/", deadline=8)


def test_a_body_over_the_cap_is_not_read_to_its_end() -> None:
    """R28: a gigabyte is refused after the cap, not after the gigabyte."""
    sent = [0]

    def flood(seen: Seen, wire: Wire) -> None:
        wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n")
        block = b" " * 65_536
        while sent[0] < 1_000_000_000:
            try:
                wire.sock.sendall(block)
            except OSError:
                return
            sent[0] += len(block)

    with Misbehaving(flood) as server, client() as http:
        with pytest.raises(PeerError, match="larger than 1048576 bytes"):
            http.request("GET", server.url, cap=1024 * 1024)
        assert len(server.seen) == 1
        assert sent[0] < 50_000_000


BOMB = gzip.compress(b" " * 100_000_000, 9)


@pytest.mark.parametrize("code", [200, 302, 500])
def test_a_gzip_bomb_stops_at_the_cap(code: int) -> None:
    """R28: the cap counts decoded bytes, of any status: also a redirect's body is capped."""

    def handle(seen: Seen, wire: Wire) -> None:
        wire.reply(code, BOMB, {"Content-Encoding": "gzip", "Location": "/next"})

    with Misbehaving(handle) as server, client() as http:
        started = time.monotonic()
        with pytest.raises(PeerError, match="larger than"):
            http.request("GET", server.url, cap=1024 * 1024)
        assert time.monotonic() - started < 1.0


def test_gzip_is_understood() -> None:
    """An honest gzip body is decoded."""

    def handle(seen: Seen, wire: Wire) -> None:
        assert seen.headers["accept-encoding"] == "gzip"
        wire.reply(200, gzip.compress(b'{"a": 1}'), {"Content-Encoding": "gzip"})

    with Misbehaving(handle) as server, client() as http:
        assert http.request("GET", server.url).json() == {"a": 1}


@pytest.mark.parametrize(
    "encoding", ["br", "zstd", "gzip, gzip", "deflate", "gzip,br,gzip,br,gzip"]
)
def test_an_encoding_that_was_not_asked_for_is_refused(encoding: str) -> None:
    """R28: stacked and unasked encodings are not unpacked."""

    def handle(seen: Seen, wire: Wire) -> None:
        wire.reply(200, b"{}", {"Content-Encoding": encoding})

    with Misbehaving(handle) as server, client() as http, pytest.raises(PeerError, match="encoded"):
        http.request("GET", server.url)


def test_a_broken_gzip_body_is_an_error() -> None:
    """Bytes that only claim to be gzip are no answer."""

    def handle(seen: Seen, wire: Wire) -> None:
        wire.reply(200, b"not gzip", {"Content-Encoding": "gzip"})

    with Misbehaving(handle) as server, client() as http, pytest.raises(PeerError, match="broken"):
        http.request("GET", server.url, retries=0)


def test_a_connection_is_reused() -> None:
    """Requests to one origin share a keep-alive connection, also after an error status."""

    def handle(seen: Seen, wire: Wire) -> None:
        wire.json({}, 404 if seen.path == "/404" else 200)

    with Misbehaving(handle) as server, client() as http:
        for path in ["/", "/404", "/", "/"]:
            http.request("GET", server.url + path)
        assert {seen.connection for seen in server.seen} == {1}


def test_a_connection_that_was_cut_off_is_not_reused() -> None:
    """After an answer over the cap the rest of it is never taken for the next answer."""

    def handle(seen: Seen, wire: Wire) -> None:
        wire.reply(200, b'["' + b"x" * (100_000 if seen.path == "/big" else 1) + b'"]')

    with Misbehaving(handle) as server, client() as http:
        with pytest.raises(PeerError):
            http.request("GET", server.url + "/big", cap=1000)
        assert http.request("GET", server.url + "/small").json() == ["x"]
        assert server.seen[-1].connection == 2


def test_the_late_rest_of_an_answer_is_never_the_next_answer() -> None:
    """A peer cannot plant an answer by sending the rest of a refused one when it likes."""

    def handle(seen: Seen, wire: Wire) -> None:
        if seen.path == "/big":
            wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: 200000\r\n\r\n" + b"x" * 70_000)
            wire.hang(0.3)
            wire.send(b'HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n["planted"]')
        else:
            wire.json(["honest"])

    with Misbehaving(handle) as server, client() as http:
        with pytest.raises(PeerError, match="larger than"):
            http.request("GET", server.url + "/big", cap=1000)
        assert http.request("GET", server.url + "/small", retries=0).json() == ["honest"]
