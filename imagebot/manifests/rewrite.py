"""From an image use and a new version to edits of its scalars.

Knows what each scalar of a use holds. It refuses to know files: the edits are carried out, and
proven, by `imagebot.yamltree.splice`.
"""

from __future__ import annotations

from imagebot.errors import EditRefused
from imagebot.imageref import is_digest, is_tag, parse
from imagebot.manifests.kustomize import KIND
from imagebot.model import Edit, ImageUse, Role, Slot


def edits_for(use: ImageUse, tag: str, digest: str) -> tuple[Edit, ...]:
    """The edits that move a use to a tag, a digest or both; none when it is there already.

    An empty string means that the new reference has no such part. The repository part stays as
    it is written, except in a whole reference for which a policy in the repository names another.
    A kustomization's entry without a digest gets one as a key behind its `newTag`. Raises
    EditRefused when the scalars of the use cannot say the new reference: a digest beside a lone
    tag elsewhere, or a part to remove that is a line of its own.
    """
    if not (tag or digest):
        _refuse(use, "a reference needs a tag or a digest")
    if (tag and not is_tag(tag)) or (digest and not is_digest(digest)):
        _refuse(use, f"{tag!r} and {digest!r} are no tag and digest")
    roles = {slot.role for slot in use.slots}
    added = _added_digest(use, roles, digest)
    if "reference" not in roles:
        _check(use, {*roles, "digest"} if added else roles, tag, digest)
    texts = ((slot, _text(use, slot, tag, digest)) for slot in use.slots)
    return (
        tuple(
            Edit(use.path, slot.document, slot.keys, slot.text, text, slot.where)
            for slot, text in texts
            if text != slot.text
        )
        + added
    )


def _added_digest(use: ImageUse, roles: set[Role], digest: str) -> tuple[Edit, ...]:
    """The `digest` that an images entry of a kustomization gets beside its `newTag`."""
    if not digest or use.kind != KIND or roles != {"tag"} or any(map(_holds_both, use.slots)):
        return ()
    (slot,) = use.slots
    keys = (*slot.keys[:-1], "digest")
    return (Edit(use.path, slot.document, keys, "", digest, slot.where, str(slot.keys[-1])),)


def _text(use: ImageUse, slot: Slot, tag: str, digest: str) -> str:
    """What a scalar must hold for the new version."""
    if slot.role == "reference":
        renamed = use.governed is not None and use.governed.renames
        named = use.image if renamed else parse(slot.text)
        return str(named.with_version(tag, digest))
    if slot.role == "digest":
        return digest
    return f"{tag}@{digest}" if _holds_both(slot) and digest else tag


def _holds_both(slot: Slot) -> bool:
    """Whether a tag's scalar also holds the digest, as in kustomize's `newTag: 1.2@sha256:...`."""
    return slot.role == "tag" and "@" in slot.text


def _check(use: ImageUse, roles: set[Role], tag: str, digest: str) -> None:
    """Refuse a version that separate scalars for tag and digest cannot say."""
    has_digest = "digest" in roles or any(map(_holds_both, use.slots))
    if digest and not has_digest:
        _refuse(use, "only a tag is written here, there is no place for a digest")
    if tag and "tag" not in roles:
        _refuse(use, "only a digest is written here, there is no place for a tag")
    if not tag and "tag" in roles:
        _refuse(use, "the tag is a value of its own and cannot be left empty")
    if not digest and "digest" in roles:
        _refuse(use, "the digest is a value of its own and cannot be left empty")


def _refuse(use: ImageUse, message: str) -> None:
    raise EditRefused(f"{use.label}: {message}", where=use.where)
