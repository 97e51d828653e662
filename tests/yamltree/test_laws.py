"""Laws of reading and changing YAML, over texts in many styles."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from imagebot.errors import Where
from imagebot.model import Edit
from imagebot.yamltree import source as source_module
from imagebot.yamltree.source import CParser, c_events, load, pure_events
from imagebot.yamltree.splice import splice
from imagebot.yamltree.tree import Source
from tests.support.yamltexts import Put, Texts, yaml_texts

PARSERS = [
    pytest.param(c_events, marks=pytest.mark.skipif(CParser is None, reason="no libyaml")),
    pure_events,
]
SLOW = settings(
    deadline=None,
    suppress_health_check=[
        HealthCheck.too_slow,
        HealthCheck.data_too_large,
        HealthCheck.function_scoped_fixture,
    ],
)


def _as_put(source: Source) -> list[tuple[Any, ...]]:
    return [
        (
            s.document,
            s.keys,
            s.text,
            s.alias,
            *((0, 0) if s.alias else (s.start, -1 if s.style == "literal" else s.end)),
        )
        for document in source.documents
        for s in document.scalars
    ]


@pytest.mark.parametrize("parser", PARSERS)
@SLOW
@given(emitted=yaml_texts())
def test_every_scalar_is_found_where_it_was_written(parser: Any, emitted: Texts) -> None:
    """Documents, key paths, texts and exact spans are what the emitter wrote down, for both parsers."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(source_module, "PARSER", parser)
        source = load("f.yaml", emitted.data)
    assert source.text == emitted.text
    assert source.bom == emitted.bom
    assert _as_put(source) == [
        (p.document, p.keys, p.text, p.alias, p.start, -1 if p.block else p.end)
        for p in emitted.puts
    ]
    for document in source.documents:
        for scalar in document.scalars:
            before = emitted.text[: scalar.start]
            if not scalar.alias:
                assert scalar.line == before.count("\n") + 1
                assert scalar.column == len(before) - (before.rfind("\n") + 1) + 1


@SLOW
@given(emitted=yaml_texts(documents=6), wanted=st.sets(st.integers(0, 5)))
def test_reading_a_part_finds_what_reading_the_whole_finds(
    emitted: Texts, wanted: set[int]
) -> None:
    """Documents cut out of a large file have the indexes, lines and spans they have in the whole."""
    whole = load("f.yaml", emitted.data)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(source_module, "SPLIT_OVER", 0)
        part = load("f.yaml", emitted.data, lambda index, _: index in wanted)
    assert part.count == whole.count
    found = {document.index for document in part.documents}
    assert wanted & set(range(whole.count)) <= found
    assert part.documents == tuple(d for d in whole.documents if d.index in found)


def _tree_with(tree: Any, keys: tuple[Any, ...], text: str) -> Any:
    if not keys:
        return text
    head, *rest = keys
    if isinstance(tree, dict):
        return {
            key: _tree_with(value, tuple(rest), text) if key == head else value
            for key, value in tree.items()
        }
    return [
        _tree_with(value, tuple(rest), text) if index == head else value
        for index, value in enumerate(tree)
    ]


def _without(text: str, spans: list[tuple[int, int]]) -> list[str]:
    pieces, at = [], 0
    for start, end in sorted(spans):
        pieces.append(text[at:start])
        at = end
    return [*pieces, text[at:]]


NEW = st.sampled_from(
    [
        "1.2.4",
        "1.20",
        "1e5",
        "true",
        "",
        "nginx:1.3",
        "a: b",
        "it's",
        '"',
        "é😀",
        "x" * 90,
        "- a",
        "~",
        "a\nb",
    ]
)


@SLOW
@given(data=st.data(), emitted=yaml_texts(), limit=st.sampled_from([0, 1_000_000]))
def test_only_the_meant_scalars_change(data: Any, emitted: Texts, limit: int) -> None:
    """Outside the spans every character stays; inside, an independent parser reads the new strings."""
    places = [put for put in emitted.puts if not (put.block or put.alias)]
    chosen: list[Put] = (
        data.draw(st.lists(st.sampled_from(places), unique=True, max_size=4)) if places else []
    )
    news = {put: data.draw(NEW) for put in chosen}
    edits = [
        Edit("f.yaml", p.document, p.keys, p.text, new, Where("f.yaml", 1))
        for p, new in news.items()
    ]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(source_module, "SPLIT_OVER", limit)
        changed = splice("f.yaml", emitted.data, edits)
    assert changed.startswith(b"\xef\xbb\xbf") == emitted.bom
    source = load("f.yaml", changed)
    spans = {(s.document, s.keys): (s.start, s.end) for d in source.documents for s in d.scalars}
    moved = [p for p in chosen if news[p] != p.text]
    assert _without(source.text, [spans[p.document, p.keys] for p in moved]) == _without(
        emitted.text, [(p.start, p.end) for p in moved]
    )
    trees = list(emitted.trees)
    anchored = {p.start: news[p] for p in moved}
    for put in _with_aliases(emitted, load("f.yaml", emitted.data), anchored):
        trees[put[0]] = _tree_with(trees[put[0]], put[1], put[2])
    assert list(yaml.load_all(source.text, Loader=yaml.BaseLoader)) == trees
    typed = load("f.yaml", changed)
    for put in moved:
        scalar = typed.documents[put.document].get(*put.keys)
        assert scalar
        written = typed.text[scalar.start : scalar.end]
        assert isinstance(yaml.safe_load(written), str) or scalar.tag


def _with_aliases(
    emitted: Texts, source: Source, anchored: dict[int, str]
) -> list[tuple[int, tuple[Any, ...], str]]:
    """Every place whose value changes, those that repeat an anchor too."""
    return [
        (s.document, s.keys, anchored[s.start])
        for d in source.documents
        for s in d.scalars
        if s.start in anchored
    ]
