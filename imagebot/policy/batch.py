"""One election from one JSON object to another: what `imagebot select --batch` does with a line.

Knows the shape of requests and replies. A request that makes no sense gets a reply that says
so; it never raises.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from imagebot.errors import PolicyError
from imagebot.policy.compiler import compile_policy
from imagebot.policy.election import select
from imagebot.policy.filters import TagFilter, compile_filter

_FIELDS = frozenset({"id", "policy", "filter", "tags", "current", "strict"})


def decide_line(obj: object) -> dict[str, Any]:
    """Answer `{"id", "policy", "filter", "tags", "current", "strict"}`.

    `filter` is null or `{"pattern", "extract"}`, read as Flux reads `filterTags`: an empty
    pattern matches everything. The reply has `id`, `chosen`, `error` and `dropped` (tag to
    reason).
    """
    identity = obj.get("id") if isinstance(obj, Mapping) else None
    try:
        request = _request(obj)
        policy = compile_policy(_policy(request), strict=request.get("strict") is True)
        chosen_filter, current = _filter(request), _current(request)
        selection = select(policy, request["tags"], current=current, tag_filter=chosen_filter)
    except PolicyError as error:
        return {"id": identity, "chosen": None, "error": str(error), "dropped": {}}
    error_text = selection.error
    if selection.chosen is None and error_text is None:
        error_text = selection.why
    return {
        "id": identity,
        "chosen": selection.chosen,
        "error": error_text,
        "dropped": dict(selection.dropped),
    }


def _request(obj: object) -> Mapping[str, Any]:
    if not isinstance(obj, Mapping):
        raise PolicyError(f"a request is an object, not {type(obj).__name__}")
    unknown = sorted(str(field) for field in obj if field not in _FIELDS)
    if unknown:
        raise PolicyError(f"a request has no field {', '.join(unknown)}", hint=_fields_hint())
    if not isinstance(obj.get("strict", False), bool):
        raise PolicyError("strict is true or false")
    tags = obj.get("tags")
    if not isinstance(tags, list) or not all(isinstance(tag, str) for tag in tags):
        raise PolicyError("tags is a list of texts")
    return obj


def _policy(obj: Mapping[str, Any]) -> Mapping[str, object]:
    """The policy's specification; `{"type": "semver", "range": ...}` is read as well."""
    spec = obj.get("policy")
    if not isinstance(spec, Mapping):
        raise PolicyError('policy is an object such as {"semver": ">=1.0"}')
    if isinstance(spec.get("type"), str):
        return {spec["type"]: {key: value for key, value in spec.items() if key != "type"}}
    return spec


def _current(obj: Mapping[str, Any]) -> str | None:
    current = obj.get("current")
    if current is not None and not isinstance(current, str):
        raise PolicyError("current is null or a tag")
    return current


def _filter(obj: Mapping[str, Any]) -> TagFilter | None:
    fields = obj.get("filter")
    if fields is None:
        return None
    if not isinstance(fields, Mapping) or not fields.keys() <= {"pattern", "extract"}:
        raise PolicyError('filter is null or an object of "pattern" and "extract"')
    pattern, extract = fields.get("pattern") or "", fields.get("extract") or ""
    if not isinstance(pattern, str) or not isinstance(extract, str):
        raise PolicyError("a filter's pattern and extract are texts")
    if not pattern and not extract:
        return None
    return compile_filter(allow=(pattern,), extract=extract)


def _fields_hint() -> str:
    return f"its fields: {', '.join(sorted(_FIELDS))}"
