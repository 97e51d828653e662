"""How long one election over 100,000 tags takes, beside a bare loop over the same list.

Run it with `python -m benchmarks.election [TAGS]`. The ratio says more than the seconds: the
bare loop moves with the machine as the election does.
"""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Callable, Mapping

from imagebot.policy import TagFilter, compile_filter, compile_policy, select

RUNS = 5


def versions(count: int) -> list[str]:
    """Version tags as registries hold them: releases, prereleases, variants; shuffled."""
    tags = [
        f"{'v' if n % 7 == 0 else ''}{n % 9}.{n // 9 % 100}.{n // 900}{suffix}"
        for n, suffix in zip(range(count), ("", "", "-rc.1", "", "-alpine") * count, strict=False)
    ]
    random.Random(7).shuffle(tags)  # noqa: S311  # a repeatable list, no secret
    return tags


def best_of(action: Callable[[], object]) -> float:
    """The shortest of a few runs, in seconds."""
    shortest = float("inf")
    for _ in range(RUNS):
        start = time.perf_counter()
        action()
        shortest = min(shortest, time.perf_counter() - start)
    return shortest


def elect(
    spec: Mapping[str, object], tags: list[str], chosen_filter: TagFilter | None, current: str
) -> float:
    """The seconds of one election."""
    policy = compile_policy(spec)
    return best_of(lambda: select(policy, tags, current=current, tag_filter=chosen_filter))


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    tags = versions(count)
    bare = best_of(lambda: {tag: tag for tag in tags if tag.startswith("1")})
    release = compile_filter(allow=(r"^v?\d+\.\d+\.\d+(-rc\.\d+)?$",))
    extract = compile_filter(allow=(r"^v?(?P<version>\d+\.\d+\.\d+)",), extract="$version")
    print(f"{count} tags; bare loop {bare:.4f} s")
    for label, spec, chosen_filter, current in (
        ("semver, RE2 filter", {"semver": ">=1.4 <8"}, release, "2.0.0"),
        ("semver, no filter", {"semver": ">=1.4 <8"}, None, "2.0.0"),
        ("semver, RE2 filter and extract", {"semver": ">=1.4 <8"}, extract, "2.0.0"),
        ("alphabetical", {"alphabetical": "asc"}, None, "2.0.0"),
        ("follow", {"follow": {}}, None, "2.0.0"),
    ):
        seconds = elect(spec, tags, chosen_filter, current)
        print(f"{label:32} {seconds:7.3f} s  {seconds / bare:7.1f} x the bare loop")


if __name__ == "__main__":
    main()
