"""What a run shares is wired as the operator's file says, and says at once what is wrong with it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from imagebot.config.operator import load_operator
from imagebot.cycle import Runner
from imagebot.demo.stage import make_repository
from imagebot.model import Cycle
from imagebot.wiring import Services
from tests.support.misbehaving import Misbehaving, Seen, Wire

USES = "images:\n- {{name: web, newName: '{0}/a/web', newTag: '1.0'}}\n- {{name: api, newName: '{0}/a/api', newTag: '1.0'}}\n"


@contextmanager
def stage(folder: Path, extra: str) -> Iterator[tuple[Services, Misbehaving]]:
    """A repository with two images of a registry that counts what it is asked."""

    def handle(seen: Seen, wire: Wire) -> None:
        name = seen.path.removeprefix("/v2/").removesuffix("/tags/list")
        wire.json({"name": name, "tags": ["1.0"]})

    with Misbehaving(handle) as registry:
        files = {"kustomization.yaml": USES.format(registry.netloc).encode()}
        make_repository(folder / "deploy.git", files)
        text = (
            f"version: 1\nworkdir: {folder / 'work'}\n{extra}\n"
            f"repositories: [{{url: '{folder / 'deploy.git'}', forge: {{kind: local}}}}]\n"
        )
        operator = load_operator(str(folder / "operator.yaml"), text.encode())
        with Services(operator, environment={}) as services:
            yield services, registry


def cycle(services: Services) -> Cycle:
    assert services.operator is not None
    return Runner(services, services.operator).one(services.operator.repositories[0])


@pytest.mark.parametrize("content", [None, "no certificates"])
def test_a_wrong_file_of_authorities_is_named_before_anything_is_fetched(
    tmp_path: Path, content: str | None
) -> None:
    """The message has the key and the path; the repository was not even cloned."""
    path = tmp_path / "authorities.pem"
    if content is not None:
        path.write_text(content)
    with stage(tmp_path, f"network: {{caFile: '{path}'}}") as (services, registry):
        seen = cycle(services)
        assert seen.problem.startswith(f"`network.caFile`: {path}")
        assert seen.exit_code == 4
        assert registry.seen == []
    assert not list((tmp_path / "work").glob("deploy-*"))


def test_a_broken_credential_file_ends_the_run_as_wrong_configuration(tmp_path: Path) -> None:
    """It is told once, with its place and exit code 2, not once an image as an undecided one."""
    path = tmp_path / "config.json"
    path.write_text("{bad")
    with stage(tmp_path, f"dockerConfigs: ['{path}']") as (services, registry):
        seen = cycle(services)
        assert seen.problem.count(str(path)) == 1
        assert seen.exit_code == 2
        assert registry.seen == []
        path.write_text("{}")
    with stage(tmp_path, f"dockerConfigs: ['{path}']") as (services, registry):
        assert not cycle(services).failed
        assert len(registry.seen) == 2
