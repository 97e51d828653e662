"""Flux's image policies of a repository: which one a marker means, and what it asks for.

Knows ImageRepository, ImagePolicy and ImageUpdateAutomation in all their versions. It refuses to
know markers, files and edits.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from imagebot.compat.fluxautomation import Automations
from imagebot.compat.folders import Nearest
from imagebot.compat.values import Values
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
    """Every Flux object of a repository.

    A repository of many clusters has as many objects of one name, so nothing here looks at all of
    them for one marker.
    """

    def __init__(self, found: Iterable[PolicyObject]) -> None:
        """Keep Flux's objects, and no others."""
        self._named: dict[tuple[str, str], list[Values]] = {}
        automations: list[Values] = []
        for item in found:
            if item.kind == "ImageUpdateAutomation":
                automations.append(Values(item))
            else:
                self._named.setdefault((item.kind, item.name), []).append(Values(item))
        self._automations = Automations(automations)
        self._nearest: dict[tuple[str, str], dict[str | None, Nearest]] = {}
        self._meant: dict[tuple[str, str, str], Values | str] = {}
        self._rules: dict[tuple[Where, Where | None], Governed] = {}

    def policy(self, name: str, path: str) -> Values:
        """The policy `namespace:name` for a file. Raises Unknown.

        Of several with that name, as clusters in one repository have them, the one in the
        nearest folder counts.
        """
        namespace, _, bare = name.partition(":")
        named = self._of("ImagePolicy", namespace, bare)
        key = (namespace, bare, named.folder(path))
        if key not in self._meant:
            self._meant[key] = _meant(named.below(key[2]), f"{namespace}/{bare}")
        meant = self._meant[key]
        if isinstance(meant, str):
            raise Unknown(meant)
        return meant

    def ruling(self, policy: Values, path: str) -> Ruling:
        """What a policy asks for in a file. Raises Unknown where no automation reaches it."""
        repository = self._repository(policy)
        reach = self._automations.stopped(policy, path)
        if reach is None:
            raise Unknown(f"no ImageUpdateAutomation applies {policy} to this file")
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
        return next(iter(named.below(named.folder(policy.path))), None)

    def _of(self, kind: str, namespace: str, name: str) -> Nearest:
        """Those with a name: of the namespace, else of none, which a kustomization fills in.

        A name without a namespace means those of every namespace where none is without.
        """
        if (kind, name) not in self._nearest:
            held = self._named.get((kind, name), [])
            spaces: dict[str, list[Values]] = {"": []}
            for item in held:
                spaces.setdefault(item.found.namespace, []).append(item)
            # Under None is what a name without a namespace means.
            self._nearest[kind, name] = {
                None: Nearest(spaces[""] or held),
                **{space: Nearest(items) for space, items in spaces.items()},
            }
        found = self._nearest[kind, name]
        return found.get(namespace or None, found[""])


def _meant(found: Sequence[Values], name: str) -> Values | str:
    """The one policy that is nearest, or why there is none."""
    if not found:
        return f"there is no ImagePolicy {name} among the files"
    if len({_content(policy) for policy in found}) > 1:
        places = " and ".join(str(policy.found.where) for policy in found[:2])
        return f"{places} are as near, and say different things"
    return found[0]


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


def _content(policy: Values) -> tuple[object, ...]:
    return tuple((setting.keys, setting.text) for setting in policy.found.settings)
