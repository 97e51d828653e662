"""Facts about an image: sources that may be linked, ages that can be known."""

from __future__ import annotations

from datetime import timedelta

import pytest

from imagebot.pulls.evidence import age, read_created, read_source
from tests.pulls.samples import NOW, details


@pytest.mark.parametrize(
    ("label", "url", "compare"),
    [
        ("https://github.com/acme/web", "https://github.com/acme/web", "/compare/"),
        ("https://github.com/acme/web.git", "https://github.com/acme/web", "/compare/"),
        ("https://codeberg.org/acme/web/", "https://codeberg.org/acme/web", "/compare/"),
        ("https://gitlab.com/a/b/c", "https://gitlab.com/a/b/c", "/-/compare/"),
        ("https://gitlab.acme.example/a/b", "https://gitlab.acme.example/a/b", "/-/compare/"),
        ("https://git.acme.example/a/b", "https://git.acme.example/a/b", ""),
        ("https://github.com/acme/web/tree/main", "https://github.com/acme/web/tree/main", ""),
    ],
)
def test_sources(label: str, url: str, compare: str) -> None:
    """A known forge gets a compare link in its spelling, another one a plain link."""
    source = read_source(details(labels={"org.opencontainers.image.source": label}))
    assert source is not None
    assert source.url == url
    wanted = f"{url}{compare}aaaaaaa...bbbbbbb" if compare else ""
    assert source.compare("aaaaaaa", "bbbbbbb") == wanted


@pytest.mark.parametrize(
    "label",
    [
        "",
        "http://github.com/acme/web",
        "https://user:secret@github.com/acme/web",
        "https://github.com:8443/acme/web",
        "https://github.com/acme",
        "https://github.com/acme/../web",
        "https://github.com/acme/web?x=1",
        "https://github.com/acme/web#x",
        "https://git\u0127ub.com/acme/web",
        "git@github.com:acme/web",
        "javascript:alert(1)",
        "https://github.com/acme/web)[x](y",
    ],
)
def test_doubtful_sources_are_not_shown(label: str) -> None:
    """No https, credentials, ports, queries, dots or foreign letters: no link."""
    assert read_source(details(labels={"org.opencontainers.image.source": label})) is None


@pytest.mark.parametrize(
    ("passed", "words"),
    [
        (timedelta(minutes=20), "less than an hour old"),
        (timedelta(hours=1), "1 hour old"),
        (timedelta(hours=23, minutes=59), "23 hours old"),
        (timedelta(days=1), "1 day old"),
        (timedelta(days=13), "1 week old"),
        (timedelta(days=65), "2 months old"),
        (timedelta(days=800), "2 years old"),
        (timedelta(minutes=-2), "less than an hour old"),
        (timedelta(hours=-2), "dated in the future"),
    ],
)
def test_ages(passed: timedelta, words: str) -> None:
    """One unit is enough; a date from the future is named as such."""
    assert age(NOW - passed, NOW) == words


@pytest.mark.parametrize(
    ("created", "known"),
    [
        ("2026-08-20T12:00:00Z", True),
        ("2026-08-20T12:00:00.123456789+02:00", True),
        ("2026-08-20T12:00:00", True),
        ("", False),
        ("yesterday", False),
        ("0001-01-01T00:00:00Z", False),
        ("0001-01-01T00:00:00+14:00", False),
        ("9999-12-31T23:59:59-14:00", False),
        ("1970-01-01T00:00:00Z", False),
        ("1980-01-01T00:00:01Z", False),
    ],
)
def test_build_times(created: str, *, known: bool) -> None:
    """A reproducible build's zero date, or nonsense, is an unknown age."""
    assert (read_created(details(created=created)) is not None) is known
