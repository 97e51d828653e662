"""Single changes by table: what stays, what gets quotes, and what is refused."""

from __future__ import annotations

import pytest

from imagebot.errors import EditRefused, Where
from imagebot.model import Edit, KeyPath
from imagebot.yamltree import splice as splice_module
from imagebot.yamltree.source import load
from imagebot.yamltree.splice import splice
from imagebot.yamltree.tree import Style


def _edit(keys: KeyPath, old: str, new: str, document: int = 0) -> Edit:
    return Edit("f.yaml", document, keys, old, new, Where("f.yaml", 7, 3))


@pytest.mark.parametrize(
    ("before", "old", "new", "after"),
    [
        ("k: 1.2.3", "1.2.3", "1.2.4", "k: 1.2.4"),
        ("k: 1.2.3\r\n# c\r\n", "1.2.3", "1.10", 'k: "1.10"\r\n# c\r\n'),
        ("k: 1.10 # why", "1.10", "1.11", 'k: "1.11" # why'),
        ("k: '1.10'", "1.10", "1.11", "k: '1.11'"),
        ('k: "1.10"\t# c', "1.10", "1.11", 'k: "1.11"\t# c'),
        ('k: "\\x31.10"', "1.10", "1.11", 'k: "1.11"'),
        ("k: !!str 1.10", "1.10", "1.11", "k: !!str 1.11"),
        ("k: ! 1.10", "1.10", "1.11", "k: ! 1.11"),
        ("k: &x 1.2.3\nb: *x", "1.2.3", "1.2.4", "k: &x 1.2.4\nb: *x"),
        ("k: !!str &x '1'", "1", "2", "k: !!str &x '2'"),
        ("{k: 1.2.3, b: [1.2.3]}", "1.2.3", "1.3", '{k: "1.3", b: [1.2.3]}'),
        ("{k: nginx:1, b: c:d}", "nginx:1", "nginx:2", "{k: nginx:2, b: c:d}"),
        ("k: a\n  b\nc: d", "a b", "e", "k: e\nc: d"),
        ("k:", "", "x", "k: x"),
        ("k: # c", "", "1", 'k: "1" # c'),
        ("k: &x\nb: 1", "", "v", "k: &x v\nb: 1"),
        ("{k: , b: 1}", "", "v", "{k: v , b: 1}"),
        ("{k}", "", "y", None),
        ("k: ''", "", "y", "k: 'y'"),
        ("k: x", "x", "", 'k: ""'),
        ("\ufeffk: 😀é # 😀", "😀é", "z", "\ufeffk: z # 😀"),
        ("k: x", "x", "x", "k: x"),
        ("k: x", "x", "a: b", 'k: "a: b"'),
        ("k: x", "x", "y\nz: 1", 'k: "y\\nz: 1"'),
        ("k: 'x'", "x", "it's", "k: 'it''s'"),
        ('k: "x"', "x", 'a"\\', 'k: "a\\"\\\\"'),
    ],
)
def test_one_scalar_changes_and_every_other_byte_stays(
    before: str, old: str, new: str, after: str | None
) -> None:
    """Quotes, comments, anchors, tags, line ends, marks and spaces are what they were."""
    if after is None:
        with pytest.raises(EditRefused):
            splice("f.yaml", before.encode(), [_edit(("k",), old, new)])
    else:
        assert splice("f.yaml", before.encode(), [_edit(("k",), old, new)]) == after.encode()


@pytest.mark.parametrize(
    ("data", "keys", "old", "message"),
    [
        ("k: 2", ("k",), "1", "the value is '2', not '1'"),
        ("k: 1", ("z",), "1", "there is no such value"),
        ("k: {a: 1}", ("k",), "1", "there is no such value"),
        ("k: 1\nk: 1", ("k",), "1", "written twice"),
        ("k: {a: 1}\nk: {a: 1}", ("k", "a"), "1", "written twice"),
        ("a: &x 1\nk: *x", ("k",), "1", r"alias \*x; it follows the anchor &x"),
        ("a: &x {b: 1}\nk: *x", ("k", "b"), "1", r"alias \*x; it follows the anchor &x"),
        ("k: |-\n  1\n", ("k",), "1", "block scalar"),
        ("k: >-\n  1\n", ("k",), "1", "block scalar"),
        ("k: !!int 1", ("k",), "1", "has the tag tag:yaml.org,2002:int"),
        ("k: !x 1", ("k",), "1", "has the tag !x"),
    ],
)
def test_a_change_that_is_not_safe_is_refused(
    data: str, keys: KeyPath, old: str, message: str
) -> None:
    """The reason names the value, and the place is the one the edit was made for."""
    with pytest.raises(EditRefused, match=message) as refused:
        splice("f.yaml", data.encode(), [_edit(keys, old, "2")])
    assert str(refused.value.where) == "f.yaml:7:3"
    assert refused.value.message.startswith(".".join(map(str, keys)))


def test_edits_of_several_documents_are_made_at_once() -> None:
    """Documents are told by number, and the order of the edits does not matter."""
    data = b"k: 1.2.3\n---\nk: 1.2.3\n---\n- k: 1.2.3\n"
    edits = [_edit((0, "k"), "1.2.3", "3", 2), _edit(("k",), "1.2.3", "1.2.4", 0)]
    assert splice("f.yaml", data, edits) == b'k: 1.2.4\n---\nk: 1.2.3\n---\n- k: "3"\n'
    with pytest.raises(EditRefused, match="no such value"):
        splice("f.yaml", data, [_edit(("k",), "1.2.3", "2", 3)])


def test_the_same_edit_twice_is_one_and_two_that_disagree_are_refused() -> None:
    """A scalar cannot be sent to two places."""
    same = [_edit(("k",), "1", "v2"), _edit(("k",), "1", "v2")]
    assert splice("f.yaml", b"k: 1", same) == b"k: v2"
    with pytest.raises(EditRefused, match="two edits disagree: 'v2' and 'v3'"):
        splice("f.yaml", b"k: 1", [*same, _edit(("k",), "1", "v3")])


def test_no_edit_needs_no_reading() -> None:
    """Without edits the bytes come back as they are, whatever they are."""
    assert splice("f.yaml", b"\xff", []) == b"\xff"


def test_an_edit_for_another_file_is_refused() -> None:
    """An edit carries its path, and a mix-up is no accident to survive."""
    edit = Edit("g.yaml", 0, ("k",), "1", "2", Where("g.yaml"))
    with pytest.raises(EditRefused, match=r"another file than f\.yaml"):
        splice("f.yaml", b"k: 1", [edit])


def test_text_that_utf8_cannot_write_is_refused() -> None:
    """Half a character never reaches a file."""
    with pytest.raises(EditRefused):
        splice("f.yaml", b"k: x", [_edit(("k",), "x", "\ud800")])


def test_the_proof_counts_documents() -> None:
    """A new document behind the changed one is a change that nobody meant."""
    old, new = load("f.yaml", b"k: v\n"), load("f.yaml", b"k: v\n---\n")
    splice_module._prove(old, old, {}, {0})
    with pytest.raises(EditRefused, match="number of documents"):
        splice_module._prove(old, new, {}, {0})


@pytest.mark.parametrize(
    "written",
    ["2\nz: 3", "2 # x", "{a: b}", "[2]", "2\n---\nk: 3", "&x 2", "!!str 2", "*a", "'2", "3"],
)
def test_the_proof_catches_a_writer_that_lies(
    monkeypatch: pytest.MonkeyPatch, written: str
) -> None:
    """Were a new scalar ever written wrong, the second reading refuses the file."""

    def lie(_text: str, _style: Style, *, string_tag: bool) -> str:
        return written

    monkeypatch.setattr(splice_module, "write", lie)
    with pytest.raises(EditRefused):
        splice("f.yaml", b"k: v", [_edit(("k",), "v", "2")])
