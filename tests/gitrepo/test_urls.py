from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagebot.errors import UsageError
from imagebot.gitrepo.urls import parse

GOOD = [
    ("https://github.com/acme/shop.git", "https", "github.com", "/acme/shop.git", ""),
    ("HTTPS://github.com/acme/shop", "https", "github.com", "/acme/shop", ""),
    ("https://git.example.com:8443/a/b", "https", "git.example.com:8443", "/a/b", ""),
    (
        "https://org@dev.azure.com/org/my%20p/_git/r",
        "https",
        "dev.azure.com",
        "/org/my%20p/_git/r",
        "org",
    ),
    ("https://[::1]:8443/a", "https", "[::1]:8443", "/a", ""),
    ("ssh://git@git.example.com:2222/a/b.git", "ssh", "git.example.com:2222", "/a/b.git", "git"),
    ("ssh://host/~me/r.git", "ssh", "host", "/~me/r.git", ""),
    ("git@github.com:acme/shop.git", "ssh", "github.com", "acme/shop.git", "git"),
    ("host:/srv/r.git", "ssh", "host", "/srv/r.git", ""),
]


@pytest.mark.parametrize(("url", "scheme", "host", "path", "user"), GOOD)
def test_ways_to_reach_a_repository(url: str, scheme: str, host: str, path: str, user: str) -> None:
    """https, ssh and scp-like URLs are taken apart; an https user is kept out of the text."""
    found = parse(url)
    assert (found.scheme, found.host, found.path, found.user) == (scheme, host, path, user)
    assert scheme != "https" or "@" not in found.text


BAD = [
    "",
    "-x",
    "--upload-pack=touch x",
    "https://",
    "https:///a",
    "https://host",
    "https://host/",
    "http://host/a",
    "http://127.0.0.1/a",
    "git://host/a",
    "ftp://host/a",
    "ext::sh -c id",
    "fd::17",
    "ext://x/y",
    "file:///srv/r.git",
    "/srv/r.git",
    "./r",
    "../r",
    "r.git",
    "~/r",
    "https://-host/a",
    "https://host:0/a",
    "https://host:99999/a",
    "https://host:x/a",
    "https://a..b/c",
    "https://host/a?x=1",
    "https://host/a#f",
    "https://host/a b",
    "https://host/a\nb",
    "https://host/\x1b[0m",
    "https://host/../../etc",
    "https://host/%2e%2e/etc",
    "https://host/-a",
    "https://host//a",
    "ssh://-oProxyCommand=id/x",
    "ssh://-o@host/x",
    "ssh://host/-x",
    "-oProxyCommand=id:x",
    "git@-host:x",
    "git@host:-x",
    "git@host:a/../b",
    "git@host:a b",
    "host::x",
    "a@b@c:d",
    "https://h\u0430st/a",
    "https://host/é",
]


@pytest.mark.parametrize("url", BAD)
def test_what_could_be_an_option_a_helper_or_a_trick_is_refused(url: str) -> None:
    """A URL that is not plainly https, ssh or scp-like raises UsageError."""
    with pytest.raises(UsageError):
        parse(url)


@pytest.mark.parametrize(
    "url",
    [
        "https://me:S3CRET@host/a",
        "ssh://git:S3CRET@host/a",
        "https://:S3CRET@host/a",
        "https://S3 CRET@host/a",
    ],
)
def test_a_password_in_a_url_is_refused_without_being_repeated(url: str) -> None:
    """The refusal does not quote the secret."""
    with pytest.raises(UsageError) as caught:
        parse(url)
    assert "CRET" not in str(caught.value)


def test_a_user_in_a_url_is_not_shown() -> None:
    """A token put where the user belongs appears neither in str nor in repr."""
    found = parse("https://S3CRET@host/a")
    assert "S3CRET" not in f"{found} {found!r}"


@pytest.mark.parametrize(
    "url",
    [
        "/srv/r.git",
        "file:///srv/r.git",
        "http://127.0.0.1:8080/r",
        "http://localhost/r",
        "http://[::1]:1/r",
    ],
)
def test_this_machine_only_on_request(url: str) -> None:
    """Local paths and http to loopback are admitted with allow_local, and only then."""
    assert parse(url, allow_local=True).path in {"/srv/r.git", "/r"}
    with pytest.raises(UsageError):
        parse(url)


@pytest.mark.parametrize(
    "url",
    [
        "http://10.0.0.1/r",
        "http://127.0.0.1.evil.com/r",
        "http://127.0.0.1@evil.com/r",
        "http://localhost.evil/r",
        "file://host/r",
        "/a/../b",
    ],
)
def test_this_machine_means_this_machine(url: str) -> None:
    """allow_local admits no other host, and no path that climbs."""
    with pytest.raises(UsageError):
        parse(url, allow_local=True)


@given(url=st.text(max_size=60), local=st.booleans())
def test_any_text_is_read_or_refused(*, url: str, local: bool) -> None:
    """Whatever the text, parse answers with a clean URL or UsageError, and reading it again agrees."""
    try:
        found = parse(url, allow_local=local)
    except UsageError:
        return
    assert found.text.isprintable()
    assert not found.text.startswith("-")
    assert parse(found.text, allow_local=local).text == found.text
