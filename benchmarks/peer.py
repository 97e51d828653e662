"""A registry in a process of its own, so that it shares no interpreter lock with its client.

Run as a module it serves, and answers each line on its input with the requests it got since.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from imagebot.registry.images import make_image
from imagebot.registry.server import EmbeddedRegistry
from imagebot.registry.server_disk import Directory, SavedRepository


@dataclass(frozen=True)
class Peer:
    """A running registry: `images` repositories `acme/app-0000`... with the same tags each."""

    host: str
    process: subprocess.Popen[str]

    def requests(self) -> dict[str, int]:
        """How many requests each path got since this was asked last."""
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write("requests\n")
        self.process.stdin.flush()
        found: dict[str, int] = json.loads(self.process.stdout.readline())
        return found


@contextmanager
def serving(images: int, tags: int) -> Iterator[Peer]:
    """Start a registry with images `1.0.0`, `1.0.1`... and end it after the block."""
    command = [sys.executable, "-m", "benchmarks.peer", str(images), str(tags)]
    root = Path(__file__).parents[1]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, cwd=root, text=True, **pipes) as process:  # type: ignore[call-overload]
        try:
            yield Peer(process.stdout.readline().strip(), process)
        finally:
            process.stdin.close()
            process.wait()


def fill(folder: Path, images: int, tags: int) -> None:
    """Write a registry's directory: pushing a million tags one by one would take minutes."""
    directory = Directory(folder)
    image = make_image(platforms=("linux/amd64",), created="2026-01-05T09:00:00Z", index=False)
    manifest = image.manifests[0]
    for part in (*image.blobs, manifest):
        directory.write_content(part.digest, part.body)
    saved = SavedRepository(
        blobs=[blob.digest for blob in image.blobs],
        manifests={manifest.digest: manifest.media_type},
        tags={f"1.{n // 100}.{n % 100}": manifest.digest for n in range(tags)},
    )
    for number in range(images):
        directory.write_repository(f"acme/app-{number:04}", saved)


def main(images: int, tags: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        fill(Path(folder), images, tags)
        with EmbeddedRegistry(directory=Path(folder)) as registry:
            print(registry.host, flush=True)
            for _ in sys.stdin:
                seen: dict[str, int] = {}
                asked, registry.requests = registry.requests, []
                for _, target in asked:
                    path = target.partition("?")[0]
                    seen[path] = seen.get(path, 0) + 1
                print(json.dumps(seen), flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
