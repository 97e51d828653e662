"""Changes single scalars of a YAML file, adds single keys, and proves that nothing else changed.

Knows spans and quotes. The new text is read again, and every scalar of a changed document is
compared with what was meant; any other difference refuses the whole file. It refuses to know why
a scalar changes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, NoReturn

from imagebot.errors import EditRefused, Where
from imagebot.model import Edit, KeyPath
from imagebot.yamltree.insert import Insertion, insertion
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


class Wanted(NamedTuple):
    """A scalar that the new text must hold; `written` is its source where it is new."""

    keys: KeyPath
    text: str
    alias: str
    tag: str
    written: str


Changes = Mapping[Span, Change]


def splice(path: str, data: bytes, edits: Sequence[Edit]) -> bytes:
    """The file with just the scalars named by `edits` changed or added; every other byte stays.

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
    added = _insertions(source, edits)
    new_keys = {one.edit for one in added}
    changes = _changes(source, [edit for edit in edits if edit not in new_keys])
    if not (changes or added):
        return data
    new = encode(path, _replace(source.text, changes, added), bom=source.bom)
    read = load(path, new, lambda document, _: document in touched)
    _prove(source, read, changes, touched, added)
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


def _insertions(source: Source, edits: Sequence[Edit]) -> list[Insertion]:
    """The keys to add, for the edits that name a sibling and whose key is not there."""
    added: dict[Edit, Insertion] = {}
    for edit in edits:
        document = source.document(edit.document)
        if not edit.after or document is None or document.get(*edit.keys) or edit in added:
            continue
        sibling = document.get(*edit.keys[:-1], edit.after)
        if sibling is None:
            _refuse(edit, f"there is no {edit.after!r} to put it behind")
        reason = obstacle(document, sibling)
        if reason:
            _refuse(edit, f"{edit.after}: {reason}")
        one = insertion(source, sibling, edit)
        if any(other.at == one.at for other in added.values()):
            _refuse(edit, "two edits would add a key at one place")
        added[edit] = one
    return list(added.values())


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


def _replace(text: str, changes: Changes, added: Sequence[Insertion]) -> str:
    """The text with the new scalars and keys in it."""
    news = [
        (start, end, change.written if start < end else _spaced(text, start, change.written))
        for (start, end), change in changes.items()
    ]
    news += [(one.at, one.at, one.source) for one in added]
    pieces, at = [], 0
    for start, end, written in sorted(news):
        pieces += [text[at:start], written]
        at = end
    return "".join([*pieces, text[at:]])


def _spaced(text: str, at: int, written: str) -> str:
    """A scalar that comes where none was written, kept apart from what stands around it."""
    before = " " if at and not text[at - 1].isspace() else ""
    after = " " if at < len(text) and text[at] not in " \t\r\n,]}" else ""
    return f"{before}{written}{after}"


def _prove(
    old: Source,
    new: Source,
    changes: Changes,
    touched: set[int],
    added: Sequence[Insertion] = (),
) -> None:
    """Compare both texts scalar by scalar. Raises EditRefused at the first surprise."""
    if old.count != new.count:
        raise EditRefused("the edit would change the number of documents", where=Where(old.path))
    for index in sorted(touched):
        before, after = old.document(index), new.document(index)
        if before is None or after is None or after.duplicates != before.duplicates:
            raise EditRefused("the edit would change more than the value", where=Where(old.path))
        if not _holds(after, new.text, _wanted(before, changes, added)):
            raise EditRefused("the edit would change more than the value", where=Where(old.path))


def _wanted(before: Document, changes: Changes, added: Sequence[Insertion]) -> list[Wanted]:
    """What a document shall hold: its scalars, some changed, and the new keys behind theirs."""
    behind = {one.behind: one for one in added}
    wanted: list[Wanted] = []
    for scalar in before.scalars:
        change = changes.get((scalar.start, scalar.end))
        text, written = (change.edit.new, change.written) if change else (scalar.text, "")
        wanted.append(Wanted(scalar.keys, text, scalar.alias, scalar.tag, written))
        one = behind.get(scalar)
        if one:
            wanted.append(Wanted(one.edit.keys, one.edit.new, "", "", one.written))
    return wanted


def _holds(after: Document, text: str, wanted: Sequence[Wanted]) -> bool:
    """Whether a document holds exactly these scalars, the new ones as they were written."""
    if len(after.scalars) != len(wanted):
        return False
    for found, one in zip(after.scalars, wanted, strict=True):
        if (found.keys, found.text, found.alias, found.tag) != one[:4]:
            return False
        if one.written and text[found.start : found.end] != one.written:
            return False
    return True


def _refuse(edit: Edit, message: str) -> NoReturn:
    place = ".".join(str(key) for key in edit.keys)
    raise EditRefused(f"{place}: {message}", where=edit.where)
