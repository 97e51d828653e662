"""What is read, what is refused and why, and that nothing a file says can run away."""

from __future__ import annotations

import contextlib
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imagebot.errors import EditRefused
from imagebot.yamltree import build, text
from imagebot.yamltree import source as source_module
from imagebot.yamltree.source import CParser, c_events, load, pure_events

PARSERS = [
    pytest.param(c_events, marks=pytest.mark.skipif(CParser is None, reason="no libyaml")),
    pure_events,
]


@pytest.fixture(params=PARSERS)
def _parser(request: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source_module, "PARSER", request.param)


def _texts(data: str) -> dict[tuple[Any, ...], str]:
    return {
        scalar.keys: scalar.text
        for document in load("f.yaml", data.encode()).documents
        for scalar in document.scalars
    }


REFUSED = [
    ("utf-16", "a: é".encode("utf-16"), "UTF-16", "f.yaml"),
    ("latin-1", b"a: 1\nb: \xe9", "not UTF-8", "f.yaml:2"),
    ("nul", b"a: 1\nb: \0", "NUL byte", "f.yaml:2"),
    ("control character", b"a: \x01", "not valid YAML", "f.yaml"),
    (
        "conflict",
        b"a: 1\n<<<<<<< HEAD\nb: 2\n=======\nb: 3\n>>>>>>> x\n",
        "merge conflict",
        "f.yaml:2",
    ),
    ("conflict in quotes", b'a: "\n\n>>>>>>> x"\n', "merge conflict", "f.yaml:3"),
    ("template value", b"a: 1\nb: {{ .Values.x }}\n", "template", "f.yaml:2:5"),
    ("template inside", b"a: x-{{ .Values.x }}\n", "template", "f.yaml:1:4"),
    ("template then text", b"a: {{ .Values.x }}-y\n", "template", "f.yaml:1"),
    ("template line", b"a: 1\n{{- if .x }}\nb: 2\n{{- end }}\n", "template", "f.yaml:2"),
    ("template key", b"{{ .x }}: 1\n", "template", "f.yaml:1"),
    ("sops", b"a: ENC[AES256_GCM,data:x]\nsops:\n  mac: x\n", "SOPS", "f.yaml:3"),
    ("sops, flow", b"{a: 1, sops: {mac: x}}", "SOPS", "f.yaml:1"),
    ("depth", b"[" * 200_000, "deeper than 100", "f.yaml:1:101"),
    ("depth, closed", b"[" * 101 + b"]" * 101, "deeper than 100", "f.yaml:1:101"),
    (
        "depth, block",
        b"".join(b" " * n + b"a:\n" for n in range(150)),
        "deeper than 100",
        "f.yaml:10",
    ),
    ("size", b"a" * (text.MAX_BYTES + 1), "the limit is", "f.yaml"),
    ("unclosed", b"a: [1\n", "not valid YAML", "f.yaml:2:1"),
    ("tab indent", b"a:\n\tb: 1\n", "not valid YAML", "f.yaml:2:1"),
    ("unknown alias", b"a: *x\n", "no anchor &x before it", "f.yaml:1:4"),
    ("alias of itself", b"a: &x [1, *x]\n", "no anchor &x before it", "f.yaml:1:11"),
    ("alias of itself, again", b"- &x 1\n- &x [1, *x]\n", "no anchor &x before it", "f.yaml:2:10"),
    ("alias across documents", b"a: &x 1\n---\na: *x\n", "no anchor &x before it", "f.yaml:3:4"),
]


@pytest.mark.usefixtures("_parser")
@pytest.mark.parametrize(
    ("data", "message", "where"), [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED]
)
def test_a_file_that_cannot_be_edited_safely_is_refused(
    data: bytes, message: str, where: str
) -> None:
    """Each reason is said in words with the place, by both parsers, and quickly."""
    began = time.process_time()
    with pytest.raises(EditRefused) as refused:
        load("f.yaml", data)
    assert message in refused.value.message
    assert str(refused.value.where).startswith(where)
    assert time.process_time() - began < 3


@pytest.mark.usefixtures("_parser")
@pytest.mark.parametrize(
    "data",
    [
        "# {{ x }}\na: 1 # {{ x }}\n",
        "a: \"{{ .x }}\"\nb: '{{ .x }}'\n",
        "a: |\n  {{- if .x }}\n  {{ y }}: {{\n",
        "a: {b: {c: d}}\n",
        "a: up {{ $labels.instance }} at {{ $value }}\n",
        "a: x-{{workflow.name}}-{{inputs.parameters.y}}\n",
        "sops: no mapping\n",
        "a:\n  sops: {mac: x}\n",
        "a: |\n  <<<<<<< HEAD\n  >>>>>>> x\n",
        "a: '>>>>>>>x'\n",
    ],
)
def test_a_file_that_only_mentions_such_things_is_read(data: str) -> None:
    """Braces in comments, quotes and blocks, run-time placeholders, and a deeper sops are fine."""
    assert _texts(data)


def test_a_conflict_needs_no_yaml_to_be_seen() -> None:
    """Both ends of a conflict are told alone."""
    for line in ("<<<<<<< ours", ">>>>>>> theirs"):
        with pytest.raises(EditRefused, match="merge conflict"):
            load("f.yaml", f"a: 1\n{line}\n".encode())


def _bomb(levels: int) -> bytes:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, levels)]
    return "\n".join(lines).encode()


@pytest.mark.usefixtures("_parser")
def test_aliases_cannot_multiply_without_end() -> None:
    """A billion laughs end at the cap on copies; the same shape below the cap is read whole."""
    with pytest.raises(EditRefused, match="aliases repeat more than"):
        load("f.yaml", _bomb(10))
    assert len(load("f.yaml", _bomb(3)).documents[0].scalars) == 9 + 81 + 729


def test_nodes_are_capped(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file of countless tiny nodes or documents is refused."""
    monkeypatch.setattr(build, "MAX_EVENTS", 1000)
    for data in (b"- a\n" * 1001, b"---\n" * 1001, b"[" + b"[]," * 1001 + b"]"):
        with pytest.raises(EditRefused, match="too many YAML nodes"):
            load("f.yaml", data)


@pytest.mark.usefixtures("_parser")
@pytest.mark.parametrize(
    ("data", "scalars"),
    [
        ("a: 1.20", {("a",): "1.20"}),
        (
            "a: on\nb: 0o14\nc: ~\nd:\ne: null",
            {("a",): "on", ("b",): "0o14", ("c",): "~", ("d",): "", ("e",): "null"},
        ),
        ("- a\n- [b, {c: d}]\n-", {(0,): "a", (1, 0): "b", (1, 1, "c"): "d", (2,): ""}),
        ("plain", {(): "plain"}),
        ("a: x\n  y\n\n  z", {("a",): "x y\nz"}),
        ("? a\n: b\n? [c, d]\n: e\n", {("a",): "b", ("?1", 0): "c", ("?1", 1): "d", ("?1",): "e"}),
        ("&k a: 1\nb: *k\n*k : 2\n", {("a",): "2", ("b",): "a"}),
        (
            "x: &x {i: 1}\ny: *x\nz: {<<: *x, k: 2}",
            {("x", "i"): "1", ("y", "i"): "1", ("z", "<<", "i"): "1", ("z", "k"): "2"},
        ),
        ("&k a: 1\nb: &k 2\nc: *k", {("a",): "1", ("b",): "2", ("c",): "2"}),
        ("x: &x 1\ny: &x 2\nz: *x", {("x",): "1", ("y",): "2", ("z",): "2"}),
        (
            "a: {image: nginx:1.2, u: http://x/y?z}",
            {("a", "image"): "nginx:1.2", ("a", "u"): "http://x/y?z"},
        ),
        ("a: [localhost:5000/x@sha256:ab]", {("a", 0): "localhost:5000/x@sha256:ab"}),
        ("", {}),
        ("# only a comment", {}),
    ],
)
def test_values_are_raw_text_at_key_paths(data: str, scalars: dict[tuple[Any, ...], str]) -> None:
    """No type is resolved; keys, indexes, aliases, merges and odd keys make stable paths."""
    assert _texts(data) == scalars


@pytest.mark.usefixtures("_parser")
def test_of_a_duplicate_key_the_last_wins_and_both_are_seen() -> None:
    """A value asked for is the last one; the path and all below it are ambiguous, others are not."""
    (document,) = load("f.yaml", b"a: {x: 1, y: 2}\nb: 1\na: {x: 3}\nc: {d: 1, d: 2}\n").documents
    assert [(s.keys, s.text) for s in document.scalars][:2] == [
        (("a", "x"), "1"),
        (("a", "y"), "2"),
    ]
    assert document.text("a", "x") == "3"
    assert document.get("a", "y") is None
    assert document.text("c", "d") == "2"
    assert document.is_ambiguous(("a", "x"))
    assert document.is_ambiguous(("c", "d"))
    assert not document.is_ambiguous(("b",))
    assert not document.is_ambiguous(("c",))
    (copied,) = load("f.yaml", b"x: &x {a: {p: 1}, a: {q: 2}}\ny: *x\n").documents
    assert (copied.get("y", "a", "p"), copied.text("y", "a", "q")) == (None, "2")


def test_deep_key_paths_are_capped() -> None:
    """Many scalars at great depth would take memory for their paths; they are refused early."""
    data = b"[" * 99 + b"a," * 300_000 + b"]" * 99
    with pytest.raises(EditRefused, match="too many YAML nodes"):
        load("f.yaml", data)


def test_one_endless_line_costs_no_more_than_many_lines() -> None:
    """Anchors, tags and comments of a line of megabytes take no walk over the line each."""
    began = time.process_time()
    source = load("f.yaml", b"[" + b"&a !!str b," * 50_000 + b"] # c")
    scalars = source.documents[0].scalars
    assert scalars[-1].column == 11 * 50_000
    assert {source.comment(scalar) for scalar in scalars[::10]} == {"", "# c"}
    assert time.process_time() - began < 6


def test_many_duplicates_take_no_longer_than_many_keys() -> None:
    """A hundred thousand times the same key is read in about the time of as many keys."""
    began = time.process_time()
    (document,) = load("f.yaml", b"a: {x: 1, y: 1}\n" * 50_000).documents
    assert len(document.shadowed) == 2 * 49_999
    assert time.process_time() - began < 6


@pytest.mark.usefixtures("_parser")
def test_an_alias_points_at_the_anchors_text_and_at_its_own_line() -> None:
    """The span is the anchor's scalar, behind its anchor and tag; line and column are the alias's."""
    source = load("f.yaml", b"a: &x !!str nginx:1 # here\nb: [0, *x]\n")
    anchor, alias = source.documents[0].get("a"), source.documents[0].get("b", 1)
    assert anchor
    assert alias
    assert source.text[alias.start : alias.end] == "nginx:1"
    assert (alias.start, alias.alias) == (anchor.start, "x")
    assert (alias.line, alias.column) == (2, 8)
    assert (anchor.line, anchor.column) == (1, 13)
    assert anchor.tag == alias.tag == "tag:yaml.org,2002:str"


@pytest.mark.usefixtures("_parser")
@pytest.mark.parametrize(
    ("data", "span", "line", "column"),
    [
        ("k: &x  v", "v", 1, 8),
        ("k: !!str &x 'v'", "'v'", 1, 13),
        ("k: &x !!str\n  # c & !\n  v", "v", 3, 3),
        ("k: !<tag:yaml.org,2002:str> v", "v", 1, 29),
        ("k: ! v", "v", 1, 6),
        ("k: &x", "", 1, 6),
        ("😀: é😀", "é😀", 1, 4),
        ("\ufeffk: v", "v", 1, 4),
        ("a: 1\r\nk: v\r\n", "v", 2, 4),
        ("k:\n\n# c:\nz: 1", "", 1, 3),
        ("k: |-\n  v\n  w\n", "|-\n  v\n  w\n", 1, 4),
    ],
)
def test_spans_leave_out_anchors_tags_and_the_byte_order_mark(
    data: str, span: str, line: int, column: int
) -> None:
    """A span is the scalar alone, counted in characters."""
    source = load("f.yaml", data.encode())
    scalar = source.documents[0].get("😀" if "😀" in data else "k")
    assert scalar
    assert source.text[scalar.start : scalar.end] == span
    assert (scalar.line, scalar.column) == (line, column)


@pytest.mark.parametrize(
    ("data", "comment"),
    [
        ("a: x # c", "# c"),
        ("a: x  #c # d  ", "#c # d"),
        ("a: x\t# c", "# c"),
        ("a: x#c", ""),
        ("a: 'x # y' # c\r\n", "# c"),
        ('a: "x" # c', "# c"),
        ('b: {a: x, c: \'# no\', d: "\\" # no"} # c', "# c"),
        ("b: {a: x, c: it's # c\n}", "# c"),
        ("a: x\n# below", ""),
        ("a: # c", "# c"),
        ("a: &n # c", "# c"),
        ("a: >- # c\n  x\n  # no\n", "# c"),
        ("a: x\n  y # c", "# c"),
        ("# above\na: x", ""),
        ("b: {a: x, c: d#e} # c", "# c"),
        ("a: # c 'it''s\r\n", "# c 'it''s"),
        ("a: x" + " " * 5000 + "# far", ""),
        ("b: {a: x, c: 'unclosed\n  x'} # other line", ""),
        ('b: {a: x, c: "# it\'s", d: \'say "# x"\'} # "c"', '# "c"'),
    ],
)
def test_the_comment_of_a_scalars_line_is_found(data: str, comment: str) -> None:
    """It is the one that ends the line; a # in quotes or inside a word is none."""
    source = load("f.yaml", data.encode())
    scalar = next(s for s in source.documents[0].scalars if s.keys[-1] == "a")
    assert source.comment(scalar) == comment


@pytest.mark.parametrize(
    ("data", "parts"),
    [
        ("a: 1\n---\nb: 1\n", ["a: 1\n", "---\nb: 1\n"]),
        ("# c\n\n---\nb: 1\n--- # d\n---\n", ["---\nb: 1\n", "--- # d\n", "---\n"]),
        ("--- a\n---\tb\n---\r\n---x\n", ["--- a\n", "---\tb\n", "---\r\n---x\n"]),
        ("a: 1\n...\nb: 1\n", None),
        ("%YAML 1.2\n---\na: 1\n", None),
        ("--- |\n a\n---\nb\n", None),
        ("a: 1\r---\rb: 1\n", None),
        ("a: 1\u2028---\nb: 1\n", None),
        ("", []),
        ("# c\n", []),
    ],
)
def test_documents_are_cut_only_where_that_is_certain(data: str, parts: list[str] | None) -> None:
    """A `---` line parts documents; with end marks, directives or odd breaks nothing is cut."""
    found = text.split(data)
    assert (found and [data[part.start : part.end] for part in found]) == parts
    if found is not None:
        assert [part.document for part in found] == list(range(len(found)))


def test_parts_that_are_not_single_documents_are_not_believed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Were a text ever cut wrong, the whole is read instead."""
    monkeypatch.setattr(source_module, "SPLIT_OVER", 0)
    monkeypatch.setattr(source_module, "split", lambda whole: [text.Part(0, 0, len(whole))])
    source = load("f.yaml", b"a: 1\n---\na: 2\n", lambda *_: True)
    assert [document.text("a") for document in source.documents] == ["1", "2"]
    assert source.count == 2


def test_a_large_file_costs_what_its_wanted_documents_cost(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of many documents only the wanted are parsed, also where the file is seen as uncertain later."""
    data = b"".join(b"---\na: %d\n" % n for n in range(20_000))
    source = load("f.yaml", data, lambda index, _: index == 12_345)
    (document,) = source.documents
    assert (source.count, document.index, document.text("a")) == (20_000, 12_345, "12345")
    assert document.scalars[0].line == 2 * 12_345 + 2


@settings(deadline=None)
@given(
    st.binary(max_size=60)
    | st.text(alphabet="ab:-{}[]#&*!|>'\"%@ \n\t?,.~<\\x", max_size=60).map(str.encode)
)
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    """No input makes either parser raise anything but a refusal."""
    for parser in (c_events, pure_events) if CParser else (pure_events,):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(source_module, "PARSER", parser)
            with contextlib.suppress(EditRefused):
                source = load("f.yaml", data)
                for scalar in (s for document in source.documents for s in document.scalars):
                    assert 0 <= scalar.start <= scalar.end <= len(source.text)
                    source.comment(scalar)
