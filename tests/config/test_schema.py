"""The JSON Schemas: current, understood by editors, and of one mind with the loader."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from imagebot.config import load, schema
from imagebot.config.jsonschema import DRAFT
from imagebot.config.operator import load_operator, operator_schema
from imagebot.config.policyschema import POLICIES
from imagebot.errors import ConfigError
from imagebot.policy import compile_policy
from tests.config.test_load import FULL
from tests.config.test_operator import FULL as OPERATOR

DOCS = Path(__file__).parents[2] / "docs"
SCHEMAS = {"imagebot.schema.json": schema, "imagebot.operator.schema.json": operator_schema}


def plain(text: bytes) -> Any:
    """The YAML of a test as JSON values."""
    from imagebot.config.tree import parse

    return json.loads(json.dumps(parse("t", text).plain()))


@pytest.mark.parametrize("name", SCHEMAS)
def test_the_published_schema_is_current(name: str) -> None:
    """What editors fetch is what the loader reads."""
    wanted = json.dumps(SCHEMAS[name](), indent=2) + "\n"
    assert (DOCS / name).read_text() == wanted, f"write the schema of this version to docs/{name}"


@pytest.mark.parametrize("name", SCHEMAS)
def test_the_schema_is_draft_07_without_references(name: str) -> None:
    """Editors know draft-07, which ignores what stands beside a $ref."""
    made = SCHEMAS[name]()
    assert made["$schema"] == DRAFT
    jsonschema.Draft7Validator.check_schema(made)
    assert "$ref" not in json.dumps(made)
    assert "$defs" not in json.dumps(made)


def keys(made: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every key of a schema with its path and its own schema."""
    for key, value in made.get("properties", {}).items():
        yield f"{path}{key}", value
        yield from keys(value, f"{path}{key}.")
        yield from keys(value.get("items", {}), f"{path}{key}[].")
    for choice in made.get("anyOf", ()):
        yield from keys(choice, path)


@pytest.mark.parametrize("name", SCHEMAS)
def test_every_key_is_described(name: str) -> None:
    """An editor has something to say about each key."""
    nameless = [path for path, value in keys(SCHEMAS[name]()) if not value.get("description")]
    assert nameless == []


def test_the_schemas_accept_what_the_loaders_accept() -> None:
    """The full examples are valid for both."""
    jsonschema.validate(plain(FULL), schema(), jsonschema.Draft7Validator)
    jsonschema.validate(plain(OPERATOR), operator_schema(), jsonschema.Draft7Validator)
    load("c", FULL)
    load_operator("o", OPERATOR)


@pytest.mark.parametrize(
    "text",
    [
        "version: 2",
        "version: 1\npathz: []",
        "version: 1\nimages: [{}]",
        "version: 1\nimages: [{match: a, enabled: 'yes'}]",
        "version: 1\nimages: [{match: a, policy: {semvr: x}}]",
        "version: 1\nimages: [{match: a, policy: {}}]",
        "version: 1\nimages: [{match: a, tags: {allow: 1}}]",
        "version: 1\npaths: []",
        "version: 1\npullRequests: {limit: 0}",
    ],
)
def test_the_schema_refuses_what_the_loader_refuses(text: str) -> None:
    """A red line in the editor and an error at run time tell the same mistake."""
    with pytest.raises(ConfigError):
        load("c", text.encode())
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(plain(text.encode()), schema(), jsonschema.Draft7Validator)


@pytest.mark.parametrize("name", POLICIES)
def test_every_policy_that_the_schema_names_exists(name: str) -> None:
    """Each example in the schema compiles, and is valid for the schema itself."""
    assert POLICIES[name]["examples"]
    for example in POLICIES[name]["examples"]:
        compile_policy({name: example})
        jsonschema.validate(example, POLICIES[name], jsonschema.Draft7Validator)


def test_the_schema_names_every_policy() -> None:
    """A policy that the compiler offers is one that editors complete."""
    with pytest.raises(Exception, match="exactly one name") as refused:
        compile_policy({})
    offered = refused.value.hint.removeprefix("one of ").split(", ")  # type: ignore[attr-defined]
    assert sorted(offered) == sorted(POLICIES)
