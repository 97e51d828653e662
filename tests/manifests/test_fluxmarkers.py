"""The comments by which Flux knows what to write, and those that it passes over silently."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagebot.governing import Marker
from imagebot.manifests.fluxmarkers import Fault, parse
from imagebot.manifests.scan import scan_file

OK = '# {"$imagepolicy": "ns:app"}'


def _markers(body: str) -> tuple[Marker, ...]:
    text = f"apiVersion: v1\nkind: X\nmetadata: {{name: x}}\nspec:\n{body}\n"
    return scan_file("a/x.yaml", text.encode()).markers


@pytest.mark.parametrize(
    ("comment", "read"),
    [
        ('# {"$imagepolicy": "ns:app"}', ("ns:app", "")),
        ('#{"$imagepolicy":"a:b"}', ("a:b", "")),
        ('#   {  "$imagepolicy" :  "a:b:tag"  }  ', ("a:b", "tag")),
        ('# {"$imagepolicy": "a:b:name"}', ("a:b", "name")),
        ('# {"$imagepolicy": "a:b:digest"}', ("a:b", "digest")),
        ('# {"$ref":"#/definitions/io.k8s.cli.setters.ns:name"}', ("ns:name", "")),
    ],
)
def test_a_marker_that_flux_reads_is_read(comment: str, read: tuple[str, str]) -> None:
    """Spaces do not matter, and the old form says the same."""
    assert parse(comment) == read


@pytest.mark.parametrize(
    ("comment", "fault"),
    [
        ('# see {"$imagepolicy": "ns:app"}', "flux-marker-text"),
        ('# {"$imagepolicy": "ns:app"} -- why', "flux-marker-text"),
        ("# {'$imagepolicy': 'ns:app'}", "flux-marker-quotes"),
        ('# {"$imagepolicy": "ns:app"', "flux-marker-json"),
        ('# {"$imagepolicy": 7}', "flux-marker-json"),
        ('# {"$imagepolicy": "ns:app", "x": 1}', "flux-marker-keys"),
        ('# {"$ImagePolicy": "ns:app"}', "flux-marker-key"),
        ('# {"$imagepolicy": "app"}', "flux-marker-namespace"),
        ('# {"$imagepolicy": "ns/app"}', "flux-marker-namespace"),
        ('# {"$imagepolicy": ":app"}', "flux-marker-namespace"),
        ('# {"$imagepolicy": "ns:app:TAG"}', "flux-marker-suffix"),
        ('# {"$imagepolicy": "ns:app:version"}', "flux-marker-suffix"),
        ('# {"$imagepolicy": "ns:app:"}', "flux-marker-suffix"),
    ],
)
def test_a_marker_that_flux_passes_over_is_named(comment: str, fault: str) -> None:
    """Each way to write one wrong has its own id."""
    read = parse(comment)

    assert isinstance(read, Fault)
    assert read.id == fault
    assert read.problem
    assert read.fix


@pytest.mark.parametrize(
    ("body", "fault", "line"),
    [
        (f"  {OK}\n  image: a:1", "flux-marker-own-line", 5),
        (f"  image: {OK}", "flux-marker-null", 5),
        (f"  image: ~ {OK}", "flux-marker-null", 5),
        (f"  deep: {OK}\n    image: a:1", "flux-marker-key-line", 5),
        (f"  deep: {{image: a:1}} {OK}", "flux-marker-bracket", 5),
        (f"  deep: [a:1] {OK}", "flux-marker-bracket", 5),
        (f"  image: | {OK}\n    a:1", "flux-marker-unwritable", 5),
        (f"  a: &x a:1\n  b: *x {OK}", "flux-marker-key-line", 6),
        (f"  image: a:${{TAG}} {OK}", "flux-marker-variable", 5),
        (
            '  i: a:1 # {"$ref":"#/definitions/io.k8s.cli.setters.n:a"}\n  image: b',
            "flux-marker-old",
            5,
        ),
    ],
)
def test_a_marker_beside_nothing_it_can_change_is_told(body: str, fault: str, line: int) -> None:
    """A well-formed marker in the wrong place has an id, a place and a way out."""
    (marker,) = _markers(body)

    assert (marker.fault, marker.where.line) == (fault, line)
    assert marker.fix


@pytest.mark.parametrize(
    ("body", "text", "keys"),
    [
        (f"  image: a:1 {OK}", "a:1", ("spec", "image")),
        (f'  image: "" {OK}', "", ("spec", "image")),
        (f"  image: 'a:1' {OK}", "a:1", ("spec", "image")),
        (f"  l: {{\n    m: a:1, {OK}\n    n: b:1\n  }}", "a:1", ("spec", "l", "m")),
        (f"  l:\n  - a:1 {OK}\n  - b:1", "a:1", ("spec", "l", 0)),
        (f'  image: "a # b" {OK}', "a # b", ("spec", "image")),
        (f"  long: some\n    words {OK}", "some words", ("spec", "long")),
    ],
)
def test_a_marker_speaks_of_the_scalar_before_it(body: str, text: str, keys: object) -> None:
    """The scalar that ends on the comment's line, whatever its style."""
    (marker,) = _markers(body)

    assert (marker.text, marker.keys, marker.fault) == (text, keys, "")
    assert (marker.policy, marker.part) == ("ns:app", "")


def test_text_that_mentions_markers_is_no_marker() -> None:
    """Prose in a comment, and the same words inside a value, mean nothing."""
    body = f"  # Put {OK[2:]} behind the image.\n  note: 'write {OK}'\n  block: |\n    a:1 {OK}"

    assert _markers(body) == ()


def test_a_list_at_the_top_is_told() -> None:
    """Flux changes nothing in a document that is a list."""
    (marker,) = scan_file("p.yaml", f"- op: replace\n  value: a:1 {OK}\n".encode()).markers

    assert marker.fault == "flux-marker-root"


def test_long_lines_are_read_in_bounded_time() -> None:
    """A line of signs that begin comments, objects or values costs what its length costs."""
    for noise in ("a # " * 100_000, "{" * 100_000, "['x # y', " * 20_000):
        text = f"a: {noise if noise[0] != '[' else noise + ']' * 20_000} {OK}\nimage: x\n"
        scan_file("x.yaml", text.encode())
        scan_file("x.yaml", f"a: 1 # {noise} {OK}\nimage: x\n".encode())


@given(st.text(alphabet="#{}\":$imagepolcy ns'", max_size=60))
def test_any_comment_is_read_or_refused(text: str) -> None:
    """Reading a comment never raises, and what it accepts names a policy."""
    read = parse("#" + text)

    assert isinstance(read, Fault) or ":" in read[0]
