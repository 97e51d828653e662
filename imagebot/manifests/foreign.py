"""Objects that steer other updaters: Flux's image policies, Argo CD Image Updater's, Applications.

Knows which kinds there are and which of their values matter. Values stay text, with their places.
It refuses to know what any of them means: that is decided over all files, in `imagebot.compat`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from imagebot.errors import Where
from imagebot.governing import PolicyObject, Setting
from imagebot.manifests.kustomize import is_unset
from imagebot.model import KeyPath
from imagebot.yamltree.tree import Document, Scalar, Source

AIU = "argocd-image-updater.argoproj.io"
NEEDLE = "argoproj.io"

FLUX_KINDS = frozenset({"ImageRepository", "ImagePolicy", "ImageUpdateAutomation"})
_GROUPS = {
    "image.toolkit.fluxcd.io": FLUX_KINDS,
    AIU: frozenset({"ImageUpdater"}),
    "argoproj.io": frozenset({"Application", "ApplicationSet"}),
}
_NO_ORDER = re.compile(r"(?<![\w#])(alphabetical|numerical)[\"']?:\s*\{\s*\}")
_SOURCE_FIELDS = frozenset({"path", "chart", "repoURL"})


def objects(source: Source) -> tuple[PolicyObject, ...]:
    """Every object of another updater in a file, in the order of the text."""
    return tuple(found for document in source.documents for found in _in_document(source, document))


def _in_document(source: Source, document: Document) -> Iterator[PolicyObject]:
    if "." not in document.text("apiVersion") and document.text("kind") != "List":
        return
    roots: dict[KeyPath, list[Scalar]] = {}
    for scalar in document.scalars:
        keys = scalar.keys
        is_item = len(keys) > 1 and keys[0] == "items" and isinstance(keys[1], int)
        roots.setdefault(keys[:2] if is_item else (), []).append(scalar)
    for root, scalars in roots.items():
        kind = document.text(*root, "kind")
        group = document.text(*root, "apiVersion").partition("/")[0]
        if kind in _GROUPS.get(group, ()):
            yield _object(source, document, root, scalars)


def _object(
    source: Source, document: Document, root: KeyPath, scalars: list[Scalar]
) -> PolicyObject:
    kind = document.text(*root, "kind")
    depth = len(root)
    settings = tuple(
        Setting(scalar.keys[depth:], scalar.text, source.where(scalar))
        for scalar in scalars
        if document.get(*scalar.keys) is scalar
        and not is_unset(scalar)
        and _matters(kind, scalar.keys[depth:])
    )
    settings += tuple(_empty_order(source, kind, settings, scalars))
    named = document.get(*root, "metadata", "name") or document.get(*root, "kind")
    return PolicyObject(
        kind,
        document.text(*root, "metadata", "namespace"),
        document.text(*root, "metadata", "name"),
        settings,
        source.where(named) if named else Where(source.path),
    )


def _empty_order(
    source: Source, kind: str, settings: tuple[Setting, ...], scalars: list[Scalar]
) -> Iterator[Setting]:
    """`alphabetical: {}` has no scalar, and means the default order."""
    if kind != "ImagePolicy" or any(s.keys[:2] == ("spec", "policy") for s in settings):
        return
    end = source.text.find("\n---", scalars[-1].end)
    found = _NO_ORDER.search(source.text, scalars[0].start, end if end >= 0 else len(source.text))
    if found:
        line = source.text.count("\n", 0, found.start(1)) + 1
        column = found.start(1) - source.text.rfind("\n", 0, found.start(1))
        keys = ("spec", "policy", found[1], "order")
        yield Setting(keys, "asc", Where(source.path, line, column))


def _matters(kind: str, keys: KeyPath) -> bool:
    """Whether a value is worth keeping: a few of an Application's, all that steer of the others."""
    if keys[:2] == ("metadata", "labels"):
        return True
    if kind == "ApplicationSet":
        return _is_annotation(keys[2:]) if keys[:2] == ("spec", "template") else False
    if kind != "Application":
        return keys[:1] == ("spec",)
    in_source = keys[:2] == ("spec", "source") or (keys[:2] == ("spec", "sources"))
    return _is_annotation(keys) or (in_source and keys[-1] in _SOURCE_FIELDS)


def _is_annotation(keys: KeyPath) -> bool:
    return (
        keys[:2] == ("metadata", "annotations")
        and len(keys) == 3  # noqa: PLR2004 - metadata, annotations, its name
        and str(keys[2]).startswith(f"{AIU}/")
    )
