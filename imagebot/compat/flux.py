"""Joins Flux's markers with what was scanned: which values move, by which policy.

Knows what each part of a marker writes, and every reason for which one counts for nothing. It
refuses to know how policies are found (`fluxpolicy`) and how comments are read.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from imagebot.compat.fluxpolicy import Fleet, Ruling, Unknown
from imagebot.compat.notes import Notes
from imagebot.config import Config, settings_for
from imagebot.errors import InvalidReference
from imagebot.governing import Marker
from imagebot.imageref import ImageRef, Repository, is_digest, parse, parse_repository
from imagebot.manifests.fluxmarkers import OWN_LINE
from imagebot.model import FileScan, ImageUse, KeyPath, Role, Slot

KIND = "flux"

_ROLES: dict[str, Role] = {"": "reference", "tag": "tag", "digest": "digest"}
_SAID: dict[Role, str] = {"reference": "a whole reference", "tag": "a tag", "digest": "a digest"}
_SUFFIX: dict[Role, str] = {
    "reference": "remove the part behind the policy's name",
    "tag": "write `:tag` behind the policy's name",
    "digest": "write `:digest` behind the policy's name",
}

Family = tuple[int, KeyPath, str]
"""Values that belong together: their document, their mapping, and the policy they name."""


@dataclass
class _File:
    """One file while its markers are read."""

    scan: FileScan
    fleet: Fleet
    notes: Notes
    config: Config
    ruled: dict[tuple[int, KeyPath], tuple[Marker, Ruling]] = field(default_factory=dict)
    held: dict[tuple[int, KeyPath], None] = field(default_factory=dict)
    lines: dict[int, None] = field(default_factory=dict)
    families: dict[Family, None] = field(default_factory=dict)
    names: dict[Family, tuple[str, Repository]] = field(default_factory=dict)


def join(path: str, scan: FileScan, fleet: Fleet, notes: Notes, config: Config) -> FileScan:
    """The scan with marked values as image uses that are governed by their policies.

    A use whose marker counts for nothing is left alone: whoever wrote the marker did not mean
    the default. Where its policy is only out of reach, a rule of the configuration that sets one
    stands in for it.
    """
    file = _File(scan, fleet, notes, config)
    for marker in scan.markers:
        _rule(file, path, marker)
    uses = [use for use in (_existing(file, use) for use in scan.uses) if use]
    made = list(_made(file))
    known = {slot.where for use in made for slot in use.slots}
    return replace(
        scan,
        uses=tuple(sorted(uses + made, key=_order)),
        skipped=tuple(skip for skip in scan.skipped if skip.where not in known),
    )


def _rule(file: _File, path: str, marker: Marker) -> None:
    """Find the policy of one marker, or say why it has none."""
    if marker.fault:
        _fault(file, marker, marker.fault, marker.problem, marker.fix)
        if not marker.keys:
            file.lines[marker.where.line + (marker.fault == OWN_LINE)] = None
        return
    try:
        policy = file.fleet.policy(marker.policy, path)
    except Unknown as unknown:
        if _has_own_policy(file, marker):
            return
        fix = "add the policy to the scanned paths, or give the image a rule in .imagebot.yaml"
        _fault(file, marker, "flux-marker-policy", str(unknown), fix)
        return
    try:
        ruling = file.fleet.ruling(policy, path)
    except Unknown as unknown:
        if _has_own_policy(file, marker):
            return
        fix = "let its update.path reach the file, or remove the marker"
        _fault(file, marker, "flux-marker-outside", str(unknown), fix)
        return
    if marker.part == "name":
        _name(file, marker, ruling)
    elif marker.part == "digest" and ruling.digest == "Never":
        problem = f"{policy} reflects no digest, so Flux would empty the value"
        _fault(file, marker, "flux-marker-digest", problem, "set digestReflectionPolicy")
    else:
        file.ruled[marker.document, marker.keys] = (marker, ruling)


def _has_own_policy(file: _File, marker: Marker) -> bool:
    """Whether a rule gives the marked image its policy, so that the marker's is not missed."""
    place = (marker.document, marker.keys)
    found = (
        use
        for use in file.scan.uses
        if any((slot.document, slot.keys) == place for slot in use.slots)
    )
    use = next(found, None)
    return use is not None and "policy" in settings_for(file.config, use.image.repository).rules


def _fault(file: _File, marker: Marker, id_: str, problem: str, fix: str) -> None:
    file.notes.fault(id_, marker.where, problem, fix, label=marker.label)
    if marker.keys:
        file.held[marker.document, marker.keys] = None


def _name(file: _File, marker: Marker, ruling: Ruling) -> None:
    """A name is never written. Where it is another than the policy's, what is beside it waits."""
    try:
        named = parse_repository(marker.text)
    except InvalidReference:
        named = None
    if named and ruling.repository in (None, named):
        file.names[_family(marker)] = (marker.text, named)
        return
    problem = f"imagebot changes no names; {ruling.governed.by} is of {ruling.name}"
    _fault(file, marker, "flux-marker-name", problem, f"write {ruling.name}")
    file.families[_family(marker)] = None


def _family(marker: Marker) -> Family:
    return marker.document, marker.keys[:-1], marker.policy


def _existing(file: _File, use: ImageUse) -> ImageUse | None:
    """A use that was found without its marker, now governed by it; None when it is left alone."""
    places = {(slot.document, slot.keys): slot for slot in use.slots}
    marked = [
        (slot, *file.ruled.pop(place)) for place, slot in places.items() if place in file.ruled
    ]
    lines = {slot.where.line for slot in use.slots}
    if not (file.held.keys().isdisjoint(places) and file.lines.keys().isdisjoint(lines)):
        return None
    if not marked:
        return use
    return _judged(file, use, marked)


def _judged(
    file: _File, use: ImageUse, marked: Sequence[tuple[Slot, Marker, Ruling]]
) -> ImageUse | None:
    for slot, marker, _ in marked:
        if _ROLES[marker.part] != slot.role:
            problem = f"it writes {_SAID[_ROLES[marker.part]]}, but the value is {_SAID[slot.role]}"
            _fault(file, marker, "flux-marker-part", problem, _SUFFIX[slot.role])
            return None
    if any(_family(marker) in file.families for _, marker, _ in marked):
        return None
    if len({marker.policy for _, marker, _ in marked}) > 1:
        problem = "its parts name two policies"
        _fault(file, marked[1][1], "flux-marker-two", problem, "name one policy for both")
        return None
    return _governed(use, marked[0][2])


def _governed(use: ImageUse, ruling: Ruling) -> ImageUse:
    """A use under a policy: its repository is the policy's where the whole reference is written."""
    whole = [slot.role for slot in use.slots] == ["reference"]
    # IfNotPresent takes a digest once for a tag; Always follows the tag that stays.
    reflects = ruling.digest == "Always" or (ruling.digest != "Never" and not use.image.digest)
    has_place = whole or {slot.role for slot in use.slots} == {"tag", "digest"}
    governed = replace(ruling.governed, digest=reflects and has_place)
    image = use.image
    other = ruling.repository not in (None, image.repository)
    governed = replace(governed, renames=whole and (other or not use.slots[0].text))
    if ruling.repository and image.repository != ruling.repository:
        # A tag comes from the policy's repository, whatever mirror serves the image. A whole
        # reference is written with the policy's name, and the old digest is of another image.
        digest = "" if whole else image.digest
        image = ImageRef(ruling.name, ruling.repository, image.tag, digest)
    return replace(use, image=image, governed=governed)


def _made(file: _File) -> Iterable[ImageUse]:
    """Uses for marked values that nothing else takes for an image."""
    families: dict[Family, list[tuple[Marker, Ruling]]] = {}
    for marker, ruling in file.ruled.values():
        family = _family(marker)
        known = _named(ruling, *file.names[family]) if family in file.names else ruling
        families.setdefault(family, []).append((marker, known))
    for family, members in families.items():
        if family in file.families:
            continue
        parts = sorted(marker.part for marker, _ in members)
        together = [members] if parts == ["digest", "tag"] else [[member] for member in members]
        for some in together:
            use = _use(file, some)
            if use:
                yield use


def _named(ruling: Ruling, name: str, repository: Repository) -> Ruling:
    """A ruling whose ImageRepository may be elsewhere: the name beside the value says the same."""
    return replace(ruling, name=ruling.name or name, repository=ruling.repository or repository)


def _use(file: _File, members: Sequence[tuple[Marker, Ruling]]) -> ImageUse | None:
    first, ruling = members[0]
    slots = []
    for marker, _ in members:
        problem = _unfit(marker, ruling)
        if problem:
            fix = "correct the value or the marker, or scan the missing object too"
            _fault(file, marker, "flux-marker-part", problem, fix)
            return None
        slots.append(
            Slot(_ROLES[marker.part], marker.document, marker.keys, marker.text, marker.scalar)
        )
    image = _image(members, ruling)
    return _governed(ImageUse(KIND, first.label, image, tuple(slots), slots[0].where), ruling)


def _image(members: Sequence[tuple[Marker, Ruling]], ruling: Ruling) -> ImageRef:
    """What the values say now, with the policy's repository where they name none."""
    texts = {marker.part: marker.text for marker, _ in members}
    if texts.get(""):
        return parse(texts[""])
    repository = ruling.repository
    if repository is None:
        raise AssertionError("a value that names no image was not refused")
    tag, _, both = texts.get("tag", "").partition("@")
    return ImageRef(ruling.name, repository, tag, texts.get("digest", both))


def _unfit(marker: Marker, ruling: Ruling) -> str:
    """Why a value cannot be what its marker says; empty when it can."""
    text = marker.text
    if marker.part == "digest" and not is_digest(text):
        return f"{text!r} is no digest" if text else "no digest is written yet"
    if ruling.repository is None and not (marker.part == "" and text):
        return f"the ImageRepository of {ruling.governed.by} is not among the files"
    if marker.part == "digest" or not text:
        return ""
    try:
        parse(text if marker.part == "" else f"image:{text}")
    except InvalidReference as error:
        return error.message
    return ""


def _order(use: ImageUse) -> tuple[int, int]:
    return use.where.line, use.where.column
