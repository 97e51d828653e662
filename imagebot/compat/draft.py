"""A first `.imagebot.yaml`: what it should say, and its commented text.

Knows the format's keys and how they are best explained to a newcomer. It refuses to know where
its content comes from.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from imagebot.yamltree.plain import quote

Written = str | bool | int | Sequence[Any] | Mapping[str, Any]


@dataclass
class Draft:
    """What a configuration shall say. `rules` are entries of `images`, the first match first.

    `groups` maps names to globs, `environments` names to globs in the order of promotion, `seen`
    images to what runs of them. `source` says what it was made from; `missing` lists what could
    not be carried over.
    """

    source: str = "what lies in the repository"
    paths: list[str] = field(default_factory=list)
    rules: list[dict[str, Any]] = field(default_factory=list)
    environments: dict[str, list[str]] = field(default_factory=dict)
    groups: dict[str, list[str]] = field(default_factory=dict)
    labels: list[str] = field(default_factory=list)
    limit: int | None = None
    seen: dict[str, str] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)

    def rule(self, match: str, **keys: Any) -> None:
        """Add to the rule for a glob what no earlier rule for the same glob says."""
        held = next((rule for rule in self.rules if rule["match"] == match), None)
        if held is None:
            self.rules.append({"match": match, **keys})
            return
        for key, value in keys.items():
            held.setdefault(key, value)


def is_sayable(text: str) -> bool:
    """Whether a YAML file can hold a text. It cannot hold bytes of a name that are no UTF-8."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def render(draft: Draft) -> str:
    """The text of the file, with a comment for each part."""
    return "".join(f"{line}\n" for line in _lines(draft))


def _lines(draft: Draft) -> Iterator[str]:
    yield f"# What imagebot may change here, made by `imagebot init` from {draft.source}."
    yield "# `imagebot check` finds mistakes in it, `imagebot plan` shows what it leads to."
    yield "version: 1"
    if draft.paths:
        yield ""
        yield "# The files to look at. No other file is read or changed."
        yield f"paths: {_flow(draft.paths)}"
    yield ""
    yield from _rules(draft)
    if draft.environments:
        yield ""
        yield "# In the order of promotion. A pull request never mixes two of them."
        yield "environments:"
        for name, paths in draft.environments.items():
            yield f"  - {_flow({'name': name, 'paths': paths})}"
    if draft.groups:
        yield ""
        yield "# Images that travel in one pull request for each environment."
        yield "groups:"
        for name, globs in draft.groups.items():
            yield f"  - {_flow({'name': name, 'match': globs})}"
    requests: dict[str, Any] = {}
    if draft.labels:
        requests["labels"] = draft.labels
    if draft.limit is not None:
        requests["limit"] = draft.limit
    yield ""
    yield "# How pull requests look, and how many may be open at once."
    yield (
        f"pullRequests: {_flow(requests)}"
        if requests
        else ("# pullRequests: {labels: [dependencies], limit: 10}")
    )


def _rules(draft: Draft) -> Iterator[str]:
    yield "# Rules for images. For every key the first rule that matches and sets it wins. Where"
    yield "# none sets a policy, an image stays in the line of the tag that runs now."
    if draft.rules:
        yield "images:"
        for rule in draft.rules:
            first, *rest = rule.items()
            yield f"  - {first[0]}: {_flow(first[1])}"
            for key, value in rest:
                yield f"    {key}: {_flow(value)}"
    else:
        yield "#"
        yield "# images:"
        yield '#   - match: "ghcr.io/acme/*"'
        yield '#     policy: {semver: ">=1.4 <3"}'
    if draft.seen:
        yield "#"
        yield "# Images that run here now:"
        for image, tags in draft.seen.items():
            yield f"#   {_line(image)}: {_line(tags)}"


def _line(text: str) -> str:
    """Text for a comment: on one line, without what cannot be printed."""
    return "".join(character if character.isprintable() else "?" for character in text)


def _flow(value: Written) -> str:
    """A value in flow style; every text is quoted, so that it stays a text."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, str):
        plain = value.isprintable() and value.isascii() and "'" not in value and "\\" in value
        return f"'{value}'" if plain else quote(value)
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {_flow(item)}" for key, item in value.items()) + "}"
    return "[" + ", ".join(_flow(item) for item in value) + "]"
