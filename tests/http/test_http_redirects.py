"""Where a request may be sent on to, and that no secret ever goes with it."""

from __future__ import annotations

import contextlib
import datetime as dt
import socket
import ssl
import threading
from pathlib import Path

import pytest

from imagebot.errors import PeerError
from imagebot.http import HttpClient
from tests.support.certificates import Authority
from tests.support.misbehaving import Handler, Misbehaving, Seen, Wire, ok
from tests.support.names import resolve_to_loopback
from tests.support.skipclock import SkipClock

SECRET = "canary-3f9a"
SECRETS = {"Authorization": f"Bearer {SECRET}", "PRIVATE-TOKEN": SECRET, "X-JFrog-Art-Api": SECRET}


def client(**options: object) -> HttpClient:
    return HttpClient(user_agent="imagebot-tests", clock=SkipClock(), **options)  # type: ignore[arg-type]


def to(location: str, code: int = 302) -> Handler:
    return lambda seen, wire: wire.reply(code, b"", {"Location": location})


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
def test_another_origin_gets_no_secret_and_none_of_our_headers(code: int) -> None:
    """R16: across hosts or ports only Accept and the user agent travel."""
    with (
        Misbehaving(ok([1])) as evil,
        Misbehaving(to(f"{evil.url}/blob?sig=abc", code)) as server,
        client() as http,
    ):
        answer = http.request(
            "GET",
            server.url,
            headers={"Accept": "text/x", "X-Api-Key": SECRET},
            secret_headers=SECRETS,
        )
        assert answer.json() == [1]
        assert answer.url == f"{evil.url}/blob?sig=abc"
        assert SECRET in server.everything
        assert SECRET not in evil.everything
        assert evil.seen[0].headers["accept"] == "text/x"
        assert set(evil.seen[0].headers) == {
            "host", "accept", "user-agent", "accept-encoding", "connection",
        }  # fmt: skip


def test_a_way_back_does_not_restore_the_secret() -> None:
    """Once stripped, a secret stays stripped, also when the redirect leads home again."""
    home: list[str] = []

    def away_then_answer(seen: Seen, wire: Wire) -> None:
        if seen.path == "/start":
            wire.reply(302, b"", {"Location": f"{other.url}/x"})
        else:
            wire.json([1])

    with Misbehaving(away_then_answer) as server:
        home.append(server.url)
        with Misbehaving(to(f"{home[0]}/end")) as other, client() as http:
            http.request("GET", f"{server.url}/start", secret_headers=SECRETS)
            assert SECRET in server.seen[0].text
            assert SECRET not in server.seen[1].text
            assert SECRET not in other.everything


@pytest.mark.parametrize("location", ["/next?a=1", "next?a=1", "{url}/next?a=1", "?a=1"])
def test_the_same_origin_keeps_everything(location: str) -> None:
    """A redirect within the origin keeps method, body and secrets."""

    def handle(seen: Seen, wire: Wire) -> None:
        if "a=1" in seen.target:
            wire.json([seen.method, seen.body.decode()])
        else:
            wire.reply(307, b"", {"Location": location.format(url=server.url)})

    with Misbehaving(handle) as server, client() as http:
        answer = http.request("POST", f"{server.url}/x", secret_headers=SECRETS, body=b"hello")
        assert answer.json() == ["POST", "hello"]
        assert SECRET in server.seen[1].text


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_a_body_never_goes_to_another_origin(method: str) -> None:
    """What changes things is refused across origins: its body may be a secret."""
    with Misbehaving(ok([])) as evil, Misbehaving(to(evil.url, 307)) as server, client() as http:
        with pytest.raises(PeerError, match="another origin"):
            http.request(method, server.url, body=SECRET.encode())
        assert evil.seen == []


def test_a_post_is_never_turned_into_a_get() -> None:
    """303 after a POST is refused rather than obeyed."""
    with Misbehaving(to("/next", 303)) as server, client() as http:
        with pytest.raises(PeerError, match="into a GET"):
            http.request("POST", server.url, body=b"x")
        assert len(server.seen) == 1


def test_a_redirect_loop_ends() -> None:
    """R16: five redirects are followed, a sixth is an error."""
    with Misbehaving(to("/again")) as server, client() as http:
        with pytest.raises(PeerError, match="more than 5 redirects"):
            http.request("GET", server.url)
        assert len(server.seen) == 6


@pytest.mark.parametrize(
    "location",
    [
        "file:///etc/passwd",
        "gopher://127.0.0.1/",
        "ftp://127.0.0.1/x",
        "http://user:pw@127.0.0.1/",
        "http://127.0.0.1:99999/",
        "http://127.0.0.1:0/",
        "//exa mple/",
        "http://exa\\mple.com/",
        "http://exämple.com/",
        "javascript:alert(1)",
        "http://registry.example.com/plain",
    ],
)
def test_an_odd_location_is_refused(location: str) -> None:
    """R16: only clean http(s) URLs are followed, and plain http only where it is allowed."""
    with Misbehaving(to(location.encode().decode("latin-1"))) as server, client() as http:
        with pytest.raises(PeerError, match="refused"):
            http.request("GET", server.url, secret_headers=SECRETS)
        assert len(server.seen) == 1


def test_a_redirect_can_be_looked_at_instead_of_followed() -> None:
    """`follow=False` gives the redirect itself."""
    with Misbehaving(to("/x")) as server, client() as http:
        answer = http.request("GET", server.url, follow=False)
        assert (answer.status, answer.headers["LOCATION"]) == (302, "/x")


INTERNAL = [
    "127.0.0.1", "127.1", "2130706433", "0x7f000001", "[::1]", "[::ffff:127.0.0.1]", "localhost",
    "localhost.", "x.localhost", "10.1.2.3", "192.168.0.1", "172.16.9.9", "169.254.169.254",
    "[fe80::1]", "[fd00::1]", "0.0.0.0", "[::]", "224.0.0.1", "100.64.0.1",
]  # fmt: skip


@pytest.mark.parametrize("host", INTERNAL)
def test_a_public_host_cannot_send_us_to_an_internal_address(
    host: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """R16: loopback, private and metadata addresses in any spelling are refused as targets."""
    authority = Authority(tmp_path)
    pair = authority.issue("registry.example.com")
    resolve_to_loopback(monkeypatch, "registry.example.com")
    with (
        Misbehaving(to(f"https://{host}:8443/x"), tls=pair.server_context()) as server,
        client(ca_bundle=str(authority.bundle)) as http,
    ):
        with pytest.raises(PeerError, match="internal address"):
            http.request("GET", f"https://registry.example.com:{server.port}/")
        assert len(server.seen) == 1


def test_https_never_falls_back_to_http(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """R16: a redirect from https to http is refused, even to a host where http is allowed."""
    authority = Authority(tmp_path)
    pair = authority.issue("127.0.0.1")
    with (
        Misbehaving(ok([])) as plain,
        Misbehaving(to(plain.url), tls=pair.server_context()) as server,
        client(ca_bundle=str(authority.bundle)) as http,
    ):
        with pytest.raises(PeerError, match="https to http"):
            http.request("GET", server.url)
        assert plain.seen == []


def test_two_names_on_one_server_are_two_origins(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Origins are told apart by name, not by address."""
    authority = Authority(tmp_path)
    pair = authority.issue("a.example.com", "b.example.com")
    resolve_to_loopback(monkeypatch, "a.example.com", "b.example.com")

    def handle(seen: Seen, wire: Wire) -> None:
        if seen.headers["host"].startswith("a."):
            wire.reply(302, b"", {"Location": f"https://b.example.com:{server.port}/x"})
        else:
            wire.json([])

    with (
        Misbehaving(handle, tls=pair.server_context()) as server,
        client(ca_bundle=str(authority.bundle)) as http,
    ):
        http.request("GET", f"https://a.example.com:{server.port}/", secret_headers=SECRETS)
        assert SECRET in server.seen[0].text
        assert SECRET not in server.seen[1].text


@pytest.mark.parametrize(
    ("case", "words"),
    [
        ("expired", "expired"),
        ("wrong host", "not valid for"),
        ("self-signed", "self-signed|unable to get"),
    ],
)
def test_a_certificate_that_does_not_fit_is_a_hard_error(
    case: str, words: str, tmp_path: Path
) -> None:
    """R04: no retry, no fallback to http, no request at all."""
    authority = Authority(tmp_path)
    pair = {
        "expired": lambda: authority.issue("127.0.0.1", valid_for=dt.timedelta(days=-1)),
        "wrong host": lambda: authority.issue("other.example.com"),
        "self-signed": lambda: authority.issue("127.0.0.1"),
    }[case]()
    bundle = None if case == "self-signed" else str(authority.bundle)
    with (
        Misbehaving(ok([]), tls=pair.server_context()) as server,
        client(ca_bundle=bundle) as http,
    ):
        with pytest.raises(PeerError, match=words) as caught:
            http.request("GET", server.url, secret_headers=SECRETS)
        assert not caught.value.retryable
        assert server.seen == []


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1 is deprecated:DeprecationWarning")
def test_old_tls_is_refused(tmp_path: Path) -> None:
    """R04: a server that speaks TLS 1.1 at most gets no request."""
    authority = Authority(tmp_path)
    context = authority.issue("127.0.0.1").server_context()
    context.maximum_version = ssl.TLSVersion.TLSv1_1
    with (
        Misbehaving(ok([]), tls=context) as server,
        client(ca_bundle=str(authority.bundle)) as http,
    ):
        with pytest.raises(PeerError, match=r"TLS failed|closed without|reset"):
            http.request("GET", server.url)
        assert server.seen == []


def test_tls_connections_are_reused_and_bounded_too(tmp_path: Path) -> None:
    """Keep-alive and the total deadline hold under TLS."""
    authority = Authority(tmp_path)
    pair = authority.issue("127.0.0.1")

    def handle(seen: Seen, wire: Wire) -> None:
        if seen.path == "/slow":
            wire.send(b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n")
            wire.drip(b" " * 5000)
        else:
            wire.json([1])

    with (
        Misbehaving(handle, tls=pair.server_context()) as server,
        client(ca_bundle=str(authority.bundle)) as http,
    ):
        assert [http.request("GET", server.url).json() for _ in range(3)] == [[1]] * 3
        assert {seen.connection for seen in server.seen} == {1}
        with pytest.raises(PeerError, match="no whole answer"):
            http.request("GET", f"{server.url}/slow", deadline=0.4)


def test_a_poisoned_netrc_and_environment_change_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Nothing is read from .netrc or the environment: no foreign credential, no foreign proxy."""
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login mallory password poison\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    with Misbehaving(ok([])) as proxy, Misbehaving(ok([1])) as server, client() as http:
        for name in ["http_proxy", "HTTP_PROXY", "ALL_PROXY"]:
            monkeypatch.setenv(name, proxy.url)
        answer = http.request("GET", server.url, secret_headers={"Authorization": "Bearer mine"})
        assert answer.json() == [1]
        assert server.seen[0].headers["authorization"] == "Bearer mine"
        assert proxy.seen == []


def test_cookies_are_not_kept() -> None:
    """A cookie that a peer sets is never sent back."""

    def handle(seen: Seen, wire: Wire) -> None:
        wire.reply(200, b"[]", {"Set-Cookie": f"id={SECRET}; Path=/"})

    with Misbehaving(handle) as server, client() as http:
        http.request("GET", server.url)
        http.request("GET", server.url)
        assert "cookie" not in server.seen[1].headers


def test_a_proxy_is_used_where_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """`proxies` sends a host through the proxy, `no` and loopback go directly."""
    seen_urls: list[str] = []

    def handle(seen: Seen, wire: Wire) -> None:
        seen_urls.append(seen.target)
        wire.json([])

    resolve_to_loopback(monkeypatch, "near.corp.example")
    with Misbehaving(handle) as proxy, Misbehaving(ok([1])) as server:
        options = {
            "proxies": {"http": proxy.url, "no": ".corp.example"},
            "insecure_hosts": frozenset({"far.example.com", f"near.corp.example:{server.port}"}),
        }
        with client(**options) as http:
            http.request("GET", "http://far.example.com/v2/")
            assert http.request("GET", f"http://near.corp.example:{server.port}/").json() == [1]
            assert http.request("GET", server.url).json() == [1]
    assert seen_urls == ["http://far.example.com/v2/"]


def tunnel(seen: Seen, wire: Wire) -> None:
    """A proxy that obeys CONNECT to loopback, whatever name is asked for."""
    port = int(seen.target.rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port)) as upstream:
        wire.send(b"HTTP/1.1 200 Connection established\r\n\r\n")
        back = threading.Thread(target=pump, args=(upstream, wire.sock), daemon=True)
        back.start()
        pump(wire.sock, upstream)
        back.join(5)
    wire.close()


def pump(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65_536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)


def test_https_goes_through_a_proxy_as_a_tunnel(tmp_path: Path) -> None:
    """The proxy sees a host name and its own password, never the request or its secrets."""
    authority = Authority(tmp_path)
    pair = authority.issue("registry.example.com")
    with (
        Misbehaving(ok([1]), tls=pair.server_context()) as server,
        Misbehaving(tunnel) as proxy,
        client(
            ca_bundle=str(authority.bundle),
            proxies={"https": f"http://ann:canary-proxy@{proxy.netloc}"},
        ) as http,
    ):
        url = f"https://registry.example.com:{server.port}/v2/?k=canary-query"
        assert http.request("GET", url, secret_headers=SECRETS).json() == [1]
        assert proxy.seen[0].method == "CONNECT"
        assert proxy.seen[0].headers["proxy-authorization"].startswith("Basic ")
        assert SECRET not in proxy.everything
        assert "canary-query" not in proxy.everything
        assert "proxy-authorization" not in server.everything


def test_a_proxy_of_another_kind_is_refused() -> None:
    """SOCKS is not spoken; nothing goes around a proxy that was configured."""
    refused = pytest.raises(PeerError, match="proxy is refused")
    with client(proxies={"all": "socks5://127.0.0.1:1"}) as http, refused:
        http.request("GET", "https://registry.example.com/")
