"""Flux's image policies of a repository: which one a marker means, and what it asks for.

Knows ImageRepository, ImagePolicy and ImageUpdateAutomation in all their versions. It refuses to
know markers, files and edits.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from imagebot.compat.values import Values, selects
from imagebot.errors import InvalidReference, PolicyError
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
        by_kind: dict[str, list[Values]] = {}
        for item in found:
            by_kind.setdefault(item.kind, []).append(Values(item))
        self._policies = by_kind.get("ImagePolicy", [])
        self._repositories = by_kind.get("ImageRepository", [])
        self._automations = by_kind.get("ImageUpdateAutomation", [])

    def policy(self, name: str, path: str) -> Values:
        """The policy `namespace:name` for a file. Raises Unknown.

        Of several with that name, as clusters in one repository have them, the one in the
        nearest folder counts.
        """
        namespace, _, bare = name.partition(":")
        found = _near(_named(self._policies, namespace, bare), path)
        if not found:
            raise Unknown(f"there is no ImagePolicy {namespace}/{bare} among the files")
        if len({_content(policy) for policy in found}) > 1:
            places = " and ".join(str(policy.found.where) for policy in found[:2])
            raise Unknown(f"{places} are as near, and say different things")
        return found[0]

    def ruling(self, policy: Values, path: str) -> Ruling:
        """What a policy asks for in a file. Raises Unknown where no automation reaches it."""
        repository = self._repository(policy)
        chosen, reads = _read(policy, repository)
        stopped = self._reach(policy, path) or _suspended(policy, repository)
        name = repository.text("spec", "image") if repository else ""
        parsed, fault = _parsed(name) if name else (None, "")
        governed = Governed(
            by=str(policy),
            policy=chosen,
            strict=True,
            allow=reads[0],
            extract=reads[1],
            deny=reads[2],
            stopped=stopped or fault or _uncompiled(chosen, reads),
        )
        reflected = policy.text("spec", "digestReflectionPolicy") or "Never"
        return Ruling(governed, name, parsed, reflected)

    def _repository(self, policy: Values) -> Values | None:
        bare = policy.text("spec", "imageRepositoryRef", "name")
        namespace = policy.text("spec", "imageRepositoryRef", "namespace")
        named = _named(self._repositories, namespace or policy.found.namespace, bare)
        return next(iter(_near(named, policy.path)), None)

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


def _named(found: Iterable[Values], namespace: str, name: str) -> list[Values]:
    """Those with a name: of the namespace, else of none, which a kustomization fills in."""
    named = [item for item in found if item.found.name == name]
    exact = [item for item in named if item.found.namespace == namespace]
    return exact or [item for item in named if not (item.found.namespace and namespace)]


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
