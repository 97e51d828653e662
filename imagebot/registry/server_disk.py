"""Where an embedded registry keeps its content between runs: a directory of its own.

Content lies under `blobs/<algorithm>/<hex>`, the lists of a repository under
`repositories/<name>/_repository.json` (no repository name has a part that starts with `_`).
Files are replaced whole, content before lists, so that a crash leaves a readable registry.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from imagebot.errors import RegistryError

_LISTS = "_repository.json"


@dataclass(frozen=True, slots=True)
class SavedRepository:
    """The lists of one repository: blob digests, media types by manifest digest, tags."""

    blobs: Sequence[str]
    manifests: Mapping[str, str]
    tags: Mapping[str, str]


class Directory:
    """The files of one registry. One process at a time may write there."""

    def __init__(self, root: Path) -> None:
        self._contents = root / "blobs"
        self._repositories = root / "repositories"

    def write_content(self, digest: str, data: bytes) -> None:
        """Keep a blob or a manifest."""
        _replace(self._content(digest), data)

    def remove_content(self, digest: str) -> None:
        """Drop a blob or a manifest that no repository has any more."""
        self._content(digest).unlink(missing_ok=True)

    def write_repository(self, name: str, saved: SavedRepository) -> None:
        """Keep the lists of a repository."""
        _replace(self._repositories / name / _LISTS, json.dumps(asdict(saved)).encode())

    def contents(self) -> Iterator[tuple[str, bytes]]:
        """Every kept blob and manifest with its digest. Their bytes are yet to be checked."""
        for path in sorted(self._contents.glob("*/*")):
            if not path.name.endswith(".new"):
                yield f"{path.parent.name}:{path.name}", path.read_bytes()

    def repositories(self) -> Iterator[tuple[str, SavedRepository]]:
        """Every repository with its lists. Raises RegistryError for a file that is none."""
        for path in sorted(self._repositories.rglob(_LISTS)):
            name = path.parent.relative_to(self._repositories).as_posix()
            try:
                yield name, SavedRepository(**json.loads(path.read_bytes()))
            except (ValueError, TypeError) as error:
                raise RegistryError(f"{path} holds no registry's lists") from error

    def _content(self, digest: str) -> Path:
        algorithm, _, encoded = digest.partition(":")
        return self._contents / algorithm / encoded


def _replace(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f"{path.name}.new")
    new.write_bytes(data)
    new.replace(path)
