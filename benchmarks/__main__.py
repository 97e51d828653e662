"""`python -m benchmarks [name...]`: every benchmark, or those named, as one table."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from importlib import import_module

from benchmarks.measure import Figure, table

NAMES = ("startup", "cold", "unchanged", "cycle", "branches", "scan", "election")


def main(args: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="name", help=", ".join(NAMES))
    parser.add_argument("--tiny", action="store_true", help="small sizes: does it still run?")
    options = parser.parse_args(args)
    unknown = [name for name in options.names if name not in NAMES]
    if unknown:
        parser.error(f"no such benchmark: {', '.join(unknown)}; there are {', '.join(NAMES)}")
    for name in options.names or NAMES:
        print(f"{name} ...", file=sys.stderr, flush=True)
        figures: Callable[..., list[Figure]] = import_module(f"benchmarks.{name}").figures
        print(table(figures(tiny=options.tiny)), flush=True)


if __name__ == "__main__":
    main()
