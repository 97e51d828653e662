"""Faults in kustomizations that no build reports, or reports in words nobody understands.

Knows two: a tag that YAML takes for a number, boolean or null, and entries of the same name. It
refuses to judge style.
"""

from __future__ import annotations

from collections.abc import Iterator

from imagebot.errors import EditRefused
from imagebot.manifests import kustomize
from imagebot.manifests.findings import Finding
from imagebot.yamltree.plain import quote, reads_as
from imagebot.yamltree.source import load
from imagebot.yamltree.tree import Document, Scalar, Source


def findings(path: str, data: bytes) -> tuple[Finding, ...]:
    """What is wrong with the `images:` of a kustomization, in the order of the text.

    A file that is no kustomization, or that cannot be read, has no findings.
    """
    if b"images" not in data:
        return ()
    try:
        source = load(path, data, lambda document, _: document == 0)
    except EditRefused:
        return ()
    document = source.document(0)
    if document is None or not kustomize.claims(document):
        return ()
    return tuple(_findings(source, document))


def _findings(source: Source, document: Document) -> Iterator[Finding]:
    names: dict[str, Scalar] = {}
    for place in kustomize.places(document):
        found = kustomize.fields(place)
        name, tag = found.get("name"), found.get("newTag")
        if name and name.text in names:
            yield _duplicate(source, name, names[name.text])
        elif name:
            names[name.text] = name
        if tag and tag.style == "plain" and not tag.tag:
            yield from _unquoted(source, tag)


def _duplicate(source: Source, name: Scalar, first: Scalar) -> Finding:
    return Finding(
        "duplicate-name",
        source.where(name),
        f"images has {name.text!r} twice (first on line {first.line}); the last one wins",
        "keep one of the entries",
        "error",
    )


def _unquoted(source: Source, tag: Scalar) -> Iterator[Finding]:
    reading = reads_as(tag.text)
    if reading == "null":
        yield Finding(
            "unquoted-tag",
            source.where(tag),
            "newTag is null: kustomize takes it as not there and changes nothing",
            "write the tag, in quotes, or remove the line",
            "error",
        )
    elif reading in ("number", "boolean"):
        yield Finding(
            "unquoted-tag",
            source.where(tag),
            f"newTag {tag.text} is a {reading} to YAML: the build fails or the tag changes",
            f"write {quote(tag.text)}",
            "error",
        )
