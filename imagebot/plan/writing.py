"""The new texts of the files that a group changes.

Knows that a file which cannot be edited safely leaves its group, and the others go on. It refuses
to know why an image moves.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from imagebot.errors import EditRefused
from imagebot.manifests.rewrite import edits_for
from imagebot.model import Edit, FileChange, Group, ImageUse, Plan, Update
from imagebot.yamltree.splice import splice


def fill(group: Group, texts: Mapping[str, bytes]) -> tuple[Group, dict[ImageUse, str]]:
    """Write a group's new texts. A file that cannot be edited safely leaves the group.

    The second value maps each refused image use to the reason.
    """
    by_path: dict[str, list[Update]] = {}
    for update in group.updates:
        by_path.setdefault(update.use.path, []).append(update)
    files: list[FileChange] = []
    kept: list[Update] = []
    refused: dict[ImageUse, str] = {}
    for path, updates in by_path.items():
        try:
            files.append(_rewrite(path, texts[path], updates))
        except EditRefused as error:
            refused.update({update.use: error.message for update in updates})
        else:
            kept.extend(updates)
    notes = tuple(
        f"{path}: {refused[updates[0].use]}"
        for path, updates in by_path.items()
        if updates[0].use in refused
    )
    filled = replace(group, updates=tuple(kept), files=tuple(files), notes=group.notes + notes)
    return filled, refused


def merged_changes(wanted: Plan) -> tuple[FileChange, ...]:
    """Every group's edits at once, one change a file: for writing into one folder.

    Where a larger step has a group of its own, the smaller one is written.
    """
    edits: dict[str, dict[Edit, None]] = {}
    texts: dict[str, bytes] = {}
    lanes: dict[ImageUse, str] = {}
    for group in sorted(wanted.groups, key=_step):
        texts.update({change.path: change.old for change in group.files})
        for update in group.updates:
            if lanes.setdefault(update.use, update.lane) == update.lane:
                edits.setdefault(update.use.path, {}).update(dict.fromkeys(_edits(update)))
    return tuple(
        FileChange(path, texts[path], splice(path, texts[path], tuple(wished)), tuple(wished))
        for path, wished in sorted(edits.items())
    )


def _step(group: Group) -> int:
    return ("", "digest", "patch", "minor", "major").index(group.updates[0].lane)


def _rewrite(path: str, text: bytes, updates: Sequence[Update]) -> FileChange:
    edits: dict[Edit, None] = {}
    for update in updates:
        edits.update(dict.fromkeys(_edits(update)))
    ordered = tuple(edits)
    return FileChange(path, text, splice(path, text, ordered), ordered)


def _edits(update: Update) -> tuple[Edit, ...]:
    return edits_for(update.use, update.new.tag, update.new.digest)
