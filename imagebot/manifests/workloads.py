"""Image uses in plain Kubernetes manifests: containers, at any depth of any resource.

Knows the three lists of containers and how to name a resource. Like kustomize it does not ask
which kinds have pods, so that custom resources with pods in them work; definitions of custom
resources are left alone. It refuses to know where else a custom resource may keep an image.
"""

from __future__ import annotations

from collections.abc import Iterator

from imagebot.errors import InvalidReference
from imagebot.imageref import parse
from imagebot.manifests.kind import Place, holds_variable, skip
from imagebot.model import ImageUse, KeyPath, Skipped, Slot
from imagebot.yamltree.splice import obstacle
from imagebot.yamltree.tree import Document, Scalar, Source

KIND = "workload"

_LISTS = {
    "containers": "container",
    "initContainers": "init container",
    "ephemeralContainers": "ephemeral container",
}
_DEFINITION = "CustomResourceDefinition"
_MERGE = "<<"
_NO_TAG = "no tag and no digest is written here; a kustomize images entry may set one"


def claims(document: Document) -> bool:
    """Whether the document is a Kubernetes resource or a list of some."""
    return bool(document.text("apiVersion") and document.text("kind"))


def places(document: Document) -> Iterator[Place]:
    """The `image` of every container; one that a merge key brings, only where none overrides it."""
    for scalar in document.scalars:
        container = _container(scalar.keys)
        if container is None or document.get(*scalar.keys) is not scalar:
            continue
        overridden = len(container) + 1 < len(scalar.keys) and document.get(*container, "image")
        if not overridden and document.text(*_resource(scalar.keys), "kind") != _DEFINITION:
            yield (scalar,)


def read(source: Source, document: Document, place: Place) -> ImageUse | Skipped:
    """The reference in an `image` field."""
    (scalar,) = place
    label = _label(document, scalar)
    reason = obstacle(document, scalar)
    if reason:
        return skip(source, scalar, label, reason)
    if not scalar.text:
        return skip(source, scalar, label, "it is empty")
    if holds_variable(scalar.text):
        return skip(source, scalar, label, f"{scalar.text!r} holds a variable")
    try:
        image = parse(scalar.text)
    except InvalidReference as error:
        return skip(source, scalar, label, error.message)
    if not (image.tag or image.digest):
        return skip(source, scalar, label, _NO_TAG)
    where = source.where(scalar)
    slot = Slot("reference", scalar.document, scalar.keys, scalar.text, where)
    return ImageUse(KIND, label, image, (slot,), where)


def _container(keys: KeyPath) -> KeyPath | None:
    """The key path of the container whose `image` this is, None for anything else."""
    if not keys or keys[-1] != "image":
        return None
    end = len(keys) - 1
    while end and (keys[end - 1] == _MERGE or keys[end - 2 : end - 1] == (_MERGE,)):
        end -= 1
    is_item = end > 1 and isinstance(keys[end - 1], int) and keys[end - 2] in _LISTS
    return keys[:end] if is_item else None


def _resource(keys: KeyPath) -> KeyPath:
    """The key path of the resource that a value belongs to: an item of a list, or the document."""
    is_item = len(keys) > 1 and keys[0] == "items" and isinstance(keys[1], int)
    return keys[:2] if is_item else ()


def _label(document: Document, scalar: Scalar) -> str:
    """What people call the place: `Deployment/web container app`."""
    container = _container(scalar.keys) or ()
    resource = _resource(scalar.keys)
    kind = document.text(*resource, "kind") or document.text("kind")
    name = document.text(*resource, "metadata", "name")
    owner = f"{kind}/{name}" if name else kind
    called = document.text(*container, "name") or str(container[-1])
    return f"{owner} {_LISTS[str(container[-2])]} {called}"
