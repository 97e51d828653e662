"""The reference in docs/configuration.md is true: its keys, defaults and examples."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from imagebot.config import load, schema
from imagebot.config.operator import load_operator, operator_schema

TEXT = (Path(__file__).parents[2] / "docs" / "configuration.md").read_text()
REPO, OPERATOR = TEXT.split("\n## The operator's file", 1)
ROW = re.compile(r"^\| `([^`]+)` \| (.*?) \| (.+?) \|$", re.MULTILINE)
BLOCK = re.compile(r"```yaml\n# (\S+)\n(.*?)```", re.DOTALL)


def keys(made: dict[str, Any], path: str = "") -> Iterator[tuple[str, str, str]]:
    """Path, default and description of every key of a schema."""
    for key, value in made.get("properties", {}).items():
        default = f"`{json.dumps(value['default'])}`" if "default" in value else ""
        if key in made.get("required", ()):
            default = "required"
        yield f"{path}{key}", default, value["description"]
        items = value.get("items", {})
        for inner, prefix in [(value, f"{path}{key}."), (items, f"{path}{key}[].")]:
            yield from keys(inner, prefix)
            for choice in inner.get("anyOf", ()):
                yield from keys(choice, prefix)


@pytest.mark.parametrize(("text", "made"), [(REPO, schema()), (OPERATOR, operator_schema())])
def test_every_key_is_documented_as_it_is(text: str, made: dict[str, Any]) -> None:
    """Each key has a row with its default and meaning, and no row is of a key that is gone."""
    assert sorted(ROW.findall(text)) == sorted(keys(made))


@pytest.mark.parametrize(("name", "example"), BLOCK.findall(TEXT))
def test_every_example_loads(name: str, example: str) -> None:
    """What people copy works."""
    read = {".imagebot.yaml": load, "imagebot.operator.yaml": load_operator}[name]
    read(name, example.encode())


def test_there_are_examples() -> None:
    """The test above has something to read."""
    assert {name for name, _ in BLOCK.findall(TEXT)} == {".imagebot.yaml", "imagebot.operator.yaml"}


def test_the_errors_that_are_shown_are_real() -> None:
    """The messages in the introduction are what the loader says today."""
    shown = re.search(r"```console\n\$ imagebot check\n(.*?)```", TEXT, re.DOTALL)
    assert shown
    broken = b"version: 1\n\n\nimages:\n  - match: a\n    policy: {semvr: x}\n    tags: {}\n\n    enabled: yes\n"
    with pytest.raises(Exception, match="semvr") as raised:
        load(".imagebot.yaml", broken)
    assert str(raised.value) == shown[1].strip()
