"""Logging in to a registry over real sockets: how many requests, which secrets, to whom."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from imagebot.errors import RegistryError
from imagebot.http import HttpClient
from imagebot.imageref import Repository, parse_repository
from imagebot.registry.auth import Authenticator, Credential
from imagebot.registry.distribution import DistributionRegistry
from imagebot.registry.lockout import MAX_REJECTIONS
from tests.support.certificates import Authority
from tests.support.misbehaving import Handler, Misbehaving, Seen, Wire, script, status
from tests.support.names import resolve_to_loopback
from tests.support.skipclock import SkipClock
from tests.support.tokenserver import TokenServer

PASSWORD = "canary-pw-51c0"
REFRESH = "canary-refresh-88"
LOGIN = Credential(username="ann", password=PASSWORD)
SAME = "http://{host}/token"


def tags(seen: Seen, wire: Wire) -> None:
    name = seen.path.removeprefix("/v2/").removesuffix("/tags/list")
    wire.json({"name": name, "tags": ["1.0"]})


@contextmanager
def registry(
    credential: Credential | None = None,
    *,
    clock: SkipClock | None = None,
    token_servers: dict[str, frozenset[str]] | None = None,
    **options: object,
) -> Iterator[DistributionRegistry]:
    clock = clock or SkipClock()
    with HttpClient(user_agent="imagebot-tests", clock=clock, **options) as http:  # type: ignore[arg-type]
        authenticator = Authenticator(clock.now, token_servers=token_servers)
        yield DistributionRegistry(http, lambda repository: credential, authenticator)


def repo(server: Misbehaving, path: str = "acme/web") -> Repository:
    return parse_repository(f"{server.netloc}/{path}")


def test_an_open_registry_is_asked_once() -> None:
    """No login, no ping: one request for a tag list."""
    with Misbehaving(tags) as server, registry() as client:
        assert client.tags(repo(server)) == ("1.0",)
        assert [seen.path for seen in server.seen] == ["/v2/acme/web/tags/list"]


def test_an_anonymous_token_is_fetched_and_kept() -> None:
    """Anonymous pulls need a token too; the second call needs one request."""
    tokens = TokenServer()
    with Misbehaving(tokens.guard(tags, SAME)) as server, registry() as client:
        client.tags(repo(server))
        assert [seen.path for seen in server.seen] == [
            "/v2/acme/web/tags/list", "/token", "/v2/acme/web/tags/list",
        ]  # fmt: skip
        assert "authorization" not in tokens.seen[0].headers
        assert "scope=repository%3Aacme%2Fweb%3Apull" in tokens.seen[0].target
        assert "service=registry" in tokens.seen[0].target
        client.tags(repo(server))
        assert len(server.seen) == 4


def test_a_known_origin_costs_one_token_and_one_request_a_repository() -> None:
    """After the first 401 the origin's way to log in is remembered: no second probe."""
    tokens = TokenServer()
    with Misbehaving(tokens.guard(tags, SAME)) as server, registry() as client:
        client.tags(repo(server, "acme/web"))
        del server.seen[:]
        client.tags(repo(server, "acme/api"))
        assert [seen.path for seen in server.seen] == ["/token", "/v2/acme/api/tags/list"]


def test_a_password_goes_to_the_token_server_only() -> None:
    """Basic to the realm, the token to the registry, never the other way round."""
    tokens = TokenServer(users={"ann": PASSWORD}, anonymous=False)
    with Misbehaving(tokens.guard(tags, SAME)) as server, registry(LOGIN) as client:
        assert client.tags(repo(server)) == ("1.0",)
        for seen in server.seen:
            header = seen.headers.get("authorization", "")
            assert header.startswith("Basic") == (seen.path == "/token")


@pytest.mark.parametrize("field", ["token", "access_token"])
def test_both_names_of_a_token_are_known(field: str) -> None:
    """`token` and `access_token` are the same thing."""
    tokens = TokenServer(field_name=field)
    with Misbehaving(tokens.guard(tags, SAME)) as server, registry() as client:
        assert client.tags(repo(server)) == ("1.0",)


@pytest.mark.parametrize(
    ("expires_in", "still", "over"),
    [(300, 235, 245), (None, 45, 50), (0, 45, 50), (-5, 45, 50), (1, 45, 50), ("x", 45, 50),
     (True, 45, 50), (1e12, 69_000, 69_200)],
)  # fmt: skip
def test_a_token_is_used_for_most_of_its_life(expires_in: object, still: int, over: int) -> None:
    """R14: 80 % of expires_in, which is 60 s at least and a day at most."""
    clock = SkipClock()
    tokens = TokenServer(extra={} if expires_in is None else {"expires_in": expires_in})
    with Misbehaving(tokens.guard(tags, SAME)) as server, registry(clock=clock) as client:
        client.tags(repo(server))
        clock.advance(still)
        client.tags(repo(server))
        assert len(tokens.issued) == 1
        clock.advance(over - still)
        client.tags(repo(server))
        assert len(tokens.issued) == 2


@pytest.mark.parametrize(
    ("issued_at", "fresh_for"),
    [("{-100}", 130), ("{+3600}", 230), ("{-90000}", 230), ("yesterday", 230), ("2024-01-01T00:00:00", 230)],
)  # fmt: skip
def test_a_token_server_with_another_clock_does_no_harm(issued_at: str, fresh_for: int) -> None:
    """issued_at shortens a token's life when it is credible, and is ignored when it is not."""
    import datetime as dt

    clock = SkipClock()
    if issued_at.startswith("{"):
        moment = dt.datetime.fromtimestamp(clock.now() + int(issued_at.strip("{}")), dt.UTC)
        issued_at = moment.isoformat()
    tokens = TokenServer(extra={"expires_in": 300, "issued_at": issued_at})
    with Misbehaving(tokens.guard(tags, SAME)) as server, registry(clock=clock) as client:
        client.tags(repo(server))
        clock.advance(fresh_for)
        client.tags(repo(server))
        assert len(tokens.issued) == 1
        clock.advance(20)
        client.tags(repo(server))
        assert len(tokens.issued) == 2


def test_a_token_that_dies_between_pages_is_renewed_once() -> None:
    """R14: the list goes on where it was, with a new token."""
    tokens = TokenServer()

    def paged(seen: Seen, wire: Wire) -> None:
        if "last" in seen.target:
            wire.json({"name": "acme/web", "tags": ["2.0"]})
        else:
            tokens.valid.clear()
            link = '</v2/acme/web/tags/list?n=1&last=1.0>; rel="next"'
            wire.json({"name": "acme/web", "tags": ["1.0"]}, Link=link)

    with Misbehaving(tokens.guard(paged, SAME)) as server, registry() as client:
        assert client.tags(repo(server)) == ("1.0", "2.0")
        assert len(tokens.issued) == 2


def test_a_login_that_never_works_ends_after_four_requests() -> None:
    """R13: a token that is always rejected is renewed once, then it is an error."""
    tokens = TokenServer()

    def never(seen: Seen, wire: Wire) -> None:
        if seen.path == "/token":
            tokens(seen, wire)
        else:
            realm = f'Bearer realm="http://{seen.headers["host"]}/token"'
            wire.reply(401, b"{}", {"WWW-Authenticate": realm})

    with Misbehaving(never) as server, registry() as client:
        for _ in range(2):
            del server.seen[:]
            with pytest.raises(RegistryError, match="wants a login") as caught:
                client.tags(repo(server))
            assert caught.value.status == 401
            assert len(server.seen) <= 4


def test_a_registry_that_names_its_login_only_at_v2_is_pinged() -> None:
    """A 401 without a challenge leads to one ping of /v2/."""
    tokens = TokenServer()
    guarded = tokens.guard(tags, SAME)

    def shy(seen: Seen, wire: Wire) -> None:
        if seen.path not in {"/v2/", "/token"} and "authorization" not in seen.headers:
            wire.json({}, 401)
        else:
            guarded(seen, wire)

    with Misbehaving(shy) as server, registry() as client:
        assert client.tags(repo(server)) == ("1.0",)
        assert [seen.path for seen in server.seen][1:3] == ["/v2/", "/token"]
        assert len(server.seen) == 4


@pytest.mark.parametrize("hidden", [403, 404])
def test_a_registry_that_hides_what_is_private_gets_the_login(hidden: int) -> None:
    """Where anonymous access is on, a private repository looks missing until one logs in."""

    def hide(seen: Seen, wire: Wire) -> None:
        if seen.path == "/v2/":
            wire.json({})
        elif seen.headers.get("authorization", "").startswith("Basic"):
            tags(seen, wire)
        else:
            wire.json({}, hidden)

    with Misbehaving(hide) as server, registry(LOGIN) as client:
        assert client.tags(repo(server)) == ("1.0",)
        assert len(server.seen) == 3
    with Misbehaving(hide) as server, registry() as client:
        with pytest.raises(RegistryError):
            client.tags(repo(server))
        assert len(server.seen) == 1


def basic_only(seen: Seen, wire: Wire) -> None:
    import base64

    expected = "Basic " + base64.b64encode(f"ann:{PASSWORD}".encode()).decode()
    if seen.headers.get("authorization") == expected:
        tags(seen, wire)
    else:
        wire.reply(401, b"{}", {"WWW-Authenticate": 'Basic realm="Artifactory Realm"'})


def test_basic_goes_to_the_registry_itself() -> None:
    """A Basic realm is a name, not an address; afterwards no probe is needed."""
    with Misbehaving(basic_only) as server, registry(LOGIN) as client:
        assert client.tags(repo(server)) == ("1.0",)
        assert client.tags(repo(server)) == ("1.0",)
        assert len(server.seen) == 3


def test_a_wrong_password_is_sent_once() -> None:
    """A rejected Basic login is not repeated within a call."""
    wrong = Credential(username="ann", password="wrong")
    with Misbehaving(basic_only) as server, registry(wrong) as client:
        with pytest.raises(RegistryError, match="login"):
            client.tags(repo(server))
        assert sum("authorization" in seen.headers for seen in server.seen) == 1


def test_of_two_schemes_bearer_is_taken() -> None:
    """Two schemes in one header, as Codeberg sends them."""
    tokens = TokenServer()

    def both(seen: Seen, wire: Wire) -> None:
        if seen.path == "/token":
            tokens(seen, wire)
        elif seen.headers.get("authorization", "").startswith("Bearer token-"):
            tags(seen, wire)
        else:
            realm = (
                f'Bearer realm="http://{seen.headers["host"]}/token",service="s",Basic realm="x"'
            )
            wire.reply(401, b"{}", {"WWW-Authenticate": realm})

    with Misbehaving(both) as server, registry(Credential("", "")) as client:
        assert client.tags(repo(server)) == ("1.0",)


def test_a_registry_token_is_the_bearer() -> None:
    """A ready token goes to the registry at once, and a rejected one ends there."""
    ready = Credential(registry_token="canary-ready")

    def handle(seen: Seen, wire: Wire) -> None:
        if seen.headers.get("authorization") == "Bearer canary-ready":
            tags(seen, wire)
        else:
            wire.reply(401, b"{}", {"WWW-Authenticate": 'Bearer realm="http://127.0.0.1:1/"'})

    with Misbehaving(handle) as server, registry(ready) as client:
        assert client.tags(repo(server)) == ("1.0",)
        assert len(server.seen) == 1
    with Misbehaving(handle) as server, registry(Credential(registry_token="bad")) as client:
        with pytest.raises(RegistryError):
            client.tags(repo(server))
        assert len(server.seen) == 1


def test_an_identity_token_is_posted() -> None:
    """A refresh token travels in a POST body, never in a URL."""
    tokens = TokenServer(refresh_tokens=frozenset({REFRESH}), anonymous=False)
    login = Credential(identity_token=REFRESH)
    with Misbehaving(tokens.guard(tags, SAME)) as server, registry(login) as client:
        assert client.tags(repo(server)) == ("1.0",)
        [asked] = tokens.seen
        assert asked.method == "POST"
        assert "grant_type=refresh_token" in asked.body.decode()
        assert "client_id=imagebot" in asked.body.decode()
        assert all(REFRESH not in seen.target for seen in server.seen)


@pytest.mark.parametrize("post_status", [404, 405])
def test_a_server_without_post_is_asked_by_get(post_status: int) -> None:
    """Servers that know no POST get the token as a password."""
    tokens = TokenServer(users={"<token>": REFRESH}, anonymous=False, post_status=post_status)
    login = Credential(identity_token=REFRESH)
    with Misbehaving(tokens.guard(tags, SAME)) as server, registry(login) as client:
        assert client.tags(repo(server)) == ("1.0",)
        assert [seen.method for seen in tokens.seen] == ["POST", "GET"]


def test_many_threads_fetch_one_token() -> None:
    """Single flight: what one thread fetches serves all."""
    tokens = TokenServer()
    gate = threading.Barrier(8, timeout=10)
    with Misbehaving(tokens.guard(tags, SAME)) as server, registry() as client:
        client.tags(repo(server, "acme/other"))

        def ask(_: int) -> tuple[str, ...]:
            gate.wait()
            return client.tags(repo(server))

        with ThreadPoolExecutor(8) as threads:
            assert set(threads.map(ask, range(8))) == {("1.0",)}
        assert len(tokens.issued) == 2


def test_a_failed_token_request_frees_the_others() -> None:
    """A token server that breaks holds no lock: the next call asks again."""
    tokens = TokenServer()
    token_answers = script(lambda seen, wire: wire.json([], 200), tokens)

    def handle(seen: Seen, wire: Wire) -> None:
        if seen.path == "/token":
            token_answers(seen, wire)
        else:
            tokens.guard(tags, SAME)(seen, wire)

    with Misbehaving(handle) as server, registry() as client:
        with pytest.raises(RegistryError, match="holds no token"):
            client.tags(repo(server))
        assert client.tags(repo(server)) == ("1.0",)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (status(500), "token server answers 500"),
        (status(403), "token server answers 403"),
        (lambda s, w: w.reply(200, b"<html>login</html>"), "not JSON"),
        (lambda s, w: w.json({"token": ""}), "no token"),
        (lambda s, w: w.json({"token": 5}), "no token"),
        (lambda s, w: w.json({"token": "a\r\nX-Evil: b"}), "no token"),
        (lambda s, w: w.json({"token": "x" * 70_000}), "no token"),
        (lambda s, w: w.reply(200, b" " * 300_000), "larger than"),
    ],
)
def test_a_token_server_that_talks_nonsense_is_an_error(answer: Handler, words: str) -> None:
    """Whatever the token server does, the image is undecided and the reason is said."""
    tokens = TokenServer()

    def handle(seen: Seen, wire: Wire) -> None:
        (answer if seen.path == "/token" else tokens.guard(tags, SAME))(seen, wire)

    with (
        Misbehaving(handle) as server,
        registry() as client,
        pytest.raises(RegistryError, match=words),
    ):
        client.tags(repo(server))


def test_a_rejected_login_is_not_hammered() -> None:
    """After a few rejections in a row the password is not sent again: accounts get locked."""
    tokens = TokenServer(anonymous=False)
    with Misbehaving(tokens.guard(tags, SAME)) as server, registry(LOGIN) as client:
        for number in range(10):
            with pytest.raises(RegistryError):
                client.tags(repo(server, f"acme/web{number}"))
        assert len(tokens.seen) == MAX_REJECTIONS


@pytest.mark.parametrize("kind", ["basic", "token"])
def test_a_wrong_login_is_tried_in_turn_by_many_threads(kind: str) -> None:
    """Sixteen threads with one wrong password send it as often as one would: three times."""
    sent: list[str] = []

    def handle(seen: Seen, wire: Wire) -> None:
        if "authorization" in seen.headers:
            sent.append(seen.path)
            time.sleep(0.05)
        bearer = f'Bearer realm="{SAME.format(host=server.netloc)}",service="x"'
        challenge = 'Basic realm="x"' if kind == "basic" else bearer
        wire.reply(401, headers={"WWW-Authenticate": challenge})

    with Misbehaving(handle) as server, registry(LOGIN) as client:

        def ask(number: int) -> str:
            with pytest.raises(RegistryError) as caught:
                client.tags(repo(server, f"acme/web{number}"))
            return str(caught.value)

        with ThreadPoolExecutor(16) as pool:
            said = list(pool.map(ask, range(40)))
    assert len(sent) == MAX_REJECTIONS
    assert sum("is not sent again" in line for line in said) == 40 - MAX_REJECTIONS


def test_a_login_that_works_is_used_by_many_threads_at_once() -> None:
    """The turn that a first login takes does not make a registry slow for good."""
    together = threading.Barrier(4, timeout=10)
    first = threading.Event()

    def handle(seen: Seen, wire: Wire) -> None:
        if "authorization" not in seen.headers:
            wire.reply(401, headers={"WWW-Authenticate": 'Basic realm="x"'})
            return
        if first.is_set():
            together.wait()
        tags(seen, wire)

    with Misbehaving(handle) as server, registry(LOGIN) as client:
        client.tags(repo(server))
        first.set()
        with ThreadPoolExecutor(4) as pool:
            answers = list(pool.map(lambda n: client.tags(repo(server, f"acme/{n}")), range(4)))
    assert answers == [("1.0",)] * 4


def test_an_evil_realm_gets_nothing_at_all() -> None:
    """R15: neither password nor request goes to a realm that the rule refuses."""
    for template in ["http://{evil}/token", "file:///etc/passwd", "gopher://{evil}/", ""]:
        with Misbehaving(status(200)) as evil:
            realm = template.replace("{evil}", evil.netloc)
            handler = status(401, WWW_Authenticate=f'Bearer realm="{realm}",service="x"')
            with Misbehaving(handler) as server, registry(LOGIN) as client:
                with pytest.raises(RegistryError, match="token server"):
                    client.tags(repo(server))
                assert evil.seen == []
                assert PASSWORD not in server.everything


def test_a_trusted_token_server_on_another_port_works() -> None:
    """What the operator names is asked, and gets the password."""
    tokens = TokenServer(users={"ann": PASSWORD}, anonymous=False)
    with Misbehaving(tokens) as other:
        guarded = tokens.guard(tags, f"http://{other.netloc}/token")
        with Misbehaving(guarded) as server:
            trusted = {server.netloc: frozenset({other.netloc})}
            with registry(LOGIN, token_servers=trusted) as client:
                assert client.tags(repo(server)) == ("1.0",)


def test_a_token_server_that_redirects_away_is_an_error() -> None:
    """A realm cannot pass a login on: the other origin gets no secret, and its token is refused."""
    with Misbehaving(lambda s, w: w.json({"token": "stolen"})) as evil:

        def handle(seen: Seen, wire: Wire) -> None:
            if seen.path == "/token":
                wire.reply(302, b"", {"Location": f"{evil.url}/token"})
            else:
                realm = f'Bearer realm="http://{seen.headers["host"]}/token"'
                wire.reply(401, b"{}", {"WWW-Authenticate": realm})

        with Misbehaving(handle) as server, registry(LOGIN) as client:
            with pytest.raises(RegistryError, match="another origin"):
                client.tags(repo(server))
            assert "authorization" not in evil.everything
            assert "stolen" not in server.everything


def test_a_foreign_challenge_behind_a_redirect_gets_nothing() -> None:
    """A host that a redirect leads to cannot ask for this registry's login (CVE-2020-15157)."""
    challenge = 'Bearer realm="http://{host}/token",service="x"'

    def evil_handler(seen: Seen, wire: Wire) -> None:
        shown = challenge.replace("{host}", seen.headers["host"])
        wire.reply(401, b"{}", {"WWW-Authenticate": shown})

    with (
        Misbehaving(evil_handler) as evil,
        Misbehaving(lambda s, w: w.reply(307, b"", {"Location": f"{evil.url}/x"})) as server,
        registry(LOGIN) as client,
    ):
        with pytest.raises(RegistryError):
            client.tags(repo(server))
        assert all(seen.path != "/token" for seen in evil.seen)
        assert "authorization" not in evil.everything


def test_an_https_registry_with_an_http_realm_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """R15: the password of an https registry never travels in plain, not even to itself."""
    resolve_to_loopback(monkeypatch, "registry.example.com", "auth.example.com")
    authority = Authority(tmp_path)
    pair = authority.issue("registry.example.com", "auth.example.com")
    tokens = TokenServer(users={"ann": PASSWORD}, anonymous=False)
    with Misbehaving(tokens) as plain:
        realm = f"http://auth.example.com:{plain.port}/token"
        guarded = tokens.guard(tags, realm)
        with (
            Misbehaving(guarded, tls=pair.server_context()) as server,
            registry(
                LOGIN,
                ca_bundle=str(authority.bundle),
                insecure_hosts=frozenset({"auth.example.com"}),
            ) as client,
        ):
            image = parse_repository(f"registry.example.com:{server.port}/acme/web")
            with pytest.raises(RegistryError, match="needs a token server on https"):
                client.tags(image)
            assert plain.seen == []


def test_a_token_server_under_the_same_parent_domain_works_over_tls(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """registry.example.com may send us to auth.example.com, by https."""
    resolve_to_loopback(monkeypatch, "registry.example.com", "auth.example.com")
    authority = Authority(tmp_path)
    pair = authority.issue("registry.example.com", "auth.example.com")
    tokens = TokenServer(users={"ann": PASSWORD}, anonymous=False)
    with Misbehaving(tokens, tls=pair.server_context()) as auth:
        guarded = tokens.guard(tags, f"https://auth.example.com:{auth.port}/token")
        with (
            Misbehaving(guarded, tls=pair.server_context()) as server,
            registry(LOGIN, ca_bundle=str(authority.bundle)) as client,
        ):
            image = parse_repository(f"registry.example.com:{server.port}/acme/web")
            assert client.tags(image) == ("1.0",)
            assert all("Basic" not in seen.text for seen in server.seen)


def test_a_credential_does_not_show_itself() -> None:
    """No repr of any value on the way holds a secret."""
    login = Credential("ann", PASSWORD, REFRESH, "canary-ready")
    assert "canary" not in repr(login)
    assert "canary" not in str([login])


def test_no_message_holds_a_secret() -> None:
    """Law 5: errors of every kind of login stay silent about it."""
    for login in (
        LOGIN,
        Credential(identity_token=REFRESH),
        Credential(registry_token="canary-ready"),
    ):
        tokens = TokenServer(anonymous=False)
        with Misbehaving(tokens.guard(tags, SAME)) as server, registry(login) as client:
            with pytest.raises(RegistryError) as caught:
                client.tags(repo(server))
            assert "canary" not in str(caught.value)
            assert "canary" not in repr(caught.value)
