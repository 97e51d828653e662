"""One thing in a file that a person should look at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from imagebot.errors import Where

Severity = Literal["error", "warning"]


@dataclass(frozen=True, slots=True)
class Finding:
    """What is wrong, where, and what to do about it.

    `id` is stable and short (`unquoted-tag`), so that reports can be filtered by it. An `error`
    breaks a build or changes what runs; a `warning` does nothing that its author meant.
    """

    id: str
    where: Where
    message: str
    fix: str
    severity: Severity
