"""Tolerant looks into a forge's JSON: what is missing or of another type is empty.

Refuses to know what any field means. What must be there is checked by its reader.
"""

from __future__ import annotations

from typing import Any


def at(data: Any, *keys: str) -> Any:
    """The value at a path of object keys, None where the path ends early."""
    for key in keys:
        data = data.get(key) if isinstance(data, dict) else None
    return data


def text(data: Any, *keys: str) -> str:
    """The string at a path, '' when there is none."""
    value = at(data, *keys)
    return value if isinstance(value, str) else ""


def number(data: Any, *keys: str) -> int:
    """The integer at a path, 0 when there is none."""
    value = at(data, *keys)
    return value if isinstance(value, int) and not isinstance(value, bool) else 0


def names(data: Any, *keys: str) -> tuple[str, ...]:
    """A list of strings, or of objects that have a `name`, as names."""
    value = at(data, *keys)
    items = value if isinstance(value, list) else []
    found = (item if isinstance(item, str) else text(item, "name") for item in items)
    return tuple(name for name in found if name)
