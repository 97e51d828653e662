"""Reads the values of other updaters' objects: texts, switches, lists, and label selectors.

Knows how Kubernetes writes those things. It refuses to know what any of them is for.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from imagebot.errors import Where
from imagebot.governing import PolicyObject, Setting
from imagebot.model import KeyPath

_TRUE = frozenset({"true", "yes", "on", "y"})


@dataclass(frozen=True)
class Values:
    """One object, asked by key path."""

    found: PolicyObject

    @cached_property
    def _by_keys(self) -> Mapping[KeyPath, Setting]:
        return {setting.keys: setting for setting in self.found.settings}

    def __str__(self) -> str:
        """What people call it: `ImagePolicy flux-system/web`."""
        namespace = f"{self.found.namespace}/" if self.found.namespace else ""
        return f"{self.found.kind} {namespace}{self.found.name}"

    @property
    def path(self) -> str:
        """The file that holds it."""
        return self.found.where.path

    def text(self, *keys: str | int) -> str:
        """A value's text, empty when it is not set."""
        setting = self._by_keys.get(keys)
        return setting.text.strip() if setting else ""

    def where(self, *keys: str | int) -> Where:
        """The place of a value or of the first one below it, else the object's own."""
        under = (s.where for s in self.found.settings if s.keys[: len(keys)] == keys)
        return next(under, self.found.where)

    def flag(self, *keys: str | int) -> bool:
        """Whether a switch is on; YAML 1.1 has several words for it."""
        return self.text(*keys).lower() in _TRUE

    def has(self, *keys: str | int) -> bool:
        """Whether a value, or one below it, is set."""
        return any(setting.keys[: len(keys)] == keys for setting in self.found.settings)

    def indexes(self, *keys: str | int) -> list[int]:
        """The indexes of a list of mappings that have any value."""
        below = (s.keys[len(keys)] for s in self._below(keys))
        return list(dict.fromkeys(index for index in below if isinstance(index, int)))

    def texts(self, *keys: str | int) -> list[str]:
        """The texts of a list of texts."""
        return [s.text for s in self._below(keys) if len(s.keys) == len(keys) + 1]

    def pairs(self, *keys: str | int) -> dict[str, str]:
        """The texts of a mapping of texts."""
        return {str(s.keys[-1]): s.text for s in self._below(keys) if len(s.keys) == len(keys) + 1}

    def _below(self, keys: KeyPath) -> Iterator[Setting]:
        return (
            s
            for s in self.found.settings
            if len(s.keys) > len(keys) and s.keys[: len(keys)] == keys
        )


def selects(holder: Values, keys: KeyPath, labels: Mapping[str, str]) -> bool:
    """Whether the label selector at a key path holds for these labels; an absent one does.

    An operator that Kubernetes does not have selects nothing.
    """
    wanted = holder.pairs(*keys, "matchLabels")
    if any(labels.get(key) != value for key, value in wanted.items()):
        return False
    rules = (*keys, "matchExpressions")
    return all(_holds(holder, (*rules, index), labels) for index in holder.indexes(*rules))


def _holds(holder: Values, keys: KeyPath, labels: Mapping[str, str]) -> bool:
    label = labels.get(holder.text(*keys, "key"))
    values = holder.texts(*keys, "values")
    operator = holder.text(*keys, "operator")
    if operator == "In":
        return label in values
    if operator == "NotIn":
        return label not in values
    return {"Exists": label is not None, "DoesNotExist": label is None}.get(operator, False)
