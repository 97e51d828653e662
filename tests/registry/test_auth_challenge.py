"""The WWW-Authenticate headers that registries send, and those that nobody should."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagebot.registry.challenge import Challenge, parse_challenges

HUB = {
    "realm": "https://auth.docker.io/token",
    "service": "registry.docker.io",
    "scope": "repository:library/nginx:pull",
}


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("", []),
        (
            ('Bearer realm="https://auth.docker.io/token",service="registry.docker.io",'
            'scope="repository:library/nginx:pull"'),
            [("bearer", HUB)],
        ),
        ("Bearer realm=https://h/t,service=s", [("bearer", {"realm": "https://h/t", "service": "s"})]),
        ('bearer  REALM = "https://h/t" , Service = s', [("bearer", {"realm": "https://h/t", "service": "s"})]),
        ('Basic realm="Artifactory Realm"', [("basic", {"realm": "Artifactory Realm"})]),
        ("Basic", [("basic", {})]),
        (
            'Bearer realm="https://codeberg.org/v2/token",service="container_registry",scope="*",Basic realm="x"',
            [
                ("bearer", {"realm": "https://codeberg.org/v2/token", "service": "container_registry", "scope": "*"}),
                ("basic", {"realm": "x"}),
            ],
        ),
        ("Bearer realm=a, Basic", [("bearer", {"realm": "a"}), ("basic", {})]),
        ("Basic, Bearer realm=a", [("basic", {}), ("bearer", {"realm": "a"})]),
        (
            'Bearer realm="https://h/t",scope="repository:a/b:pull,push repository:c/d:pull"',
            [("bearer", {"realm": "https://h/t", "scope": "repository:a/b:pull,push repository:c/d:pull"})],
        ),
        (r'Basic realm="say \"hi\", you"', [("basic", {"realm": 'say "hi", you'})]),
        ("Negotiate YIIabc==, Basic realm=x", [("negotiate", {}), ("basic", {"realm": "x"})]),
        ('Bearer realm="first",realm="second"', [("bearer", {"realm": "first"})]),
        ("Bearer realm=a, Bearer realm=b", [("bearer", {"realm": "a"}), ("bearer", {"realm": "b"})]),
        (",, ,Basic ,,realm=x,,", [("basic", {"realm": "x"})]),
        ('realm="no scheme"', [("realm", {})]),
        ("Bearer realm=", [("bearer", {})]),
    ],
)  # fmt: skip
def test_challenges_are_read(header: str, expected: list[tuple[str, dict[str, str]]]) -> None:
    """R15: quoted and bare values, several schemes, commas inside quotes, duplicates."""
    found = [
        (challenge.scheme, dict(challenge.parameters)) for challenge in parse_challenges(header)
    ]
    if header.startswith("realm="):
        # Without a scheme there is nothing that could be obeyed.
        assert all(scheme not in {"bearer", "basic"} for scheme, _ in found)
    else:
        assert found == expected


def test_a_single_value_is_kept_apart() -> None:
    """Negotiate's blob is no parameter."""
    assert parse_challenges("Negotiate YIIabc==") == (Challenge("negotiate", {}, "YIIabc=="),)


TOKEN = st.text("abcdefgXYZ0123-_.", min_size=1, max_size=8)
PARAMETERS = st.dictionaries(
    TOKEN.map(str.lower),
    st.text(st.characters(codec="ascii", categories=["L", "N", "P", "Zs"]), max_size=12),
    max_size=3,
)


@given(st.lists(st.tuples(TOKEN.map(str.lower), PARAMETERS), max_size=4))
def test_what_is_written_by_the_rules_is_read_back(parts: list[tuple[str, dict[str, str]]]) -> None:
    """Any list of challenges with quoted values survives."""

    def quoted(value: str) -> str:
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'

    header = ", ".join(
        f"{scheme} " + ", ".join(f"{name}={quoted(value)}" for name, value in parameters.items())
        for scheme, parameters in parts
    )
    assert [(c.scheme, dict(c.parameters)) for c in parse_challenges(header)] == parts


@given(st.text(max_size=200))
def test_no_header_makes_it_fail(header: str) -> None:
    """Any text gives challenges or none."""
    for challenge in parse_challenges(header):
        assert challenge.scheme == challenge.scheme.lower()


@pytest.mark.parametrize("piece", ['"', "a=", "a ", "\\", ',"', 'a="\\', "=", "a=b ", "\t"])
def test_a_long_header_is_read_in_no_time(piece: str) -> None:
    """No header makes the reader slow, and one of more than 16 KiB is not read at all."""
    started = time.perf_counter()
    parse_challenges((piece * 16_384)[:16_384])
    assert time.perf_counter() - started < 0.5
    assert parse_challenges("Basic " + "x" * 16_384) == ()
