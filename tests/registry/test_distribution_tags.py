"""Tag lists: complete or an error, over real sockets, whatever the registry does."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import parse_qs

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagebot.errors import RegistryError
from imagebot.http import Headers, HttpClient, Response, parse_url
from imagebot.imageref import Repository, parse_repository
from imagebot.registry.auth import Authenticator
from imagebot.registry.distribution import MAX_PAGES, DistributionRegistry, registry_url
from imagebot.registry.pages import next_page, read_page
from tests.support.misbehaving import Handler, Misbehaving, Seen, Wire, ok, script, status
from tests.support.skipclock import SkipClock


@contextmanager
def registry() -> Iterator[DistributionRegistry]:
    clock = SkipClock()
    with HttpClient(user_agent="imagebot-tests", clock=clock) as http:
        yield DistributionRegistry(http, lambda repository: None, Authenticator(clock.now))


def repo(server: Misbehaving, path: str = "acme/web") -> Repository:
    return parse_repository(f"{server.netloc}/{path}")


def listing(handler: Handler, path: str = "acme/web") -> tuple[str, ...]:
    with Misbehaving(handler) as server, registry() as client:
        return client.tags(repo(server, path))


def failing(handler: Handler, words: str) -> RegistryError:
    with Misbehaving(handler) as server, registry() as client:
        with pytest.raises(RegistryError, match=words) as caught:
            client.tags(repo(server))
        return caught.value


def pages(*parts: list[str], link: str = '</v2/acme/web/tags/list?page={}>; rel="next"') -> Handler:
    """A list in pages, each but the last with a Link of this form."""

    def handle(seen: Seen, wire: Wire) -> None:
        at = int(parse_qs(seen.target.partition("?")[2]).get("page", ["0"])[0])
        headers = {}
        if at + 1 < len(parts):
            headers["Link"] = link.format(at + 1).replace("HOST", seen.headers["host"])
        wire.json({"name": "acme/web", "tags": parts[at]}, **headers)

    return handle


@pytest.mark.parametrize(
    "link",
    [
        '</v2/acme/web/tags/list?page={}>; rel="next"',
        '<http://HOST/v2/acme/web/tags/list?page={}>; rel="next"',
        "</v2/acme/web/tags/list?page={}>; rel=next",
        "</v2/acme/web/tags/list?page={}>;rel=next;title=more",
        '</v2/acme/web/tags/list?page={}>; title="a, b"; rel="next"',
        '</v2/acme/web/tags/list?page={}>; REL="NEXT"',
        '</v2/acme/web/tags/list?page={}>; rel="next last"',
        '</x>; rel="prev", </v2/acme/web/tags/list?page={}>; rel="next"',
        '</v2/acme/web/tags/list?page={}>; rel="next", </x>; rel="last"',
        "<list?page={}>; rel=next",
        "<?page={}>; rel=next",
        '</v2/web/tags/list?page={}>; rel="next"',
        '</v2/acme/web/tags/list?next_page=gAAAA%3D%3D&page={}>; rel="next"',
    ],
)
def test_every_page_is_read(link: str) -> None:
    """R17: relative and absolute links, bare rel, several rels, cursors, a lost path prefix."""
    assert listing(pages(["1", "2"], ["3"], ["4", "1"], link=link)) == ("1", "2", "3", "4")


def test_only_the_link_says_that_there_is_more() -> None:
    """R18: a short page with a Link goes on, a full one without a Link is the end."""
    assert listing(pages([], ["1"], [], ["2"])) == ("1", "2")
    assert len(listing(ok({"name": "acme/web", "tags": [f"v{n}" for n in range(1000)]}))) == 1000


@pytest.mark.parametrize(
    ("link", "words"),
    [
        ("<http://127.0.0.1:1/v2/acme/web/tags/list?page={}>; rel=next", "another origin"),
        ("<https://HOST/v2/acme/web/tags/list?page={}>; rel=next", "another origin"),
        ("<//evil.example.com/v2/acme/web/tags/list?page={}>; rel=next", "another origin"),
        ("<file:///etc/passwd?page={}>; rel=next", "is bad"),
        ("<http://u:p@HOST/v2/acme/web/tags/list?page={}>; rel=next", "is bad"),
        ("</v2/other/web/tags/list?page={}>; rel=next", "another repository"),
        ("</v2/acme/web/manifests/x?page={}>; rel=next", "another repository"),
        ("</v2/b/tags/list?page={}>; rel=next", "another repository"),
        ("</v2/acme/web/tags/list?page=0&x={}>; rel=next", "circle"),
        ("</v2/acme/web/tags/list?page={}; rel=next", "cannot be read"),
        ("/v2/acme/web/tags/list?page={}; rel=next", "cannot be read"),
        ("rel='next'", "cannot be read"),
    ],
)
def test_a_next_page_that_cannot_be_trusted_is_an_error(link: str, words: str) -> None:
    """R17: no request leaves the origin, and no list is cut short in silence."""
    failing(pages(["1"], ["2"], link=link), words)


def test_pages_in_a_circle_are_an_error() -> None:
    """R17: a Link to a page that was read already ends the walk."""
    with Misbehaving(pages(["1"], ["2"], ["3"], link="<?n=1000&page=1>; rel=next")) as server:
        with registry() as client, pytest.raises(RegistryError, match="circle"):
            client.tags(repo(server))
        assert len(server.seen) == 2


def test_endless_pages_are_an_error() -> None:
    """R17: 200 pages are read, a list of 10 000 pages is no list."""
    with Misbehaving(pages(*[[f"v{n}"] for n in range(10_000)])) as server:
        with registry() as client, pytest.raises(RegistryError, match="more than 200 pages"):
            client.tags(repo(server))
        assert len(server.seen) == MAX_PAGES + 1


def test_a_page_that_fails_fails_the_list() -> None:
    """Law 1: one page in error, for good, and there is no list at all."""
    first = pages(["1"], ["2"])
    error = failing(script(first, status(500)), "answers 500")
    assert error.retryable
    failing(script(first, status(404)), "knows no such")


def test_the_page_size_is_1000_unless_the_registry_refuses() -> None:
    """R19: a refused n is tried as 1000, then left out; what worked is remembered."""
    for code in (400, 405):

        def refuse(seen: Seen, wire: Wire, code: int = code) -> None:
            if "n=" in seen.target:
                wire.json({"errors": [{"code": "PAGINATION_NUMBER_INVALID"}]}, code)
            else:
                wire.json({"name": "acme/web", "tags": ["1"]})

        with Misbehaving(refuse) as server, registry() as client:
            assert client.tags(repo(server)) == ("1",)
            assert client.tags(repo(server)) == ("1",)
            asked = [seen.target.partition("?")[2] for seen in server.seen]
            assert asked == ["n=1000", "", ""]


def test_a_size_that_is_always_refused_is_an_error() -> None:
    """R19: three attempts at most."""
    with Misbehaving(status(400)) as server, registry() as client:
        with pytest.raises(RegistryError, match="answers 400"):
            client.tags(repo(server))
        assert len(server.seen) == 2


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ({"name": "acme/web", "tags": None}, ()),
        ({"name": "acme/web", "tags": []}, ()),
        ({"tags": ["1"]}, ("1",)),
        ({"name": "", "tags": ["1"]}, ("1",)),
        ({"name": "web", "tags": ["1"]}, ("1",)),
        ({"name": "virtual/acme/web", "tags": ["1"]}, ("1",)),
        ({"name": "acme/web", "tags": ["b", "a", "b", "A"]}, ("b", "a", "A")),
        ({"name": "acme/web", "tags": ["latest"]}, ("latest",)),
        ({"name": "acme/web", "tags": ["x" * 128]}, ("x" * 128,)),
        (
            {
                "name": "acme/web",
                "tags": ["1"],
                "child": [],
                "manifest": {"sha256:0": {"tag": ["1"]}},
            },
            ("1",),
        ),
    ],
)
def test_answers_that_are_lists(answer: object, expected: tuple[str, ...]) -> None:
    """R11, R20: empty, unsorted, doubled, Google's extra fields, a proxy's other prefix."""
    assert listing(ok(answer)) == expected


def test_strings_that_are_no_tags_are_dropped_and_counted(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """R20: what cannot be a tag is never shown to a policy, and the log says how many."""
    bad = ["", "-x", ".x", "a b", "a/b", "x" * 129, "tag\n", "ü", "a:b", "$(id)"]
    assert listing(ok({"name": "acme/web", "tags": ["1.0", *bad]})) == ("1.0",)
    assert f"{len(bad)} strings" in caplog.text


@pytest.mark.parametrize(
    ("handler", "words"),
    [
        (lambda s, w: w.reply(200, b"<html><h1>Welcome to the hotel</h1></html>"), "HTML"),
        (lambda s, w: w.reply(200, b""), "empty"),
        (lambda s, w: w.reply(200, b'{"tags": ["1", '), "not JSON"),
        (ok([]), "no list of tags"),
        (ok({"name": "acme/web"}), "no list of tags"),
        (ok({"errors": []}), "no list of tags"),
        (ok({"name": "acme/web", "tags": "1.0"}), "no string"),
        (ok({"name": "acme/web", "tags": ["1", 2]}), "no string"),
        (ok({"name": "acme/web", "tags": {"1": 1}}), "no string"),
        (ok({"name": "evil/web2", "tags": ["1"]}), "another repository"),
        (ok({"name": "eb", "tags": ["1"]}), "another repository"),
        (ok({"name": "xacme/web", "tags": ["1"]}), "another repository"),
        (ok({"name": 5, "tags": ["1"]}), "another repository"),
        (lambda s, w: w.json({"errors": [{"code": "NAME_UNKNOWN", "message": "x\ny"}]}, 404), "NAME_UNKNOWN"),
        (lambda s, w: w.json({"errors": [{"code": "<script>"}]}, 404), "knows no such repository, tag or digest$"),
        (lambda s, w: w.reply(404, b'{"errors": 5}'), "knows no such"),
        (status(403), "denies access"),
        (status(401), "wants a login"),
        (status(204), "answers 204"),
    ],
)  # fmt: skip
def test_answers_that_are_no_lists(handler: Handler, words: str) -> None:
    """R10, R12, R31: none of these is an empty list; each says why."""
    failing(handler, words)


def test_a_list_of_200_000_tags_is_read_in_bounds() -> None:
    """R20: a huge but honest list works, in seconds."""
    names = [f"v1.{n}.0-build.{n}" for n in range(200_000)]
    started = time.perf_counter()
    assert len(listing(ok({"name": "acme/web", "tags": names}))) == 200_000
    assert time.perf_counter() - started < 5


def test_a_list_over_the_cap_is_an_error() -> None:
    """R28: a list that never ends is cut off by bytes."""
    failing(lambda s, w: w.reply(200, b'{"tags": ["' + b"x" * 20_000_000 + b'"]}'), "larger than")


def test_a_throttled_host_says_until_when() -> None:
    """R07: the error carries the time, the host and nothing to downgrade to."""
    error = failing(status(429, Retry_After="3600"), "asks for a pause")
    assert error.not_before > time.time() + 3000
    assert (error.status, error.retryable) == (429, True)


def test_a_registry_that_is_down_leaves_the_other_alone() -> None:
    """R01, law 12: one host down, the other answers."""
    with Misbehaving(ok({"tags": ["1"]})) as server, registry() as client:
        with pytest.raises(RegistryError, match="refused"):
            client.tags(parse_repository("127.0.0.1:1/acme/web"))
        assert client.tags(repo(server)) == ("1",)


def test_hosts_become_urls() -> None:
    """Docker Hub's API has its own name, loopback speaks http, everything else https."""
    assert registry_url("docker.io") == "https://registry-1.docker.io"
    assert registry_url("ghcr.io") == "https://ghcr.io"
    assert registry_url("localhost:5000", plain=True) == "http://localhost:5000"
    with registry() as client:
        assert str(client._session(parse_repository("nginx")).url("tags/list").text) == (
            "https://registry-1.docker.io/v2/library/nginx/tags/list"
        )
        assert client._session(parse_repository("localhost:5000/a")).origin.scheme == "http"
        assert client._session(parse_repository("registry.corp:5000/a")).origin.scheme == "https"


def test_an_engine_image_is_not_asked_for() -> None:
    """An image that only a Docker Engine has makes no request."""
    with registry() as client, pytest.raises(RegistryError, match="no registry"):
        client.tags(parse_repository("docker-daemon:my-app"))


@given(st.text(max_size=120))
def test_no_link_header_makes_it_fail(link: str) -> None:
    """Any Link gives a next page on the same origin, none, or a RegistryError."""
    here = parse_url("https://h/v2/a/tags/list?n=1000")
    for text in (link, f"<{link}>; rel=next", f'</v2/a/tags/list?{link}>; rel="next"'):
        try:
            found = next_page(here, text)
        except RegistryError:
            continue
        assert found is None or (found.origin, found.path) == (here.origin, here.path)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["tags", "name", "x"]), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(JSON)
def test_no_json_makes_it_fail(value: object) -> None:
    """Any JSON is a page or a RegistryError."""
    import json

    try:
        page = read_page(Response(200, Headers(), json.dumps(value).encode(), "https://h/"), "a/b")
    except RegistryError:
        return
    assert all(isinstance(tag, str) and tag for tag in page.tags)
