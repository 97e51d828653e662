"""From a policy's specification, as configured, to the policy.

Knows the names of policies and of their options. Refuses to know files and their syntax.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches

from imagebot.errors import PolicyError
from imagebot.imageref import is_tag
from imagebot.policy.alphabetical import Alphabetical
from imagebot.policy.base import Policy
from imagebot.policy.calendar import Calendar
from imagebot.policy.digest import Digest
from imagebot.policy.expand import compile_template
from imagebot.policy.filters import Pattern, compile_pattern
from imagebot.policy.follow import STEPS, Follow
from imagebot.policy.newest import Newest
from imagebot.policy.numerical import Numerical
from imagebot.policy.ranges import Range
from imagebot.policy.regex import READERS, Regex, SortKey
from imagebot.policy.semver import Semver

_HINT = "one of semver, calendar, numerical, alphabetical, newest, digest, regex, follow"


def compile_policy(spec: Mapping[str, object], *, strict: bool = False) -> Policy:
    """Compile a mapping of one policy name to its options. Raises PolicyError with a hint.

    `strict` makes semver read tags as Flux does: three parts or none.
    """
    if len(spec) != 1:
        raise PolicyError("a policy is a mapping of exactly one name", hint=_HINT)
    ((name, options),) = spec.items()
    if name == "semver":
        return _semver(options, strict=strict)
    build = _BUILDERS.get(name)
    if build is None:
        near = get_close_matches(str(name), ("semver", *_BUILDERS), n=1)
        raise PolicyError(
            f"there is no policy {name!r}", hint=f"did you mean {near[0]}?" if near else _HINT
        )
    return build(options)


def _semver(options: object, *, strict: bool) -> Policy:
    if isinstance(options, int | float):
        raise PolicyError(f"semver: {options!r} is a number", hint="put the range in quotes")
    fields = {"range": options} if isinstance(options, str) else _mapping(options, "semver")
    _known(fields, "semver", ("range", "prerelease"))
    text = fields.get("range")
    if not isinstance(text, str) or not text.strip():
        raise PolicyError("semver needs a version range", hint="'*' takes every release")
    opened = _flag(fields, "prerelease", "semver")
    return Semver(Range(text, prereleases=opened), strict)


def _descending(options: object, name: str) -> bool:
    fields = options if isinstance(options, Mapping) else {"order": options}
    _known(fields, name, ("order",))
    order = fields.get("order")
    folded = (order or "asc").lower() if isinstance(order, str | None) else ""
    if folded not in ("asc", "desc"):
        raise PolicyError(f"{name}: {order!r} is no order", hint="asc (the default) or desc")
    return folded == "desc"


def _alphabetical(options: object) -> Policy:
    return Alphabetical(_descending(options, "alphabetical"))


def _numerical(options: object) -> Policy:
    return Numerical(_descending(options, "numerical"))


def _calendar(options: object) -> Policy:
    _known(_mapping(options, "calendar"), "calendar", ())
    return Calendar()


def _newest(options: object) -> Policy:
    _known(_mapping(options, "newest"), "newest", ())
    return Newest()


def _digest(options: object) -> Policy:
    if not isinstance(options, str) or not is_tag(options):
        raise PolicyError("digest needs the tag to follow", hint="for example digest: latest")
    return Digest(options)


def _follow(options: object) -> Policy:
    fields = _mapping(options, "follow")
    _known(fields, "follow", ("suffixUpgrade", "prerelease", "step"))
    largest = fields.get("step", "major")
    if largest not in STEPS or not isinstance(largest, str):
        raise PolicyError(f"follow: {largest!r} is no step", hint="major, minor or patch")
    suffix = _flag(fields, "suffixUpgrade", "follow")
    return Follow(suffix, _flag(fields, "prerelease", "follow"), largest)


def _regex(options: object) -> Policy:
    fields = _mapping(options, "regex")
    _known(fields, "regex", ("pattern", "sort", "template", "as"))
    text = fields.get("pattern")
    if not isinstance(text, str) or not text:
        raise PolicyError("regex needs a pattern", hint="with named groups: ^b(?P<n>[0-9]+)$")
    pattern = compile_pattern(text)
    template, sort = fields.get("template"), fields.get("sort")
    if (template is None) == (sort is None) or (sort is not None and "as" in fields):
        raise PolicyError(
            "regex needs either sort or template",
            hint="sort: [group, ...], or template: '$major.$minor' with as: version",
        )
    if template is not None:
        return Regex(pattern, (_template_key(template, fields.get("as", "natural"), pattern),))
    if not isinstance(sort, Sequence) or isinstance(sort, str) or not sort:
        raise PolicyError("regex: sort is a list of groups", hint=f"of {sorted(pattern.names)}")
    return Regex(pattern, tuple(_sort_key(item, pattern) for item in sort))


def _template_key(template: object, reads: object, pattern: Pattern) -> SortKey:
    if not isinstance(template, str) or not template:
        raise PolicyError("regex: template is a text", hint="such as '$major.$minor'")
    compiled = compile_template(template, pattern.names, pattern.groups)
    return SortKey(compiled, template, _reader(reads))


def _sort_key(item: object, pattern: Pattern) -> SortKey:
    fields = item if isinstance(item, Mapping) else {"group": item}
    _known(fields, "regex.sort", ("group", "as", "order"))
    group = fields.get("group")
    if not isinstance(group, str) or group not in pattern.names:
        raise PolicyError(
            f"regex.sort: the pattern has no group {group!r}",
            hint=f"its named groups: {', '.join(sorted(pattern.names)) or 'none'}",
        )
    descending = _descending(fields.get("order"), "regex.sort")
    template = (pattern.names[group],)
    return SortKey(template, group, _reader(fields.get("as", "natural")), descending)


def _reader(name: object) -> str:
    if not isinstance(name, str) or name not in READERS:
        raise PolicyError(f"regex: {name!r} is no type", hint=f"one of {', '.join(READERS)}")
    return name


def _mapping(options: object, name: str) -> Mapping[str, object]:
    if options is None:
        return {}
    if not isinstance(options, Mapping):
        raise PolicyError(f"{name}: {options!r} is no mapping of options", hint=f"{name}: {{}}")
    return options


def _known(fields: Mapping[str, object], name: str, known: Sequence[str]) -> None:
    for field in fields:
        if field not in known:
            hint = f"its options: {', '.join(known)}" if known else "it has no options"
            raise PolicyError(f"{name} has no option {field!r}", hint=hint)


def _flag(fields: Mapping[str, object], field: str, name: str) -> bool:
    value = fields.get(field, False)
    if not isinstance(value, bool):
        raise PolicyError(f"{name}: {field} is true or false, not {value!r}")
    return value


_BUILDERS: Mapping[str, Callable[[object], Policy]] = {
    "alphabetical": _alphabetical,
    "numerical": _numerical,
    "numeric": _numerical,
    "calendar": _calendar,
    "newest": _newest,
    "digest": _digest,
    "regex": _regex,
    "follow": _follow,
}
