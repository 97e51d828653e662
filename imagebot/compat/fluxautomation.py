"""Flux's automations of a repository: which of them carries a policy to a file.

Knows update paths, namespaces and policy selectors. It refuses to know what a policy says.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator

from imagebot.compat.folders import above
from imagebot.compat.values import Values, selects
from imagebot.errors import Where

_Numbered = tuple[int, Values]


class Automations:
    """Every ImageUpdateAutomation of a repository, by what it reaches."""

    def __init__(self, found: Iterable[Values]) -> None:
        """Keep them by update path and namespace; their order decides which one is named."""
        self._reach: dict[str, dict[str, list[_Numbered]]] = {}
        for number, item in enumerate(found):
            spaces = self._reach.setdefault(_update_path(item), {})
            spaces.setdefault(item.found.namespace, []).append((number, item))
        self._selected: dict[tuple[int, frozenset[tuple[str, str]]], bool] = {}
        self._stopped: dict[tuple[Where, str], str | None] = {}

    def stopped(self, policy: Values, path: str) -> str | None:
        """Why those that carry a policy to a file do nothing; empty when one does something.

        None where there are automations, but none that carries the policy there.
        """
        if not self._reach:
            return ""
        # An update path may be a file, so only where it is one does the file itself matter.
        place = path if path in self._reach else path.rpartition("/")[0]
        key = (policy.found.where, place)
        if key not in self._stopped:
            self._stopped[key] = self._judge(policy, path)
        return self._stopped[key]

    def _judge(self, policy: Values, path: str) -> str | None:
        labels = policy.pairs("metadata", "labels")
        found = sorted(self._reaching(policy.found.namespace, path), key=lambda item: item[0])
        carrying = [item for number, item in found if self._selects(number, item, labels)]
        if not carrying:
            return None
        if all(automation.flag("spec", "suspend") for automation in carrying):
            return f"{carrying[0]} is suspended"
        return ""

    def _reaching(self, namespace: str, path: str) -> Iterator[_Numbered]:
        """Those of a namespace; one that is not written may be any."""
        for place in (path, *above(path)):
            spaces = self._reach.get(place, {})
            for space in dict.fromkeys((namespace, "")) if namespace else spaces:
                yield from spaces.get(space, ())

    def _selects(self, number: int, automation: Values, labels: dict[str, str]) -> bool:
        key = (number, frozenset(labels.items()))
        if key not in self._selected:
            self._selected[key] = selects(automation, ("spec", "policySelector"), labels)
        return self._selected[key]


def _update_path(automation: Values) -> str:
    """A folder or a file from the root, which is an empty text."""
    clean = posixpath.normpath(automation.text("spec", "update", "path") or ".").lstrip("/")
    return "" if clean == "." else clean
