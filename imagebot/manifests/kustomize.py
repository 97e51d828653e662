"""Image uses in a kustomization: the entries of its `images:` list.

Knows kustomize's rules: `newName` replaces `name`, `newTag` and `digest` together give both, a
null is as good as nothing, and only the first document of a file counts. It refuses to know what
the entries match: that is decided by the resources a build reads.
"""

from __future__ import annotations

from collections.abc import Iterator

from imagebot.errors import InvalidReference
from imagebot.imageref import ImageRef, parse
from imagebot.manifests.kind import Place, holds_variable, skip
from imagebot.model import ImageUse, Role, Skipped, Slot
from imagebot.yamltree.plain import reads_as
from imagebot.yamltree.splice import obstacle
from imagebot.yamltree.tree import Document, Scalar, Source

KIND = "kustomize"
FILE_NAMES = frozenset({"kustomization.yaml", "kustomization.yml", "Kustomization"})

_GROUP = "kustomize.config.k8s.io/"
_KINDS = frozenset({"Kustomization", "Component"})
_FIELDS = frozenset({"name", "newName", "newTag", "digest", "tagSuffix"})

Fields = dict[str, Scalar]


def claims(document: Document) -> bool:
    """Whether kustomize reads the file as a kustomization, by its name or by what it says."""
    if document.path.rpartition("/")[2] in FILE_NAMES:
        return True
    return document.text("kind") in _KINDS and document.text("apiVersion").startswith(_GROUP)


def places(document: Document) -> Iterator[Place]:
    """The entries of `images:`, each as the scalars of its fields."""
    entries: dict[str | int, list[Scalar]] = {}
    for scalar in document.scalars:
        is_entry = len(scalar.keys) > 1 and scalar.keys[0] == "images"
        if is_entry and document.get(*scalar.keys) is scalar:
            entries.setdefault(scalar.keys[1], []).append(scalar)
    yield from map(tuple, entries.values())


def read(source: Source, document: Document, place: Place) -> ImageUse | Skipped:
    """The image that an entry of `images:` sets."""
    found = fields(place)
    name = found["name"].text if "name" in found else ""
    label = f"images[{place[0].keys[1]}] {name}".rstrip()
    reason = _left_out(document, place, found) or _unknowable(found)
    if reason:
        return skip(source, place[0], label, reason)
    try:
        image, slots = _reference(source, found)
    except InvalidReference as error:
        return skip(source, place[0], label, error.message)
    if not slots:
        return skip(source, place[0], label, _why_no_version(found))
    stuck = next((text for s in slots if (text := obstacle(document, found[_key(s)]))), "")
    if stuck:
        return skip(source, place[0], label, stuck)
    return ImageUse(KIND, label, image, slots, slots[0].where)


def fields(place: Place) -> Fields:
    """The known fields of an entry by name."""
    return {
        str(scalar.keys[2]): scalar
        for scalar in place
        if len(scalar.keys) == 3 and scalar.keys[2] in _FIELDS  # noqa: PLR2004 - images, index, field
    }


def is_unset(scalar: Scalar | None) -> bool:
    """Whether kustomize takes a field as not there: missing, empty or null."""
    if scalar is None or not scalar.text:
        return True
    return scalar.style == "plain" and not scalar.tag and reads_as(scalar.text) == "null"


def _left_out(document: Document, place: Place, found: Fields) -> str:
    """Why an entry as a whole is left alone; empty when it is not."""
    if document.index:
        return "kustomize reads the first document of a file only"
    if not found:
        return "it has none of the fields of an images entry"
    if any("<<" in scalar.keys for scalar in place):
        return "it is put together by a merge key (<<)"
    if any(document.is_ambiguous(scalar.keys) for scalar in found.values()):
        return "a key is written twice, and tools differ in which one counts"
    return ""


def _unknowable(found: Fields) -> str:
    """Why the fields of an entry do not tell what runs; empty when they do."""
    if is_unset(found.get("name")):
        return "it has no name, so it matches nothing"
    if not is_unset(found.get("tagSuffix")):
        return "it has a tagSuffix, which kustomize may append twice"
    name = "name" if is_unset(found.get("newName")) else "newName"
    texts = (found[field].text for field in (name, "newTag", "digest") if field in found)
    held = next(filter(holds_variable, texts), "")
    return f"{held!r} holds a variable" if held else ""


def _reference(source: Source, found: Fields) -> tuple[ImageRef, tuple[Slot, ...]]:
    """The effective reference and the scalars that hold its version. Raises InvalidReference."""
    renamed = not is_unset(found.get("newName"))
    base = parse(found["newName" if renamed else "name"].text)
    tag, digest = (
        None if is_unset(found.get(field)) else found[field] for field in ("newTag", "digest")
    )
    if not (tag or digest):
        if not renamed or not (base.tag or base.digest):
            return base, ()
        return base, (_slot(source, "reference", found["newName"]),)
    if renamed and (base.tag or base.digest):
        raise InvalidReference(
            f"newName {found['newName'].text!r} has a version already, and kustomize adds another"
        )
    image = parse(
        base.name + (f":{tag.text}" if tag else "") + (f"@{digest.text}" if digest else "")
    )
    slots = [_slot(source, "tag", tag)] if tag else []
    if digest:
        slots.append(_slot(source, "digest", digest))
    return image, tuple(slots)


def _slot(source: Source, role: Role, scalar: Scalar) -> Slot:
    return Slot(role, scalar.document, scalar.keys, scalar.text, source.where(scalar))


def _key(slot: Slot) -> str:
    return str(slot.keys[-1])


def _why_no_version(found: Fields) -> str:
    if "newTag" in found and is_unset(found["newTag"]):
        return "newTag is empty or null, which kustomize takes as not there"
    return "it sets no tag and no digest"
