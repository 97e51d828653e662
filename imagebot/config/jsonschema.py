"""The JSON Schema (draft-07) of a shape, for editors: completion, descriptions, red lines.

Knows what pydantic generates and what draft-07 understands. It refuses to know single keys.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from imagebot.config.shape import Shape

DRAFT = "http://json-schema.org/draft-07/schema#"


def json_schema(shape: type[Shape], title: str) -> dict[str, Any]:
    """The schema of a shape. References are written out: draft-07 ignores their neighbours."""
    generated = shape.model_json_schema(by_alias=True, mode="validation")
    definitions = generated.pop("$defs", {})
    body = _plain(generated, definitions)
    return {"$schema": DRAFT, "title": title, **body}


def _plain(schema: Any, definitions: Mapping[str, Any]) -> Any:
    if isinstance(schema, list):
        return [_plain(item, definitions) for item in schema]
    if not isinstance(schema, dict):
        return schema
    merged = dict(schema)
    reference = merged.pop("$ref", None)
    if reference:
        merged = {**definitions[str(reference).rpartition("/")[2]], **merged}
    merged.pop("title", None)
    choices = merged.pop("anyOf", [])
    default = merged.get("default", ...)
    if default is None:
        choices = [choice for choice in choices if choice != {"type": "null"}]
    if default is None or default == [] or isinstance(default, dict):
        merged.pop("default")
    if len(choices) == 1:
        merged = {**choices[0], **merged}
        return _plain(merged, definitions)
    if choices:
        merged["anyOf"] = choices
    properties = merged.get("properties")
    if properties is not None:
        merged["properties"] = {
            key: _plain(value, definitions) for key, value in properties.items()
        }
    return {
        key: value if key == "properties" else _plain(value, definitions)
        for key, value in merged.items()
    }
