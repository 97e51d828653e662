"""What a repo wants (`.imagebot.yaml`), read from text to compiled rules.

The operator's file is in `imagebot.config.operator`. Reading files and asking git is for others.
"""

from __future__ import annotations

from typing import Any

from imagebot.config.find import find_config
from imagebot.config.settings import (
    Config,
    Environment,
    ImageSettings,
    NamedGroup,
    PullRequests,
    environment_of,
    is_in_paths,
    settings_for,
    sourced,
)

__all__ = [
    "Config",
    "Environment",
    "ImageSettings",
    "NamedGroup",
    "PullRequests",
    "environment_of",
    "find_config",
    "is_in_paths",
    "load",
    "schema",
    "settings_for",
    "sourced",
]


def load(path: str, data: bytes) -> Config:
    """Read a configuration file; `path` is for messages.

    Raises ConfigError with every problem, each with its line and column.
    """
    from imagebot.config import loading  # pydantic is loaded for those who read a file

    return loading.load(path, data)


def schema() -> dict[str, Any]:
    """The JSON Schema (draft-07) of `.imagebot.yaml`."""
    from imagebot.config import loading  # pydantic is loaded for those who read a file

    return loading.schema()
