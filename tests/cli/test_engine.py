"""Without any registry: tags come from the Docker Engine of this machine."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.dockerengine import DockerEngine, engine_image

Run = Callable[..., Any]

POD = b"""\
apiVersion: v1
kind: Pod
metadata: {name: my-app}
spec:
  containers:
    - name: my-app
      image: docker-daemon:my-app:1.0.0   # built here
      imagePullPolicy: Never
"""


def test_an_engines_image_is_kept_current(
    tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`docker-daemon:` uses take their tags from the engine; nobody else is asked."""
    file = tmp_path / "pod.yaml"
    file.write_bytes(POD)
    images = [engine_image(1, "my-app:1.0.0"), engine_image(2, "my-app:1.1.0", "other:9.0.0")]
    with DockerEngine(*images) as engine:
        monkeypatch.setenv("DOCKER_HOST", engine.base_url)

        assert run("apply", tmp_path).code == 0

    assert file.read_bytes() == POD.replace(b"my-app:1.0.0 ", b"my-app:1.1.0 ")


def test_an_engine_that_is_away_leaves_its_image_undecided(
    tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No engine, no evidence: exit code 3, and the reason names the socket."""
    (tmp_path / "pod.yaml").write_bytes(POD)
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/nobody.sock")

    result = run("plan", tmp_path)

    assert result.code == 3
    assert "nobody.sock" in result.out


def test_a_plain_name_can_be_asked_of_the_engine(
    tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a cluster can run has no prefix: a rule says that no registry serves it."""
    file = tmp_path / "pod.yaml"
    plain = POD.replace(b"docker-daemon:", b"")
    file.write_bytes(plain)
    (tmp_path / ".imagebot.yaml").write_text(
        "version: 1\nimages: [{match: my-app, source: docker-daemon}]\n", encoding="utf-8"
    )
    images = [engine_image(1, "my-app:1.0.0"), engine_image(2, "my-app:1.1.0")]
    with DockerEngine(*images) as engine:
        monkeypatch.setenv("DOCKER_HOST", engine.base_url)

        result = run("apply", tmp_path)

    assert result.code == 0
    assert file.read_bytes() == plain.replace(b"my-app:1.0.0 ", b"my-app:1.1.0 ")
