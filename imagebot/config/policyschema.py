"""What an editor should know of a policy: names, options, examples.

A description for people beside `imagebot.policy.compile_policy`, which decides. It refuses to
decide anything.
"""

from __future__ import annotations

from typing import Any

from imagebot.policy.regex import READERS

_DIRECTION: dict[str, Any] = {"enum": ["asc", "desc"], "description": "`asc`: the largest wins."}
_ORDER: dict[str, Any] = {
    "anyOf": [
        {"enum": ["asc", "desc"]},
        {
            "type": "object",
            "additionalProperties": False,
            "properties": {"order": _DIRECTION},
        },
        {"type": "null"},
    ]
}
_PRERELEASE: dict[str, Any] = {"type": "boolean", "description": "Whether prereleases take part."}
_TYPE: dict[str, Any] = {"enum": sorted(READERS), "description": "How it is compared."}


def _options(properties: dict[str, Any], **rest: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "additionalProperties": False,
        "properties": properties,
        **rest,
    }


POLICIES: dict[str, dict[str, Any]] = {
    "semver": {
        "description": "The highest version in a range, by semantic versioning.",
        "anyOf": [
            {"type": "string"},
            _options(
                {
                    "range": {"type": "string", "description": "Such as `>=1.4 <3`, `~1.4`, `*`."},
                    "prerelease": _PRERELEASE,
                },
                required=["range"],
            ),
        ],
        "examples": [">=1.4 <3", {"range": "~2.1", "prerelease": True}],
    },
    "calendar": {
        "description": "The latest date that a tag names.",
        "anyOf": [_options({}), {"type": "null"}],
        "examples": [{}],
    },
    "numerical": {
        "description": "The largest number (or the smallest, with `desc`).",
        **_ORDER,
        "examples": ["asc", {"order": "desc"}],
    },
    "alphabetical": {
        "description": "The last tag in the order of bytes (or the first, with `desc`).",
        **_ORDER,
        "examples": ["asc"],
    },
    "newest": {
        "description": "The image that was created last, by its own metadata.",
        "anyOf": [_options({}), {"type": "null"}],
        "examples": [{}],
    },
    "digest": {
        "description": "The digest that one tag points to now.",
        "type": "string",
        "examples": ["latest"],
    },
    "regex": {
        "description": "By parts of the tag that a pattern with named groups finds.",
        **_options(
            {
                "pattern": {"type": "string", "description": "RE2, with named groups."},
                "sort": {
                    "type": "array",
                    "minItems": 1,
                    "description": "Named groups, the most important first.",
                    "items": {
                        "anyOf": [
                            {"type": "string"},
                            _options(
                                {
                                    "group": {"type": "string", "description": "The group."},
                                    "as": _TYPE,
                                    "order": _DIRECTION,
                                },
                                required=["group"],
                            ),
                        ]
                    },
                },
                "template": {
                    "type": "string",
                    "description": "A text made of the groups, instead of `sort`.",
                },
                "as": _TYPE,
            },
            required=["pattern"],
        ),
        "examples": [{"pattern": "^b(?P<n>[0-9]+)$", "sort": ["n"]}],
    },
    "follow": {
        "description": "The newest tag written like the one that runs now. The default.",
        "anyOf": [
            _options(
                {
                    "suffixUpgrade": {
                        "type": "boolean",
                        "description": "Whether numbers in a suffix may rise (`-alpine3.19`).",
                    },
                    "prerelease": _PRERELEASE,
                    "step": {
                        "enum": ["major", "minor", "patch"],
                        "description": "The largest step that is taken at once.",
                    },
                }
            ),
            {"type": "null"},
        ],
        "examples": [{}, {"step": "minor"}],
    },
}

POLICY_SCHEMA: dict[str, Any] = {
    "type": "object",
    "additionalProperties": False,
    "minProperties": 1,
    "maxProperties": 1,
    "properties": POLICIES,
}
