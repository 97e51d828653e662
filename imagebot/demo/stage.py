"""Sets the stage: images in a registry, a repository that runs older ones, an operator's file.

Everything is real and on this machine: a registry on a loopback port, a bare git repository.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from imagebot.config.operator import Operator, load_operator
from imagebot.demo.sample import APP, sample_files
from imagebot.gitrepo.run import GitRunner, preflight
from imagebot.registry.server import EmbeddedRegistry

REPOSITORY = f"acme/{APP}"
PLATFORMS = ("linux/amd64", "linux/arm64")
RELEASES = ("1.4.0", "1.4.1", "1.4.2", "1.4.3", "1.5.0-rc.1", "1.5.0", "1.5.1")
OTHER_TAGS = ("latest", "main", "sha-4f1c9e2", "1.5.1-debug")
NEWER = "1.6.0"
EPOCH = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)


@dataclass(frozen=True)
class Stage:
    """The demo's registry, repository and operator."""

    registry: EmbeddedRegistry
    repository: Path
    operator: Operator

    def release(self, tag: str, age: int) -> None:
        """Push one more multi-platform image, built `age` weeks after the first."""
        created = EPOCH + timedelta(weeks=age)
        self.registry.put_image(
            REPOSITORY,
            tag,
            platforms=PLATFORMS,
            created=created.strftime("%Y-%m-%dT%H:%M:%SZ"),
            labels={
                "org.opencontainers.image.source": f"https://git.example.com/{REPOSITORY}",
                "org.opencontainers.image.revision": f"{age:02d}" * 20,
                "org.opencontainers.image.version": tag,
            },
            payload=f"{APP} {tag}\n".encode(),
            attestation=True,
        )


def build(folder: Path, registry: EmbeddedRegistry) -> Stage:
    """Fill the registry, make the repository, write the operator's file. Raises StartError."""
    preflight()
    repository = folder / "deploy.git"
    operator_file = folder / "imagebot.operator.yaml"
    operator_file.write_text(
        f"version: 1\n"
        f"workdir: {folder / 'work'}\n"
        f"repositories:\n"
        f"  - url: {repository}\n"
        f"    forge: {{kind: local}}\n",
        encoding="utf-8",
    )
    stage = Stage(
        registry, repository, load_operator(str(operator_file), operator_file.read_bytes())
    )
    for age, tag in enumerate((*RELEASES, *OTHER_TAGS)):
        stage.release(tag, age)
    make_repository(repository, sample_files(registry.host))
    return stage


def make_repository(bare: Path, content: Mapping[str, bytes]) -> None:
    """A bare repository whose branch main has one commit with these files."""
    if bare.exists():
        shutil.rmtree(bare)
    bare.mkdir(parents=True)
    git = GitRunner(directory=bare, home=bare)
    git.run(["init", "--quiet", "--bare", "--initial-branch=main", "."])
    git.run(["fast-import", "--quiet", "--done"], stdin=_first_commit(content))


def _first_commit(content: Mapping[str, bytes]) -> bytes:
    when = int(EPOCH.timestamp())
    message = b"Start the sample repository\n"
    lines = [
        b"feature done\n",
        b"commit refs/heads/main\n",
        f"committer platform team <platform@example.com> {when} +0000\n".encode(),
        b"data %d\n%s" % (len(message), message),
    ]
    for path, data in content.items():
        lines += [f"M 100644 inline {path}\n".encode(), b"data %d\n%s\n" % (len(data), data)]
    lines.append(b"done\n")
    return b"".join(lines)
