"""Joins what Argo CD Image Updater is told with what was scanned: which image goes by which rule.

Knows how a listed image meets an image use. It refuses to know annotations and resources.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from imagebot.compat.argocdapps import Told
from imagebot.compat.folders import above
from imagebot.compat.notes import Notes
from imagebot.errors import InvalidReference
from imagebot.governing import Governed
from imagebot.imageref import Repository, parse_repository
from imagebot.manifests import kustomize
from imagebot.model import FileScan, ImageUse

_IMAGE, _NAME = "image", "name"
_Key = tuple[str, Repository, str, bool]
"""By what a use is listed, as what, for which folder, and whether for its kustomization alone."""


def join(scans: Mapping[str, FileScan], told: Sequence[Told], notes: Notes) -> dict[str, FileScan]:
    """The scans with the uses that an Application lists under its rule.

    A use that another updater governs already stays as it is. Of several Applications the one
    with the longest source path counts.
    """
    met: set[int] = set()
    index = _Index(told)
    joined = {
        path: replace(scan, uses=tuple(_ruled(use, index, met, notes) for use in scan.uses))
        for path, scan in scans.items()
    }
    for number, item in enumerate(told):
        if number not in met:
            place = item.only if item.only is not None else item.folder
            reason = f"{item.label}: no file in {place or 'the repository'} names this image"
            notes.remark(item.where, reason)
    return joined


class _Index:
    """What is told, by image or matched name, and by the folder that it is told for."""

    def __init__(self, told: Sequence[Told]) -> None:
        self._told = told
        self._by_key: dict[_Key, list[int]] = {}
        for number, item in enumerate(told):
            folder = (item.folder, False) if item.only is None else (item.only, True)
            self._by_key.setdefault((_IMAGE, item.image, *folder), []).append(number)
            if item.matches is not None:
                self._by_key.setdefault((_NAME, item.matches, *folder), []).append(number)

    def of(self, use: ImageUse) -> list[tuple[int, Told]]:
        """What lists a use, by what runs or by the name of its entry, in the order told."""
        named = _matched_name(use)
        listed = [(_IMAGE, use.image.repository), *([(_NAME, named)] if named else [])]
        places = [(folder, False) for folder in above(use.path)]
        folder, _, name = use.path.rpartition("/")
        if name in kustomize.FILE_NAMES:
            places.append((folder, True))
        found = {
            number
            for key in listed
            for place in places
            for number in self._by_key.get((*key, *place), ())
        }
        return [(number, self._told[number]) for number in sorted(found)]


def _ruled(use: ImageUse, told: _Index, met: set[int], notes: Notes) -> ImageUse:
    found = told.of(use)
    if not found or use.governed:
        met.update(number for number, _ in found)
        return use
    met.update(number for number, _ in found)
    depth = max(_depth(item) for _, item in found)
    rules = {_rule(item.governed): item for _, item in found if _depth(item) == depth}
    first = next(iter(rules.values()))
    if len(rules) > 1:
        reason = " and ".join(sorted(item.governed.by for item in rules.values()))
        stopped = f"{reason} say different things about it"
        return replace(use, governed=replace(first.governed, stopped=stopped))
    if use.image.repository != first.image:
        stopped = f"{first.governed.by} is of {first.image.familiar}, and imagebot changes no names"
        notes.fault("argocd-name", use.where, stopped, f"set newName to {first.image.familiar}")
        return replace(use, governed=replace(first.governed, stopped=stopped))
    if first.governed.digest and {slot.role for slot in use.slots} == {"tag"}:
        stopped = "the digest strategy needs a place for a digest, and only a tag is written"
        notes.fault("argocd-digest", use.where, stopped, "write a `digest:` beside newTag")
        return replace(use, governed=replace(first.governed, stopped=stopped))
    return replace(use, governed=first.governed)


def _depth(item: Told) -> int:
    return len(item.only if item.only is not None else item.folder)


def _rule(governed: Governed) -> Governed:
    return replace(governed, by="")


def _matched_name(use: ImageUse) -> Repository | None:
    """The `name:` of an `images:` entry; None for any other use."""
    if use.kind != kustomize.KIND:
        return None
    try:
        return parse_repository(use.label.partition(" ")[2].partition(":")[0])
    except InvalidReference:
        return None
