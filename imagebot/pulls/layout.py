"""Parts of a text that give way to one another until the whole fits into a limit.

Knows items, weights and lengths. It refuses to know what the parts say.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Section:
    """A heading, items one a line, and an end. The lightest section gives up its items first."""

    head: str
    items: tuple[str, ...] = ()
    tail: str = ""
    weight: int = 0

    def render(self, count: int) -> str:
        """The section with its first `count` items, and a line that counts the others."""
        lines = [self.head, *self.items[:count]]
        if left := len(self.items) - count:
            lines.append(f"\n... and {left} more")
        return "\n".join([*lines, self.tail] if self.tail else lines)


def fit(sections: Sequence[Section], limit: int) -> str:
    """The sections with blank lines between, in at most `limit` characters.

    Items go from the lightest section first, then whole sections, lightest first.
    """
    shown = {index: section for index, section in enumerate(sections) if section.head}
    order = sorted(shown, key=lambda index: shown[index].weight)
    for index in order:
        if len(_joined(shown)) <= limit:
            break
        shown[index] = _shortened(shown, index, limit)
    for index in order:
        if len(_joined(shown)) <= limit:
            break
        del shown[index]
    return _joined(shown)


def _shortened(shown: dict[int, Section], index: int, limit: int) -> Section:
    """The section with as many items as still fit; by bisection, since bodies may be long."""
    section = shown[index]
    room = limit - len(_joined(shown)) + len(_whole(section))
    low, high = 0, len(section.items)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if len(section.render(middle)) <= room else (low, middle - 1)
    return replace(section, head=section.render(low), items=(), tail="")


def _whole(section: Section) -> str:
    return section.render(len(section.items))


def _joined(shown: dict[int, Section]) -> str:
    return "\n\n".join(_whole(shown[index]) for index in sorted(shown))
