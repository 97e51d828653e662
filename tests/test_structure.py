"""The house stays tidy: sizes, docstrings, the drawn error tree, documented verbs and codes."""

from __future__ import annotations

import ast
import inspect
import re
import tomllib
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

import click
import pytest

from imagebot import errors
from imagebot.cli import VERBS

ROOT = Path(__file__).parents[1]
MODULES = sorted((ROOT / "imagebot").rglob("*.py"))
MAX_MODULE, MAX_FUNCTION = 400, 60


def functions(tree: ast.Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_can_be_read_in_one_sitting(path: Path) -> None:
    """No module over 400 lines, no function over 60, and each module says what it knows."""
    text = path.read_text(encoding="utf-8")
    tree = ast.parse(text)

    assert len(text.splitlines()) <= MAX_MODULE
    assert ast.get_docstring(tree)
    long = {f.name: (f.end_lineno or 0) - f.lineno + 1 for f in functions(tree)}
    assert {name: lines for name, lines in long.items() if lines > MAX_FUNCTION} == {}


def test_every_room_is_in_the_architecture() -> None:
    """The table of rooms has each top-level module and package, and no other, in layer order."""
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    table = re.findall(r"^\| `(\w+)/?` \|", page, re.MULTILINE)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    layers = project["tool"]["importlinter"]["contracts"][0]["layers"]
    rooms = [sorted(layer.split(" | ")) for layer in layers]

    assert sorted(table) == sorted(room for layer in rooms for room in layer)
    position = 0
    for layer in rooms:
        assert sorted(table[position : position + len(layer)]) == layer
        position += len(layer)


def test_the_drawn_error_tree_is_the_real_one() -> None:
    """The picture in the module's docstring names every class with its parent's depth and code."""
    drawn = {
        match[2]: (len(match[1]) // 4, int(match[3]))
        for match in re.finditer(r"^([│├└─ ]*)(\w+) +(\d+)\b", errors.__doc__ or "", re.MULTILINE)
    }
    real = {
        name: (len(cls.__mro__) - len(errors.ImagebotError.__mro__), cls.exit_code)
        for name, cls in inspect.getmembers(errors, inspect.isclass)
        if issubclass(cls, errors.ImagebotError)
    }

    assert drawn == real


def test_every_exit_code_is_documented() -> None:
    """The table of exit codes has every code that the program can give, and no other."""
    page = (ROOT / "docs" / "command-line.md").read_text(encoding="utf-8")
    documented = {int(code) for code in re.findall(r"^\| (\d+) \|", page, re.MULTILINE)}

    assert documented == {value for name, value in vars(errors).items() if name.startswith("EXIT_")}


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_and_option_is_documented(verb: str) -> None:
    """A verb's section (or the shared table) names each of its options."""
    page = (ROOT / "docs" / "command-line.md").read_text(encoding="utf-8")
    section = re.search(rf"^### `{verb}\b.*?(?=^### |\Z)", page, re.MULTILINE | re.DOTALL)
    assert section, f"{verb} has no section"
    shared = page[page.index("## Options that several") : page.index("## Verbs")]
    command: click.Command = import_module(f"imagebot.cli.{verb}").command

    missing = [
        name
        for parameter in command.params
        if isinstance(parameter, click.Option)
        for name in (*parameter.opts, *parameter.secondary_opts)
        if f"`{name}" not in section[0] and f"`{name}" not in shared
    ]
    assert missing == []


def test_verbs_load_no_heavy_package_for_help() -> None:
    """`--help` of any verb costs no HTTP, git, database or YAML library."""
    import subprocess
    import sys

    heavy = ["requests", "git", "sqlalchemy", "ruamel", "pydantic", "docker", "rich", "apscheduler"]
    script = (
        "import sys, importlib\n"
        f"for verb in {list(VERBS)!r}: importlib.import_module(f'imagebot.cli.{{verb}}')\n"
        f"print([name for name in {heavy!r} if name in sys.modules])"
    )
    found = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )

    assert found.stdout.strip() == "[]"
