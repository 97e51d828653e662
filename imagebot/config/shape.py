"""From a tree of values to a typed shape, with every mistake at once, each with its place.

Knows pydantic, and how to say its errors in plain words. It refuses to know which keys exist:
that is told by the shapes themselves.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    ValidationError,
    model_validator,
)
from pydantic.alias_generators import to_camel
from pydantic_core import ErrorDetails, PydanticCustomError

from imagebot.config.tree import Node
from imagebot.errors import ConfigError, ImagebotError, Problem

Path = tuple[str | int, ...]
S = TypeVar("S", bound="Shape")
V = TypeVar("V")


class Shape(BaseModel):
    """A mapping with known keys in camelCase. An empty value (`key:`) is a key not given."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        strict=True,
        alias_generator=to_camel,
        defer_build=True,
        hide_input_in_errors=True,
    )

    @model_validator(mode="before")
    @classmethod
    def _leave_out_nulls(cls, given: object) -> object:
        if not isinstance(given, dict):
            return given
        known = {field.alias for field in cls.model_fields.values()}
        return {key: value for key, value in given.items() if value is not None or key not in known}


def _as_list(given: object) -> object:
    return (given,) if isinstance(given, str) else given


OneOrMany = BeforeValidator(_as_list, json_schema_input_type=str | tuple[str, ...])
"""Lets a list of texts be written as one text."""


def _not_empty(given: object) -> object:
    if given == ():
        raise refuse("must not be an empty list")
    return given


NOT_EMPTY = BeforeValidator(_not_empty)
"""For lists. pydantic's own length counts valid items only, and so tells one mistake as two."""

_SAID: Mapping[str, str] = {
    "missing": "{key} is missing",
    "extra_forbidden": "unknown key {key}",
    "string_type": "must be text",
    "int_type": "must be a whole number",
    "bool_type": "must be true or false",
    "tuple_type": "must be a list",
    "dict_type": "must be a mapping",
    "model_type": "must be a mapping",
    "greater_than_equal": "must be at least {ge}",
    "less_than_equal": "must be at most {le}",
    "string_too_short": "must not be empty",
    "string_too_long": "must have at most {max_length} characters",
    "literal_error": "must be {expected}",
    "refused": "{message}",
}


def validate(shape: type[S], node: Node, context: Mapping[str, Any] | None = None) -> S:
    """The tree as a shape. Raises ConfigError with every problem, in the order of the file.

    `context` is what validators of the shape need to know beside the value.
    """
    try:
        return shape.model_validate(node.plain(), context=context)
    except ValidationError as error:
        found = [_problem(shape, node, details) for details in error.errors(include_url=False)]
    raise ConfigError(in_order(found))


def in_order(problems: Iterable[Problem]) -> list[Problem]:
    """Problems in the order of the file."""
    return sorted(problems, key=lambda p: (p.where.line, p.where.column, p.message))


def refusal(error: ImagebotError) -> PydanticCustomError:
    """One of imagebot's own errors, to be raised by a validator of a shape."""
    context = {"message": error.message, "hint": error.hint}
    return PydanticCustomError("refused", "{message}", context)


def refuse(message: str, hint: str = "") -> PydanticCustomError:
    """An error to be raised by a validator of a shape."""
    return PydanticCustomError("refused", "{message}", {"message": message, "hint": hint})


def checked(check: Callable[[V], object]) -> Callable[[V], V]:
    """A validator that keeps the value and passes on what `check` raises (ImagebotError)."""

    def validator(value: V) -> V:
        try:
            check(value)
        except ImagebotError as error:
            raise refusal(error) from error
        return value

    return validator


def written(pattern: str, words: str) -> AfterValidator:
    """A validator for text of a form: `words` tell people what `pattern` means."""
    expression = re.compile(pattern)

    def validator(text: str) -> str:
        if expression.search(text) is None:
            raise refuse(f"{text!r} is not allowed here", words)
        return text

    return AfterValidator(validator)


def near(word: str, words: list[str]) -> str:
    """`did you mean ...?`, or every possible word when none is near."""
    close = difflib.get_close_matches(word, words, n=1, cutoff=0.6)
    lower = {known.lower(): known for known in words}
    squeezed = word.lower().replace("-", "").replace("_", "")
    if squeezed in lower:
        close = [lower[squeezed]]
    return f"did you mean {close[0]!r}?" if close else f"known: {', '.join(words)}"


def label(path: Path) -> str:
    """`images[0].tags`: a path as people write it, counting from 0 as the index does."""
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
    return text.removeprefix(".")


def _problem(shape: type[Shape], node: Node, details: ErrorDetails) -> Problem:
    path: Path = details["loc"]
    kind = details["type"]
    context: dict[str, Any] = {**details.get("ctx", {}), "key": repr(path[-1]) if path else ""}
    said = _SAID.get(kind, details["msg"].lower().replace("{", "{{").replace("}", "}}"))
    message = said.format(**context)
    subject = path[:-1] if kind in {"missing", "extra_forbidden"} else path
    place = f"{label(subject)}: " if subject else ""
    where = node.at(*path, key=kind == "extra_forbidden")
    return Problem(where, place + message, _hint(shape, path, kind, context, details["input"]))


def _hint(
    shape: type[Shape], path: Path, kind: str, context: Mapping[str, Any], given: object
) -> str:
    if kind == "extra_forbidden":
        return near(str(path[-1]), keys_at(shape, path[:-1]))
    if kind == "string_type" and isinstance(given, bool | int | float):
        return "put it in quotes"
    if kind == "literal_error" and isinstance(given, str):
        return near(given, re.findall("'([^']+)'", str(context["expected"])))
    if kind in {"bool_type", "int_type"} and isinstance(given, str):
        return "without quotes"
    return str(context.get("hint", ""))


def keys_at(shape: type[Shape], path: Path) -> list[str]:
    """The keys that a shape knows at a path, in the order of their declaration."""
    found: type[Shape] | None = shape
    for step in path:
        if isinstance(step, str) and found is not None:
            fields = {field.alias: field.annotation for field in found.model_fields.values()}
            found = inner(fields.get(step))
    return [str(field.alias) for field in found.model_fields.values()] if found else []


def inner(annotation: object) -> type[Shape] | None:
    """The shape within an annotation such as `tuple[Shape, ...]` or `Shape | None`."""
    if isinstance(annotation, type) and issubclass(annotation, Shape):
        return annotation
    return next((found for part in get_args(annotation) if (found := inner(part))), None)
