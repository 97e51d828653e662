"""A registry with one image, a folder that runs an older tag, and the command line in process."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from imagebot import errors
from imagebot.cli import main
from imagebot.registry.server import EmbeddedRegistry

TAGS = ("1.4.1", "1.4.2", "1.5.0", "2.0.0", "latest", "1.6.0-rc.1")


@pytest.fixture
def registry() -> Iterator[EmbeddedRegistry]:
    with EmbeddedRegistry() as running:
        for tag in TAGS:
            running.put_image("acme/my-app", tag, platforms=["linux/amd64"])
        yield running


@pytest.fixture
def repo(tmp_path: Path, registry: EmbeddedRegistry) -> Path:
    overlay = tmp_path / "repo" / "overlays" / "production"
    overlay.mkdir(parents=True)
    (overlay / "kustomization.yaml").write_bytes(
        b"# production\r\nimages:\r\n  - name: my-app   # ours\r\n"
        b"    newName: " + registry.host.encode() + b"/acme/my-app\r\n"
        b"    newTag: '1.4.2'  # keep me\r\n"
    )
    return tmp_path / "repo"


@dataclass(frozen=True)
class Result:
    code: int
    out: str
    err: str


Run = Callable[..., Result]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Call a verb as the process would, errors turned into exit codes."""

    def call(*args: object) -> Result:
        try:
            code = main([str(arg) for arg in args])
            trouble = ""
        except errors.ImagebotError as error:
            code, trouble = error.exit_code, f"imagebot: {error}\n"
        captured = capsys.readouterr()
        return Result(code, captured.out, captured.err + trouble)

    return call
