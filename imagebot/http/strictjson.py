"""JSON as evidence: one meaning or none.

Python's parser takes NaN, keeps the last of two equal keys and lets numbers overflow to infinity.
Two readers of one text must never see two things, so this one refuses all of that.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from typing import Any

MAX_DEPTH = 64


class NotJson(ValueError):
    """The bytes are no JSON, or JSON with more than one meaning. The message says why."""


def parse_json(body: bytes) -> Any:
    """The value of a UTF-8 JSON text, at most 64 levels deep. Raises NotJson."""
    try:
        value = json.loads(
            body.decode("utf-8"),
            object_pairs_hook=_unique,
            parse_constant=_no_constant,
            parse_float=_finite,
        )
    except UnicodeDecodeError:
        raise NotJson("it is not UTF-8") from None
    except RecursionError:
        raise NotJson(f"it is nested deeper than {MAX_DEPTH} levels") from None
    except NotJson:
        raise
    except json.JSONDecodeError as error:
        raise NotJson(_looks_like(body) or f"{error.msg} at byte {error.pos}") from None
    except ValueError:
        # An integer of more than 4300 digits: Python refuses to convert it.
        raise NotJson("it holds a number that is too long") from None
    _check_depth(value)
    return value


def _looks_like(body: bytes) -> str:
    start = body[:256].lstrip().lower()
    if not start:
        return "it is empty"
    if start.startswith(b"<"):
        return "it looks like HTML or XML: a login page, a proxy or a captive portal?"
    return ""


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise NotJson("an object holds the same key twice")
    return result


def _no_constant(name: str) -> float:
    raise NotJson(f"{name} is no JSON number")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise NotJson("it holds a number that is too large")
    return number


def _check_depth(value: Any) -> None:
    level = [value] if isinstance(value, (dict, list)) else []
    for _ in range(MAX_DEPTH):
        if not level:
            return
        level = [
            child
            for parent in level
            for child in _children(parent)
            if isinstance(child, (dict, list))
        ]
    if level:
        raise NotJson(f"it is nested deeper than {MAX_DEPTH} levels")


def _children(parent: dict[str, Any] | list[Any]) -> Iterable[Any]:
    return parent.values() if isinstance(parent, dict) else parent
