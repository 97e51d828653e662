"""How long one election over 100,000 tags takes, beside a bare loop over the same list.

The bare loop picks by string prefix: it moves with the machine as the election does.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Mapping
from functools import partial

from benchmarks.measure import Figure, call, in_turns, table
from imagebot.policy import TagFilter, compile_filter, compile_policy, select

CASES: tuple[tuple[str, Mapping[str, object], TagFilter | None], ...] = (
    (
        "semver, RE2 filter",
        {"semver": ">=1.4 <8"},
        compile_filter(allow=(r"^v?\d+\.\d+\.\d+(-rc\.\d+)?$",)),
    ),
    ("semver", {"semver": ">=1.4 <8"}, None),
    (
        "semver, RE2 filter and extract",
        {"semver": ">=1.4 <8"},
        compile_filter(allow=(r"^v?(?P<version>\d+\.\d+\.\d+)",), extract="$version"),
    ),
    ("alphabetical", {"alphabetical": "asc"}, None),
    ("follow", {"follow": {}}, None),
)


def figures(*, tiny: bool = False, count: int = 100_000) -> list[Figure]:
    count, rounds = (100, 1) if tiny else (count, 5)
    tags = versions(count)

    def bare() -> object:
        return {tag: tag for tag in tags if tag.startswith("1")}

    found = []
    for name, spec, tag_filter in CASES:
        elect = partial(select, compile_policy(spec), tags, current="2.0.0", tag_filter=tag_filter)
        assert elect().chosen
        costs = in_turns(partial(call, elect), partial(call, bare), rounds)
        found.append(Figure(f"election, {count:,} tags: {name}", *costs))
    return found


def versions(count: int) -> list[str]:
    """Version tags as registries hold them: releases, prereleases, variants; shuffled."""
    tags = [
        f"{'v' if n % 7 == 0 else ''}{n % 9}.{n // 9 % 100}.{n // 900}{suffix}"
        for n, suffix in zip(range(count), ("", "", "-rc.1", "", "-alpine") * count, strict=False)
    ]
    random.Random(7).shuffle(tags)  # noqa: S311  # a repeatable list, no secret
    return tags


if __name__ == "__main__":
    print(table(figures(count=int(sys.argv[1]) if len(sys.argv) > 1 else 100_000)))
