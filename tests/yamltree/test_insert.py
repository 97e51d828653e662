"""A key that comes beside another one: where it is put, how it is written, what is refused."""

from __future__ import annotations

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from imagebot.errors import EditRefused, Where
from imagebot.model import Edit, KeyPath
from imagebot.yamltree.source import load
from imagebot.yamltree.splice import splice

NEW = "sha256:" + "ab" * 32
TAG: KeyPath = ("images", 0, "newTag")
DIGEST: KeyPath = ("images", 0, "digest")


def _edit(keys: KeyPath, old: str, new: str, after: str = "", document: int = 0) -> Edit:
    return Edit("f.yaml", document, keys, old, new, Where("f.yaml", 7, 3), after)


ADD = _edit(DIGEST, "", NEW, "newTag")
MOVE = _edit(TAG, "1.2.3", "1.2.4")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("images:\n- name: a\n  newTag: 1.2.3\n", "images:\n- name: a\n  newTag: 1.2.4\n  digest: D\n"),
        ("images:\n  - name: a\n    newTag: 1.2.3\nkind: K\n", "images:\n  - name: a\n    newTag: 1.2.4\n    digest: D\nkind: K\n"),
        ("images:\n- newTag: 1.2.3\n  name: a\n", "images:\n- newTag: 1.2.4\n  digest: D\n  name: a\n"),
        ("images:\n-   newTag: 1.2.3\n    name: a\n", "images:\n-   newTag: 1.2.4\n    digest: D\n    name: a\n"),
        ("images:\n- name: a\n  newTag: '1.2.3' # why\n  # more\n", "images:\n- name: a\n  newTag: '1.2.4' # why\n  digest: 'D'\n  # more\n"),
        ('images:\n- name: a\n  "newTag": "1.2.3"', 'images:\n- name: a\n  "newTag": "1.2.4"\n  digest: "D"'),
        ("images:\r\n- name: a\r\n  newTag: 1.2.3\r\n", "images:\r\n- name: a\r\n  newTag: 1.2.4\r\n  digest: D\r\n"),
        ("images:\r\n- name: a\r\n  newTag: 1.2.3", "images:\r\n- name: a\r\n  newTag: 1.2.4\r\n  digest: D"),
        ("\ufeffimages:\n- newTag: &t 1.2.3\nx: *t\n", "\ufeffimages:\n- newTag: &t 1.2.4\n  digest: D\nx: *t\n"),
        ("images: [{name: a, newTag: 1.2.3}]\n", "images: [{name: a, newTag: 1.2.4, digest: D}]\n"),
        ("images: [{newTag: '1.2.3', name: a}]\n", "images: [{newTag: '1.2.4', digest: 'D', name: a}]\n"),
        ("images:\n- {newTag: 1.2.3 , name: a}\n", "images:\n- {newTag: 1.2.4, digest: D , name: a}\n"),
        ("images: [{\n  name: a,\n  newTag: 1.2.3 # why\n}]\n", "images: [{\n  name: a,\n  newTag: 1.2.4, digest: D # why\n}]\n"),
        ("a: 1\nimages:\n- newTag: 1.2.3\n---\nb: 2\n", "a: 1\nimages:\n- newTag: 1.2.4\n  digest: D\n---\nb: 2\n"),
        ("images:\n- newTag: 1.2.3\n\n\n", "images:\n- newTag: 1.2.4\n  digest: D\n\n\n"),
        ("images:\n- newTag: 1.2.3\n  digest:\n", "images:\n- newTag: 1.2.4\n  digest: D\n"),
        ("images:\n- newTag: 1.2.3\n  digest: ''\n", "images:\n- newTag: 1.2.4\n  digest: 'D'\n"),
    ],
)  # fmt: skip
def test_a_key_is_added_right_behind_its_sibling(before: str, after: str) -> None:
    """Indentation, quotes, comments, line ends and braces are the sibling's; all else stays."""
    wanted = after.replace("D", NEW)
    assert splice("f.yaml", before.encode(), [MOVE, ADD]) == wanted.encode()
    alone = wanted.replace("1.2.4", "1.2.3")
    assert splice("f.yaml", before.encode(), [ADD]) == alone.encode()
    assert splice("f.yaml", wanted.encode(), [_edit(DIGEST, NEW, NEW, "newTag")]) == wanted.encode()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("images:\n- name: a\n", "there is no 'newTag' to put it behind"),
        ("images:\n- newTag:\n    1.2.3\n", "no line of its own"),
        ("images:\n- ? newTag\n  : 1.2.3\n", "no line of its own"),
        ("images:\n- newTag: |-\n    1.2.3\n", "block scalar"),
        ("t: &t 1.2.3\nimages:\n- newTag: *t\n", r"alias \*t"),
        ("images:\n- newTag: 1.2.3\n  newTag: 1.2.3\n", "written twice"),
        ("images:\n- &e\n  newTag: 1.2.3\nmore:\n- *e\n", "change more than the value"),
        ("images:\n- newTag: 1.2.3\n  digest: {a: 1}\n", "change more than the value"),
        ("images:\n- newTag: 1.2.3\n  digest: {}\n", "change more than the value"),
        ("images:\n- newTag: 1.2.3\n  digest: sha256:00\n", "the value is 'sha256:00', not ''"),
    ],
)
def test_what_cannot_be_placed_for_certain_is_refused(data: str, message: str) -> None:
    """Rare ways to write a mapping, and entries that stand in two places, are left alone."""
    with pytest.raises(EditRefused, match=message):
        splice("f.yaml", data.encode(), [ADD])


def test_the_same_key_twice_is_one_and_another_value_is_refused() -> None:
    """Equal edits are one; a key cannot have two values."""
    data = b"images:\n- newTag: 1.2.3\n"
    assert splice("f.yaml", data, [ADD, ADD]).count(b"digest") == 1
    with pytest.raises(EditRefused, match="two edits would add a key"):
        splice("f.yaml", data, [ADD, _edit(DIGEST, "", "sha256:" + "00" * 32, "newTag")])


ENTRY = st.fixed_dictionaries(
    {"name": st.sampled_from(["a", "ghcr.io/a/b", "'a'"]), "newTag": st.sampled_from(["1.2.3", "'1.10'", '"x"', "latest"])},
    optional={"newName": st.just("c.example/d")},
)  # fmt: skip


@given(
    entries=st.lists(st.tuples(ENTRY, st.permutations(["name", "newTag", "newName"])), min_size=1, max_size=4),
    flow=st.booleans(),
    indent=st.sampled_from(["", "  ", "    "]),
    newline=st.sampled_from(["\n", "\r\n"]),
    comment=st.sampled_from(["", " # c", " # it's {x}, [y]: z"]),
    last=st.booleans(),
)  # fmt: skip
def test_an_independent_parser_reads_the_same_and_the_new_keys(
    *, entries, flow, indent: str, newline: str, comment: str, last
) -> None:
    """Whatever the style, every entry gets its digest and nothing else becomes another value."""
    lines = ["kind: Kustomization", "images:"]
    for entry, order in entries:
        pairs = [f"{key}: {entry[key]}" for key in order if key in entry]
        if flow:
            lines.append(f"{indent}- {{{', '.join(pairs)}}}{comment}")
        else:
            lines += [
                f"{indent}{'- ' if n == 0 else '  '}{pair}{comment}" for n, pair in enumerate(pairs)
            ]
    text = newline.join(lines) + (newline if last else "")
    edits = [_edit(("images", n, "digest"), "", NEW, "newTag") for n in range(len(entries))]
    changed = splice("f.yaml", text.encode(), edits).decode()
    before, after = (next(iter(yaml.load_all(t, Loader=yaml.BaseLoader))) for t in (text, changed))
    for entry in before["images"]:
        entry["digest"] = NEW
    assert after == before
    assert changed.count(newline) == text.count(newline) + (0 if flow else len(entries))
    removed = changed
    for quote in ("", "'", '"'):
        value = f"digest: {quote}{NEW}{quote}"
        removed = removed.replace(f", {value}", "")
        removed = removed.replace(f"{newline}{indent}  {value}", "")
    assert removed == text
    assert len(load("f.yaml", changed.encode()).documents[0].duplicates) == 0
