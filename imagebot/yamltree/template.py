"""Tells a text template from YAML that merely mentions one.

A file that a template engine renders first (Helm, Jinja) has no YAML structure to trust. Braces
in quotes, comments and block scalars are fine, and so are the few placeholders that Kubernetes
tools fill in at run time. It refuses to know any template's meaning.
"""

from __future__ import annotations

import re

MARK = "{{"
REASON = "the file is a template ({{ ... }} outside quotes), not plain YAML"

_AT_RUN_TIME = re.compile(
    r"\{\{\s*(?:\$(?:labels|value|externalLabels)\b"  # Prometheus rules
    r"|(?:workflow|inputs|outputs|steps|tasks|item|pod|retries)\b)"  # Argo Workflows
)
_LINE = re.compile(r"^[^#\"'\n]*\{\{", re.MULTILINE)


def in_plain(text: str) -> bool:
    """Whether the text of a plain scalar holds a placeholder that a template engine fills in."""
    return text.count(MARK) > len(_AT_RUN_TIME.findall(text))


def first_line(text: str) -> int:
    """The first line (from 1) with `{{` before any quote or `#`; 0 when there is none."""
    found = _LINE.search(text)
    return text.count("\n", 0, found.end()) + 1 if found else 0
