"""Scanning a repository: remembered blobs are not read again, and memory is never trusted blindly."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from imagebot.config import Config
from imagebot.gather import scan_repository
from imagebot.views import Entry

USE = b"images:\n  - name: web\n    newTag: '1.0'\n"
NONE = b"resources: [a.yaml]\n"


class Files:
    """A view of files in memory that notes which were read."""

    def __init__(
        self, files: Mapping[str, bytes], refused: Mapping[str, str] | None = None
    ) -> None:
        self.files = files
        self.refused = refused or {}
        self.reads: list[str] = []

    def entries(self) -> Iterable[Entry]:
        yield from (Entry(path, f"blob of {text!r}") for path, text in self.files.items())
        yield from (Entry(path, "link", why) for path, why in self.refused.items())

    def read(self, entries: Sequence[Entry]) -> Mapping[str, bytes]:
        self.reads += [entry.path for entry in entries]
        return {
            entry.path: self.files[entry.path]
            for entry in entries
            if self.files[entry.path] != b"huge"
        }


class Memory:
    """Scans in memory, as a state keeps them."""

    def __init__(self) -> None:
        self.rows: dict[str, tuple[str, str]] = {}
        self.writes = 0

    def recall_scans(self, repo_key: str, version: int) -> Mapping[str, tuple[str, str]]:
        return self.rows

    def remember_scans(
        self, repo_key: str, version: int, rows: Mapping[str, tuple[str, str]]
    ) -> None:
        self.rows = dict(rows)
        self.writes += 1


A, B = "a/kustomization.yaml", "b/kustomization.yaml"


def test_an_unchanged_repository_is_not_read_again() -> None:
    """The second scan reads no file, gives the same result, and writes no memory."""
    memory = Memory()
    first = scan_repository(Files({A: USE, B: NONE}), Config.default(), memory, "r")
    again = Files({A: USE, B: NONE})
    second = scan_repository(again, Config.default(), memory, "r")

    assert first == second
    assert list(first) == [A]
    assert again.reads == []
    assert memory.writes == 1


def test_a_changed_file_is_read_and_a_gone_one_forgotten() -> None:
    """Only what has another blob is read; memory holds what is there now."""
    memory = Memory()
    scan_repository(Files({A: USE, B: NONE}), Config.default(), memory, "r")
    changed = Files({A: USE.replace(b"1.0", b"2.0")})

    scans = scan_repository(changed, Config.default(), memory, "r")

    assert changed.reads == [A]
    assert scans[A].uses[0].image.tag == "2.0"
    assert set(memory.rows) == {A}


def test_a_damaged_memory_is_a_slow_one_and_no_error() -> None:
    """A row that cannot be read costs reading its file."""
    memory = Memory()
    scan_repository(Files({A: USE}), Config.default(), memory, "r")
    memory.rows = {A: (memory.rows[A][0], "{broken")}
    files = Files({A: USE})

    assert scan_repository(files, Config.default(), memory, "r")[A].uses
    assert files.reads == [A]


def test_what_may_not_be_read_is_named() -> None:
    """Links and files over the size cap are reported at their path, and never read."""
    files = Files({A: b"huge"}, refused={"c/deployment.yaml": "a symbolic link"})

    scans = scan_repository(files, Config.default())

    assert scans["c/deployment.yaml"].skipped[0].reason == "a symbolic link"
    assert "too large" in scans[A].skipped[0].reason
    assert "c/deployment.yaml" not in files.reads
