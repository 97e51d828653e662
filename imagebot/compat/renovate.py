"""From Renovate's configuration to rules of `.imagebot.yaml`, as far as they mean the same.

Knows the keys that matter for container images. Everything else is told as not carried over, by
its name. It refuses presets: what they say is not in the repository.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from imagebot.compat import renovatematch as match
from imagebot.compat.discover import slug
from imagebot.compat.draft import Draft, is_sayable
from imagebot.config.glob import Glob
from imagebot.errors import PolicyError
from imagebot.policy import compile_filter, compile_policy

FILES = (
    "renovate.json",
    "renovate.json5",
    ".github/renovate.json",
    ".github/renovate.json5",
    ".gitlab/renovate.json",
    ".gitlab/renovate.json5",
    ".renovaterc",
    ".renovaterc.json",
    ".renovaterc.json5",
)
"""Where Renovate looks for its configuration, in its order."""

MAX_LIMIT = 500

_SILENT = frozenset({"$schema", "description", "packageRules", "extends", "ignoreDeps"})
_AGE = re.compile(r"(\d+)\s*(minute|min|m|hour|h|day|d|week|w)s?", re.IGNORECASE)
_LABEL = re.compile(r"[^,\x00-\x1f]{1,50}")
_SORTED = ("major", "minor", "patch", "build", "revision")
_NAMED = re.compile(r"\(\?<(?![=!])")
_EXACT_STEPS = {
    frozenset({"major"}): "minor",
    frozenset({"major", "minor"}): "patch",
}


def from_renovate(draft: Draft, path: str, held: object) -> None:
    """Add what a Renovate configuration says about images. `path` is for messages."""
    if not isinstance(held, Mapping):
        draft.missing.append(f"{path}: it is no mapping")
        return
    rules = held.get("packageRules")
    # Renovate's later rules win; here the first that matches does.
    numbered = list(enumerate(rules)) if isinstance(rules, list) else []
    for number, rule in reversed(numbered):
        if isinstance(rule, Mapping):
            _Rule(draft, f"{path}: packageRules[{number}]", rule).carry()
    ignored = held.get("ignoreDeps")
    for name in ignored if isinstance(ignored, list) else ():
        glob = match.glob(str(name))
        if glob:
            draft.rule(glob, enabled=False)
    _whole(draft, path, held)


def _whole(draft: Draft, path: str, held: Mapping[str, Any]) -> None:
    """The keys that hold for everything."""
    for key, value in held.items():
        if key == "labels":
            draft.labels = _labels(draft, path, value)
        elif key == "prConcurrentLimit":
            _limit(draft, path, value)
        elif key == "extends":
            draft.missing += [f"{path}: the preset {name!r}" for name in _texts(value)]
    keys = {key: value for key, value in held.items() if key not in ("labels", "prConcurrentLimit")}
    if keys.get("separateMajorMinor") is not False:
        keys["separateMajorMinor"] = True
    rest = {key: value for key, value in keys.items() if key not in _SILENT}
    _Rule(draft, path, rest, everywhere=True).carry()


def _labels(draft: Draft, path: str, value: object) -> list[str]:
    """The labels that can be set here; the draft tells the others."""
    held: list[str] = []
    for item in value if isinstance(value, list) else [value]:
        if isinstance(item, str) and _LABEL.fullmatch(item) and is_sayable(item):
            held.append(item)
        else:
            draft.missing.append(f"{path}: labels: {item!r} is no label that can be said here")
    return held


def _limit(draft: Draft, path: str, value: object) -> None:
    """How many requests may be open; Renovate's 0 is no limit."""
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        draft.limit = min(value, MAX_LIMIT) or MAX_LIMIT
    else:
        draft.missing.append(f"{path}: prConcurrentLimit: {value!r} is no limit")


class _Rule:
    """One mapping of settings: a package rule, or the configuration itself."""

    def __init__(
        self, draft: Draft, place: str, held: Mapping[str, Any], *, everywhere: bool = False
    ) -> None:
        self.draft, self.place, self.held = draft, place, dict(held)
        self.everywhere = everywhere
        self.keys: dict[str, Any] = {}
        self.tags: dict[str, list[str]] = {}

    def carry(self) -> None:
        """Add the rule to the draft, and what of it was left out."""
        names = ["**"] if self.everywhere else self._names()
        if not names:
            return
        steps = frozenset(_texts(self.held.pop("matchUpdateTypes", [])))
        if steps:
            self._by_step(steps)
        for key, value in self.held.items():
            if key in match.KEYS or key in _SILENT:
                continue
            carry = _CARRIED.get(key)
            problem = carry(self, value, names) if carry else "it has no counterpart here"
            if problem:
                self.miss(f"{key}: {problem}")
        if self.tags:
            self.keys["tags"] = self.tags
        if self.keys:
            for name in names:
                self.draft.rule(name, **self.keys)

    def _names(self) -> list[str]:
        """The globs of a package rule; none where it is not for images, or cannot be said."""
        found = match.matches(self.held)
        if found.images and found.problem:
            self.miss(found.problem)
        return found.globs if found.images and not found.problem else []

    def miss(self, what: str) -> None:
        """Say what was left out."""
        self.draft.missing.append(f"{self.place}: {what}")

    def _by_step(self, steps: frozenset[str]) -> None:
        """A rule for some sizes of update: only switching off the large ones can be said."""
        largest = _EXACT_STEPS.get(steps)
        if self.held.get("enabled") is False and largest:
            self.keys["policy"] = {"follow": {"step": largest}}
            self.held = {}
        else:
            names = ", ".join(sorted(steps))
            self.miss(f"rules for {names} updates alone have no counterpart here")
            self.held = {}

    def enabled(self, value: object, names: list[str]) -> str:
        """Whether images are kept current."""
        if self.everywhere and value is True:
            return ""
        return self._flag("enabled", value, names)

    def _flag(self, key: str, value: object, names: list[str]) -> str:
        del names
        if not isinstance(value, bool):
            return f"{value!r} is neither true nor false"
        self.keys[key] = value
        return ""

    def pin(self, value: object, names: list[str]) -> str:
        """Whether digests are written; without it, those that are written stay current."""
        del names
        if value is True:
            self.keys["pin"] = "tag@digest"
        return ""

    def age(self, value: object, names: list[str]) -> str:
        """How old an image must be."""
        del names
        if value is None:
            return ""
        found = _AGE.fullmatch(str(value).strip())
        if not found or not 0 < int(found[1]) < 10_000:  # noqa: PLR2004 - what an age may be here
            return f"{value!r} is no age that can be said here"
        self.keys["minimumAge"] = f"{int(found[1])}{found[2][0].lower()}"
        return ""

    def separate(self, value: object, names: list[str]) -> str:
        """Whether major updates have a pull request of their own: Renovate's default."""
        del names
        if value is True:
            self.keys["separate"] = ["major", *self.keys.get("separate", [])]
        return ""

    def minors(self, value: object, names: list[str]) -> str:
        """Whether minor updates have one too."""
        del names
        if value is True:
            self.keys["separate"] = [*self.keys.get("separate", []), "minor"]
        return ""

    def allowed(self, value: object, names: list[str]) -> str:
        """Which versions may be: a pattern of tags, or a range."""
        text = str(value).strip()
        pattern = re.fullmatch(r"(!?)/(.*)/(i?)", text, re.DOTALL)
        try:
            if pattern is None:
                compile_policy({"semver": text})
                if suffixed := self._suffixed(names):
                    return f"{suffixed} runs a tag with a suffix, which is a prerelease to semver"
                self.keys["policy"] = {"semver": text}
                return ""
            expression = f"(?i){pattern[2]}" if pattern[3] else pattern[2]
            compile_filter((expression,))
        except PolicyError as error:
            return str(error)
        self.tags["deny" if pattern[1] else "allow"] = [expression]
        return ""

    def _suffixed(self, names: list[str]) -> str:
        """An image that the rule is for and whose tag has a suffix such as `-alpine`."""
        globs = [Glob(name) for name in names]
        found = (image for image, tags in self.draft.seen.items() if "-" in tags)
        return next((image for image in found if any(g.matches(image) for g in globs)), "")

    def versioning(self, value: object, names: list[str]) -> str:
        """How tags are compared."""
        del names
        text = str(value)
        if text in ("docker", "semver", "semver-coerced"):
            if text != "docker":
                self.keys.setdefault("policy", {"semver": "*"})
            return ""
        kind, _, expression = text.partition(":")
        if kind != "regex":
            return f"there is no policy like {text!r}"
        expression = _NAMED.sub("(?P<", expression)
        groups = re.findall(r"\(\?P<(\w+)>", expression)
        order = [{"group": name, "as": "number"} for name in _SORTED if name in groups]
        spec = {"regex": {"pattern": expression, "sort": order}}
        if not order or {"prerelease", "compatibility"} & set(groups):
            return "groups for prereleases and compatibility have no counterpart in `regex`"
        try:
            compile_policy(spec)
        except PolicyError as error:
            return str(error)
        self.keys.setdefault("policy", spec)
        return ""

    def group(self, value: object, names: list[str]) -> str:
        """Images that travel together."""
        name = slug(str(value or ""))
        if not name:
            return ""
        held = self.draft.groups.setdefault(name, [])
        held += [glob for glob in names if glob not in held]
        return ""


def _texts(value: object) -> list[str]:
    if isinstance(value, str):
        return [value]
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []


_CARRIED: Mapping[str, Callable[[_Rule, object, list[str]], str]] = {
    "enabled": _Rule.enabled,
    "pinDigests": _Rule.pin,
    "minimumReleaseAge": _Rule.age,
    "stabilityDays": lambda rule, value, names: rule.age(f"{value} days", names),
    "separateMajorMinor": _Rule.separate,
    "separateMinorPatch": _Rule.minors,
    "allowedVersions": _Rule.allowed,
    "versioning": _Rule.versioning,
    "groupName": _Rule.group,
}
