"""Flux's image policies of a repository: which one a marker means, and what it asks for.

Knows ImageRepository, ImagePolicy and ImageUpdateAutomation in all their versions. It refuses to
know markers, files and edits.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from imagebot.compat.values import Values, selects
from imagebot.errors import InvalidReference, PolicyError, Where
from imagebot.governing import Governed, PolicyObject
from imagebot.imageref import Repository, parse_repository
from imagebot.policy import compile_filter, compile_policy

DEFAULT_EXCLUSIONS = (r"^.*\.sig$",)

_POLICIES = (("semver", "range"), ("alphabetical", "order"), ("numerical", "order"))


@dataclass(frozen=True, slots=True)
class Ruling:
    """What holds for the values that name one policy.

    `name` and `repository` are those of the ImageRepository: empty and None when it is not among
    the files that are read. `digest` is Flux's digestReflectionPolicy.
    """

    governed: Governed
    name: str
    repository: Repository | None
    digest: str


class Unknown(Exception):
    """No single policy is meant. The message says why, in words."""


class Fleet:
    """Every Flux object of a repository."""

    def __init__(self, found: Iterable[PolicyObject]) -> None:
        """Keep Flux's objects, and no others."""
        self._named: dict[tuple[str, str], list[Values]] = {}
        self._automations: list[Values] = []
        for item in found:
            if item.kind == "ImageUpdateAutomation":
                self._automations.append(Values(item))
            else:
                self._named.setdefault((item.kind, item.name), []).append(Values(item))
        self._rules: dict[tuple[Where, Where | None], Governed] = {}

    def policy(self, name: str, path: str) -> Values:
        """The policy `namespace:name` for a file. Raises Unknown.

        Of several with that name, as clusters in one repository have them, the one in the
        nearest folder counts.
        """
        namespace, _, bare = name.partition(":")
        found = _near(self._of("ImagePolicy", namespace, bare), path)
        if not found:
            raise Unknown(f"there is no ImagePolicy {namespace}/{bare} among the files")
        if len({_content(policy) for policy in found}) > 1:
            places = " and ".join(str(policy.found.where) for policy in found[:2])
            raise Unknown(f"{places} are as near, and say different things")
        return found[0]

    def ruling(self, policy: Values, path: str) -> Ruling:
        """What a policy asks for in a file. Raises Unknown where no automation reaches it."""
        repository = self._repository(policy)
        reach = self._reach(policy, path)
        name = repository.text("spec", "image") if repository else ""
        parsed, fault = _parsed(name) if name else (None, "")
        key = (policy.found.where, repository.found.where if repository else None)
        if key not in self._rules:
            self._rules[key] = _rule(policy, repository)
        governed = self._rules[key]
        governed = replace(governed, stopped=reach or governed.stopped or fault)
        reflected = policy.text("spec", "digestReflectionPolicy") or "Never"
        return Ruling(governed, name, parsed, reflected)

    def _repository(self, policy: Values) -> Values | None:
        bare = policy.text("spec", "imageRepositoryRef", "name")
        namespace = policy.text("spec", "imageRepositoryRef", "namespace")
        named = self._of("ImageRepository", namespace or policy.found.namespace, bare)
        return next(iter(_near(named, policy.path)), None)

    def _of(self, kind: str, namespace: str, name: str) -> list[Values]:
        """Those with a name: of the namespace, else of none, which a kustomization fills in."""
        named = self._named.get((kind, name), [])
        exact = [item for item in named if item.found.namespace == namespace]
        return exact or [item for item in named if not (item.found.namespace and namespace)]

    def _reach(self, policy: Values, path: str) -> str:
        """Why the automations that reach a file do nothing; empty when one does something."""
        if not self._automations:
            return ""
        mine = [a for a in self._automations if _share(a.found.namespace, policy.found.namespace)]
        labels = policy.pairs("metadata", "labels")
        mine = [a for a in mine if selects(a, ("spec", "policySelector"), labels)]
        reaching = [a for a in mine if _covers(a.text("spec", "update", "path"), path)]
        if not reaching:
            raise Unknown(f"no ImageUpdateAutomation applies {policy} to this file")
        if all(automation.flag("spec", "suspend") for automation in reaching):
            return f"{reaching[0]} is suspended"
        return ""


def _rule(policy: Values, repository: Values | None) -> Governed:
    """What a policy asks for, wherever it does; the same for every file."""
    chosen, reads = _read(policy, repository)
    return Governed(
        by=str(policy),
        policy=chosen,
        strict=True,
        allow=reads[0],
        extract=reads[1],
        deny=reads[2],
        stopped=_suspended(policy, repository) or _uncompiled(chosen, reads),
    )


def _read(
    policy: Values, repository: Values | None
) -> tuple[tuple[str, str], tuple[tuple[str, ...], str, tuple[str, ...]]]:
    """The policy with its option; the allow pattern, extract and deny patterns of its filter."""
    chosen = next(
        (
            (name, policy.text("spec", "policy", name, option))
            for name, option in _POLICIES
            if policy.has("spec", "policy", name)
        ),
        ("", ""),
    )
    if chosen[0] in ("alphabetical", "numerical"):
        chosen = (chosen[0], chosen[1].lower() or "asc")
    pattern = policy.text("spec", "filterTags", "pattern")
    extract = policy.text("spec", "filterTags", "extract")
    deny: Sequence[str] = DEFAULT_EXCLUSIONS
    if repository and repository.has("spec", "exclusionList"):
        deny = repository.texts("spec", "exclusionList")
    return chosen, ((pattern or ".*",) if pattern or extract else (), extract, tuple(deny))


def _uncompiled(
    chosen: tuple[str, str], reads: tuple[tuple[str, ...], str, tuple[str, ...]]
) -> str:
    """Why a policy or its filter cannot be read, empty when it can."""
    allow, extract, deny = reads
    if not chosen[0]:
        return "it has no semver, alphabetical or numerical policy (an order left out needs `{}`)"
    try:
        compile_policy({chosen[0]: chosen[1]})
        compile_filter(allow, deny, extract)
    except PolicyError as error:
        return f"it cannot be read: {error}"
    return ""


def _suspended(policy: Values, repository: Values | None) -> str:
    for held in (policy, repository):
        if held and held.flag("spec", "suspend"):
            return f"{held} is suspended"
    return ""


def _parsed(name: str) -> tuple[Repository | None, str]:
    """A repository's name read as Flux reads it: without a scheme, a tag and a digest."""
    try:
        return parse_repository(name), ""
    except InvalidReference as error:
        return None, f"its ImageRepository's image is wrong: {error.message}"


def _near(found: Sequence[Values], path: str) -> list[Values]:
    """Those whose folder shares the most with a file's folder."""
    depths = [_shared(item.path, path) for item in found]
    return [
        item for item, depth in zip(found, depths, strict=True) if depth == max(depths, default=0)
    ]


def _shared(one: str, other: str) -> int:
    count = 0
    for a, b in zip(one.split("/")[:-1], other.split("/")[:-1], strict=False):
        if a != b:
            break
        count += 1
    return count


def _content(policy: Values) -> tuple[object, ...]:
    return tuple((setting.keys, setting.text) for setting in policy.found.settings)


def _share(one: str, other: str) -> bool:
    return one == other or not (one and other)


def _covers(folder: str, path: str) -> bool:
    """Whether an update path (a folder or a file, from the root) reaches a file."""
    clean = posixpath.normpath(folder or ".").lstrip("/")
    return clean in ("", ".", path) or path.startswith(f"{clean}/")
