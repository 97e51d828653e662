"""Changes single scalars of a YAML file and proves that nothing else changed.

Knows spans and quotes. The new text is read again, and every scalar of a changed document is
compared with what was meant; any other difference refuses the whole file. It refuses to know why
a scalar changes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, NoReturn

from imagebot.errors import EditRefused, Where
from imagebot.model import Edit
from imagebot.yamltree.plain import write
from imagebot.yamltree.source import load
from imagebot.yamltree.text import encode
from imagebot.yamltree.tree import Document, Scalar, Source

STRING_TAGS = frozenset({"tag:yaml.org,2002:str", "!"})

Span = tuple[int, int]


class Change(NamedTuple):
    """A scalar to change: the edit that asks for it, and the source that is written for it."""

    edit: Edit
    written: str


Changes = Mapping[Span, Change]


def splice(path: str, data: bytes, edits: Sequence[Edit]) -> bytes:
    """The file with just the scalars named by `edits` changed; every other byte stays.

    A scalar keeps its quotes; a plain one gets double quotes where the new text would not be a
    string for every YAML parser. A scalar that is anchored changes for its aliases too. Raises
    EditRefused when a scalar is missing, ambiguous, reached through an alias, a block scalar or
    not a string by its tag, when it does not hold `edit.old`, and when the file is refused as a
    whole (see `imagebot.yamltree.source.load`).
    """
    if not edits:
        return data
    touched = {edit.document for edit in edits}
    source = load(path, data, lambda document, _: document in touched)
    changes = _changes(source, edits)
    if not changes:
        return data
    new = encode(path, _replace(source.text, changes), bom=source.bom)
    _prove(source, load(path, new, lambda document, _: document in touched), changes, touched)
    return new


def obstacle(document: Document, scalar: Scalar) -> str:
    """Why `splice` would not change this scalar whatever the new text is; empty when it would."""
    if document.is_ambiguous(scalar.keys):
        return "the key is written twice, and tools differ in which one counts"
    if scalar.alias:
        name = scalar.alias
        return f"written as the alias *{name}; it follows the anchor &{name}, to be changed there"
    if scalar.style in ("literal", "folded"):
        return "written as a block scalar; put it on one line"
    if scalar.tag and scalar.tag not in STRING_TAGS:
        return f"it has the tag {scalar.tag}, so it is no string"
    return ""


def _changes(source: Source, edits: Sequence[Edit]) -> dict[Span, Change]:
    """The scalars to change by their spans, each checked, without those that change nothing."""
    changes: dict[Span, Change] = {}
    for edit in edits:
        scalar = _find(source, edit)
        if edit.new == scalar.text:
            continue
        written = write(edit.new, scalar.style, string_tag=scalar.tag in STRING_TAGS)
        earlier = changes.setdefault((scalar.start, scalar.end), Change(edit, written))
        if earlier.edit.new != edit.new:
            _refuse(edit, f"two edits disagree: {earlier.edit.new!r} and {edit.new!r}")
    return changes


def _find(source: Source, edit: Edit) -> Scalar:
    """The scalar an edit means. Raises EditRefused when it is not there or not safe to change."""
    if edit.path != source.path:
        _refuse(edit, f"the edit is for another file than {source.path}")
    document = source.document(edit.document)
    scalar = document.get(*edit.keys) if document else None
    if document is None or scalar is None:
        _refuse(edit, "there is no such value")
    reason = obstacle(document, scalar)
    if reason:
        _refuse(edit, reason)
    if scalar.text != edit.old:
        _refuse(edit, f"the value is {scalar.text!r}, not {edit.old!r}")
    return scalar


def _replace(text: str, changes: Changes) -> str:
    """The text with the new scalars in it."""
    pieces, at = [], 0
    for (start, end), change in sorted(changes.items()):
        written = change.written if start < end else _spaced(text, start, change.written)
        pieces += [text[at:start], written]
        at = end
    return "".join([*pieces, text[at:]])


def _spaced(text: str, at: int, written: str) -> str:
    """A scalar that comes where none was written, kept apart from what stands around it."""
    before = " " if at and not text[at - 1].isspace() else ""
    after = " " if at < len(text) and text[at] not in " \t\r\n,]}" else ""
    return f"{before}{written}{after}"


def _prove(old: Source, new: Source, changes: Changes, touched: set[int]) -> None:
    """Compare both texts scalar by scalar. Raises EditRefused at the first surprise."""
    if old.count != new.count:
        raise EditRefused("the edit would change the number of documents", where=Where(old.path))
    for index in sorted(touched):
        before, after = old.document(index), new.document(index)
        if before is None or after is None or not _as_meant(before, after, new.text, changes):
            raise EditRefused("the edit would change more than the value", where=Where(old.path))


def _as_meant(before: Document, after: Document, text: str, changes: Changes) -> bool:
    """Whether two readings of a document differ in the changed scalars alone, as written."""
    if len(before.scalars) != len(after.scalars):
        return False
    for old, new in zip(before.scalars, after.scalars, strict=True):
        change = changes.get((old.start, old.end))
        meant = change.edit.new if change else old.text
        if (new.keys, new.text, new.alias, new.tag) != (old.keys, meant, old.alias, old.tag):
            return False
        if change and text[new.start : new.end] != change.written:
            return False
    return True


def _refuse(edit: Edit, message: str) -> NoReturn:
    place = ".".join(str(key) for key in edit.keys)
    raise EditRefused(f"{place}: {message}", where=edit.where)
