"""From the bytes of `.imagebot.yaml` to a Config, or to every problem in it.

Knows how shapes become compiled rules, and what is wrong between entries that are right alone. It
refuses to know where the bytes came from.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from imagebot.config.file import FileShape, ImageShape
from imagebot.config.glob import Glob
from imagebot.config.jsonschema import json_schema
from imagebot.config.settings import Config, Environment, NamedGroup, PullRequests, Rule
from imagebot.config.shape import in_order, label, validate
from imagebot.config.tree import Node, parse
from imagebot.errors import ConfigError, Problem
from imagebot.policy import compile_filter, compile_policy
from imagebot.policy.guards import parse_age

TITLE = "imagebot: .imagebot.yaml"


def load(path: str, data: bytes) -> Config:
    """Read a configuration file; `path` is for messages. Raises ConfigError with all problems."""
    node = parse(path, data)
    problems = [*_twice(node), *_never(node)]
    try:
        file = validate(FileShape, node)
    except ConfigError as error:
        problems += error.problems
    if problems:
        raise ConfigError(in_order(problems))
    return Config(
        paths=_globs(file.paths),
        rules=tuple(_rule(image) for image in file.images),
        environments=tuple(Environment(e.name, _globs(e.paths)) for e in file.environments),
        groups=tuple(NamedGroup(group.name, _globs(group.match)) for group in file.groups),
        pull_requests=PullRequests(file.pull_requests.labels, file.pull_requests.limit),
    )


def schema() -> dict[str, Any]:
    """The JSON Schema of `.imagebot.yaml`, draft-07."""
    return json_schema(FileShape, TITLE)


def _globs(texts: Iterable[str]) -> tuple[Glob, ...]:
    return tuple(Glob(text) for text in texts)


def _rule(image: ImageShape) -> Rule:
    tags = image.tags
    return Rule(
        match=Glob(image.match),
        policy=None if image.policy is None else compile_policy(image.policy),
        tag_filter=None if tags is None else compile_filter(tags.allow, tags.deny, tags.extract),
        allow_downgrade=image.allow_downgrade,
        enabled=image.enabled,
        minimum_age=None if image.minimum_age is None else parse_age(image.minimum_age),
        platforms=image.platforms,
        pin=image.pin,
        separate=image.separate,
        tag_list_shrink=image.tag_list_shrink,
        source=image.source,
        release=image.release,
    )


def _entries(node: Node, key: str) -> list[tuple[int, Mapping[str, Node]]]:
    """The mappings of a list, as they were written: the rest of the file may be wrong."""
    content = node.content.get(key) if isinstance(node.content, dict) else None
    items = content.content if content and isinstance(content.content, list) else []
    return [(n, item.content) for n, item in enumerate(items) if isinstance(item.content, dict)]


def _twice(node: Node) -> Iterator[Problem]:
    """Names that are used again: both would mean one branch."""
    for key in ("environments", "groups"):
        seen: dict[object, int] = {}
        for index, entry in _entries(node, key):
            name = entry["name"].content if "name" in entry else None
            first = seen.setdefault(name, index) if isinstance(name, str) else index
            if first != index:
                yield Problem(
                    node.at(key, index, "name"),
                    f"{label((key, index))}: {label((key, first))} has the name {name!r} too",
                    "give it another name, or put both in one entry",
                )


def _never(node: Node) -> Iterator[Problem]:
    """Settings that never count, because an earlier rule with the same match has them."""
    seen: dict[tuple[object, str], int] = {}
    for index, entry in _entries(node, "images"):
        match = entry["match"].content if "match" in entry else None
        if not isinstance(match, str):
            continue
        for key, value in entry.items():
            if key == "match" or value.content is None:
                continue
            first = seen.setdefault((match, key), index)
            if first != index:
                yield Problem(
                    node.at("images", index, key, key=True),
                    f"{label(('images', index, key))} never counts: {label(('images', first))} "
                    f"has the same match and sets {key!r} already",
                    "remove one of the two",
                )
