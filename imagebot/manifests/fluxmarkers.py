"""The comments by which Flux knows what to write: `# {"$imagepolicy": "apps:web:tag"}`.

Knows their grammar, which scalar one speaks of, and every form that Flux passes over without a
word. It refuses to know which policies there are: that is decided over all files.
"""

from __future__ import annotations

import json
import re
from bisect import bisect_right
from collections.abc import Iterator
from typing import NamedTuple

from imagebot.errors import Where
from imagebot.governing import Marker
from imagebot.manifests.kind import holds_variable
from imagebot.manifests.kustomize import is_unset
from imagebot.model import KeyPath
from imagebot.yamltree.splice import obstacle
from imagebot.yamltree.tree import Document, Scalar, Source

MARK = '"$imagepolicy"'
PARTS = ("tag", "name", "digest")
OWN_LINE = "flux-marker-own-line"

_OLD = "#/definitions/io.k8s.cli.setters."
_WORD = re.compile(r"\$imagepolicy|io\.k8s\.cli\.setters", re.IGNORECASE)
_HASH = re.compile(r"(?<!\S)#")
_LONGEST = 4096
_OBJECT = re.compile(r"\{[^{}]*\}")
_SPEC = re.compile(r"(?P<policy>[^\s:/]+:[^\s:/]+)(?::(?P<part>[^\s:]*))?")
_HEADER = re.compile(r"[|>][-+0-9]*[ \t]*")
_WRITE = 'write `# {"$imagepolicy": "namespace:name"}`, and nothing else in the comment'


class Fault(NamedTuple):
    """Why a marker does nothing: a short id, a sentence, and what to write."""

    id: str
    problem: str
    fix: str


def markers(source: Source) -> tuple[Marker, ...]:
    """Every comment of a file that seems to be meant for Flux, in the order of the text."""
    if _WORD.search(source.text) is None:
        return ()
    return tuple(_markers(source))


def _markers(source: Source) -> Iterator[Marker]:
    owners = _Owners(source)
    line, before = 1, 0
    for at, comment in _comments(source.text, owners):
        line += source.text.count("\n", before, at)
        before = at
        where = Where(source.path, line, at - source.text.rfind("\n", 0, at))
        yield from _marker(source, owners, at, comment, where)


def _comments(text: str, owners: _Owners) -> Iterator[tuple[int, str]]:
    """Every comment with a word of Flux in it, and where it begins: once a line."""
    done = 0
    for word in _WORD.finditer(text):
        if word.start() < done:
            continue
        begin = text.rfind("\n", 0, word.start()) + 1
        starts = (found.start() for found in _HASH.finditer(text, begin, word.start()))
        at = next((start for start in starts if not owners.covers(start)), None)
        if at is not None:
            end = text.find("\n", at)
            done = end if end >= 0 else len(text)
            yield at, text[at : min(done, at + _LONGEST)].rstrip()


def _marker(
    source: Source, owners: _Owners, at: int, comment: str, where: Where
) -> Iterator[Marker]:
    read = parse(comment)
    owner = owners.before(at)
    if isinstance(owner, Fault):
        # A line of prose that mentions markers is no marker.
        if owner.id != OWN_LINE or not comment.lstrip("# ")[:1].isalnum():
            yield _unplaced(read, where, owner)
        return
    document, scalar = owner
    fault = read if isinstance(read, Fault) else _why_not(source, document, scalar)
    policy, part = ("", "") if isinstance(read, Fault) else read
    yield Marker(
        policy,
        part,
        _label(document, scalar.keys),
        scalar.document,
        scalar.keys,
        scalar.text,
        source.where(scalar),
        where,
        *(fault or ()),
    )


def _unplaced(read: tuple[str, str] | Fault, where: Where, fault: Fault) -> Marker:
    policy, part = ("", "") if isinstance(read, Fault) else read
    return Marker(policy, part, "", 0, (), "", where, where, *fault)


def parse(comment: str) -> tuple[str, str] | Fault:
    """The `namespace:name` and the part of a comment with its `#`, or why Flux passes it over."""
    body = comment.removeprefix("#").strip()
    try:
        held = json.loads(body)
    except (ValueError, RecursionError):
        return _unreadable(body)
    if not isinstance(held, dict) or len(held) != 1:
        return Fault("flux-marker-keys", "the marker is no JSON object of one key", _WRITE)
    ((key, value),) = held.items()
    if not isinstance(value, str):
        return Fault("flux-marker-json", f"the policy is {value!r}, which is no text", _WRITE)
    if key == "$ref" and value.startswith(_OLD):
        return _spec(value.removeprefix(_OLD))
    if key == "$imagepolicy":
        return _spec(value)
    return Fault("flux-marker-key", f"the key is {key!r}, not '$imagepolicy'", _WRITE)


def _unreadable(body: str) -> Fault:
    """Why a comment is no JSON: something stands around it, or it is broken itself."""
    if "'" in body:
        return Fault("flux-marker-quotes", "single quotes are no JSON", _WRITE)
    inner = _OBJECT.search(body)
    if inner:
        try:
            json.loads(inner[0])
        except ValueError:
            pass
        else:
            side = "before" if inner.start() else "behind"
            return Fault("flux-marker-text", f"there is text {side} the marker", _WRITE)
    return Fault("flux-marker-json", "the marker is broken JSON", _WRITE)


def _spec(text: str) -> tuple[str, str] | Fault:
    found = _SPEC.fullmatch(text)
    if found is None:
        return Fault(
            "flux-marker-namespace",
            f"{text!r} does not name a policy with its namespace",
            "write `namespace:name`, and `:tag`, `:name` or `:digest` behind it where one is meant",
        )
    part = found["part"]
    if part is not None and part not in PARTS:
        near = (
            f"write `:{part.lower()}`"
            if part.lower() in PARTS
            else "it is one of " + ", ".join(f"`:{known}`" for known in PARTS)
        )
        return Fault("flux-marker-suffix", f"Flux knows no part {':' + part!r}", near)
    return found["policy"], part or ""


def _why_not(source: Source, document: Document, scalar: Scalar) -> Fault | None:
    """Why a well-formed marker beside a scalar does nothing, by that scalar."""
    if not scalar.keys or isinstance(scalar.keys[0], int):
        return Fault(
            "flux-marker-root",
            "Flux changes nothing in a document that is a list or a single value",
            "put the value into a mapping",
        )
    if is_unset(scalar) and scalar.style == "plain":
        return Fault(
            "flux-marker-null", "the value is null, which Flux does not replace", 'write `""`'
        )
    if MARK not in source.text:
        return Fault(
            "flux-marker-old",
            "Flux reads this old form only in a file that also has the new one",
            _WRITE,
        )
    if reason := obstacle(document, scalar):
        return Fault("flux-marker-unwritable", reason, "write the value on one line of its own")
    if holds_variable(scalar.text):
        return Fault("flux-marker-variable", f"{scalar.text!r} holds a variable", "write the value")
    return None


def _label(document: Document, keys: KeyPath) -> str:
    """What people call a scalar: `HelmRelease/web spec.values.image.tag`."""
    kind, name = document.text("kind"), document.text("metadata", "name")
    path = ".".join(str(key) for key in keys)
    owner = f"{kind}/{name}" if kind and name else kind
    return f"{owner} {path}".strip()


class _Owners:
    """Finds the scalar that a comment at the end of its line speaks of."""

    def __init__(self, source: Source) -> None:
        self._text = source.text
        found = sorted(
            (
                (scalar.start, scalar.end, document, scalar)
                for document in source.documents
                for scalar in document.scalars
                if not scalar.alias
            ),
            key=lambda item: item[:2],
        )
        self._found = found
        self._starts = [item[0] for item in found]

    def covers(self, at: int) -> bool:
        """Whether a character is inside a scalar, and so in no comment."""
        position = bisect_right(self._starts, at) - 1
        if position < 0:
            return False
        start, end, _, scalar = self._found[position]
        if scalar.style in ("literal", "folded"):
            start = self._text.find("\n", start)
        return start <= at < end

    def before(self, at: int) -> tuple[Document, Scalar] | Fault:
        """The scalar that ends last before a comment on its line, or what stands there instead."""
        begin = self._text.rfind("\n", 0, at) + 1
        lead = self._text[begin:at]
        if not lead.strip():
            return Fault(
                OWN_LINE,
                "the marker stands on a line of its own",
                "put it at the end of the value's line",
            )
        block = self._block(begin, at)
        if block:
            return block
        position = bisect_right(self._starts, at) - 1
        if position >= 0:
            _, end, document, scalar = self._found[position]
            between = self._text[end:at]
            if begin <= end <= at and not between.strip(" \t,"):
                return document, scalar
            if begin <= end <= at and set(between) & set("]}"):
                return Fault(
                    "flux-marker-bracket",
                    "the marker stands behind a closing bracket",
                    "write the value on a line of its own, with the marker behind it",
                )
        return Fault(
            "flux-marker-key-line",
            "the marker stands behind a key or a bracket, not behind a value",
            "put it at the end of the value's line",
        )

    def _block(self, begin: int, at: int) -> tuple[Document, Scalar] | None:
        """The block scalar whose `|` or `>` stands before the comment."""
        first = bisect_right(self._starts, begin - 1)
        for start, _, document, scalar in self._found[first:]:
            if start >= at:
                break
            header = _HEADER.match(self._text, start)
            if scalar.style in ("literal", "folded") and header and header.end() == at:
                return document, scalar
        return None
