"""What a repo's configuration means: which files, which rules for which image, which groups.

Values and questions about them; made by `imagebot.config.load`. It refuses to know YAML, files
and where a rule was written.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Literal

from imagebot.config.glob import Glob
from imagebot.imageref import Repository
from imagebot.policy import Policy, TagFilter, compile_policy

DEFAULT_LABELS = ("dependencies",)
DEFAULT_LIMIT = 10
DEFAULT_SHRINK = 50
DEFAULT_POLICY = compile_policy({"follow": {}})
"""Stay in the line of the running tag: what a policy is inferred to be when none is given."""

Step = Literal["major", "minor", "patch", "digest"]
"""How large an update is."""

Pin = Literal["tag", "digest", "tag@digest"]
"""Which parts of a reference are written."""

Source = Literal["registry", "docker-daemon"]
"""Who knows an image's tags: the registry that its name says, or a Docker Engine."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One entry of `images`. None means that the entry does not say."""

    match: Glob
    policy: Policy | None = None
    tag_filter: TagFilter | None = None
    allow_downgrade: bool | None = None
    enabled: bool | None = None
    minimum_age: int | None = None
    platforms: tuple[str, ...] | None = None
    pin: Pin | None = None
    separate: tuple[Step, ...] | None = None
    tag_list_shrink: int | None = None
    source: Source | None = None
    release: tuple[str, ...] | None = None

    def holds(self, repository: Repository) -> bool:
        """Whether the glob matches the repository's full or familiar name."""
        return _matches((self.match,), repository)


_RULED = tuple(key.name for key in fields(Rule) if key.name != "match")


@dataclass(frozen=True, slots=True)
class ImageSettings:
    """What holds for one image, merged from every rule that matches it.

    `rules` are the indexes (from 0) of the entries of `images` that gave a key its value, by key:
    the explanation of the others. A key that no rule sets is missing there. `minimum_age` is in
    seconds, `tag_list_shrink` in percent; no `pin` keeps the parts that are written.
    """

    policy: Policy
    tag_filter: TagFilter | None = None
    allow_downgrade: bool = False
    enabled: bool = True
    minimum_age: int = 0
    platforms: tuple[str, ...] = ()
    pin: Pin | None = None
    separate: tuple[Step, ...] = ()
    tag_list_shrink: int = DEFAULT_SHRINK
    source: Source = "registry"
    release: tuple[str, ...] = ()
    rules: dict[str, int] = field(default_factory=dict, hash=False)


@dataclass(frozen=True, slots=True)
class Environment:
    """A named set of paths. Environments are in the order of promotion."""

    name: str
    paths: tuple[Glob, ...]


@dataclass(frozen=True, slots=True)
class NamedGroup:
    """Images that travel in one pull request per environment."""

    name: str
    match: tuple[Glob, ...]

    def holds(self, repository: Repository) -> bool:
        """Whether any glob matches the repository's full or familiar name."""
        return _matches(self.match, repository)


@dataclass(frozen=True, slots=True)
class PullRequests:
    """How pull requests look, and how many may be open at once."""

    labels: tuple[str, ...] = DEFAULT_LABELS
    limit: int = DEFAULT_LIMIT


@dataclass(frozen=True, slots=True)
class Config:
    """A repo's configuration. The default watches every file and infers every policy.

    `allowed_paths` and `allowed_images` are the operator's limits, which the rest cannot widen.
    """

    paths: tuple[Glob, ...] = (Glob("**"),)
    rules: tuple[Rule, ...] = ()
    environments: tuple[Environment, ...] = ()
    groups: tuple[NamedGroup, ...] = ()
    pull_requests: PullRequests = PullRequests()
    allowed_paths: tuple[Glob, ...] = (Glob("**"),)
    allowed_images: tuple[Glob, ...] = (Glob("**"),)

    @classmethod
    def default(cls) -> Config:
        """What holds in a repo without a configuration file."""
        return cls()


def settings_for(config: Config, repository: Repository) -> ImageSettings:
    """What holds for an image: for every key, the first matching rule that sets it.

    An image that the operator does not allow is not enabled, whatever the rules say.
    """
    merged: dict[str, object] = {}
    origin: dict[str, int] = {}
    for index, rule in enumerate(config.rules):
        if not rule.holds(repository):
            continue
        for key in _RULED:
            value = getattr(rule, key)
            if value is not None and key not in merged:
                merged[key] = value
                origin[key] = index
    settings = ImageSettings(**{"policy": DEFAULT_POLICY, **merged}, rules=origin)  # type: ignore[arg-type]
    if _matches(config.allowed_images, repository):
        return settings
    return replace(settings, enabled=False)


def sourced(config: Config, repository: Repository) -> Repository:
    """The repository as it is to be asked for: of a Docker Engine where the rules say so."""
    if repository.engine or settings_for(config, repository).source == "registry":
        return repository
    return Repository("", repository.familiar, engine=True)


def environment_of(config: Config, path: str) -> str:
    """The first environment that a path belongs to, empty when it belongs to none."""
    for environment in config.environments:
        if any(glob.matches(path) for glob in environment.paths):
            return environment.name
    return ""


def is_in_paths(config: Config, path: str) -> bool:
    """Whether the configuration wants this file to be looked at (and changed)."""
    return all(
        any(glob.matches(path) for glob in globs) for globs in (config.paths, config.allowed_paths)
    )


def _matches(globs: Sequence[Glob], repository: Repository) -> bool:
    names = {str(repository), repository.familiar}
    if repository.engine:
        names.add(repository.path)
    return any(glob.matches(name) for glob in globs for name in names)
