"""This repository keeps its own overlays current: its configuration fits its manifests."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
import yaml

from imagebot.config import environment_of, is_in_paths, load, settings_for
from imagebot.config.operator import load_operator
from imagebot.manifests.rewrite import edits_for
from imagebot.manifests.scan import is_candidate, scan_file
from imagebot.model import ImageUse
from imagebot.policy import select
from imagebot.yamltree.splice import splice
from tests.kustomize import test_overlays as overlays

ROOT = overlays.ROOT
CONFIG = load(".imagebot.yaml", (ROOT / ".imagebot.yaml").read_bytes())


def uses() -> list[ImageUse]:
    found = []
    for file in sorted((ROOT / "kustomize").rglob("*.yaml")):
        path = file.relative_to(ROOT).as_posix()
        if is_in_paths(CONFIG, path) and is_candidate(path):
            found += scan_file(path, file.read_bytes()).uses
    return found


def test_every_overlay_image_is_found_in_its_environment() -> None:
    """Six overlays, six images, each in the environment of its folder, each with a policy."""
    found = {(environment_of(CONFIG, use.path), use.image.repository.path) for use in uses()}
    assert found == {
        (env, f"acme/{app}") for env in overlays.ENVIRONMENTS for app in ("my-app", "imagebot")
    }
    assert len(uses()) == 6
    for use in uses():
        settings = settings_for(CONFIG, use.image.repository)
        assert settings.enabled
        assert settings.rules["policy"] in {0, 1}


def test_tags_are_quoted() -> None:
    """A tag like 1.10 must not become a number for kustomize."""
    for file in (ROOT / "kustomize").rglob("kustomization.yaml"):
        tags = re.findall(r"newTag: (.*)", file.read_text())
        assert all(re.fullmatch(r'"[^"]+"', tag) for tag in tags)


@pytest.mark.parametrize("app", ["my-app", "imagebot"])
@pytest.mark.parametrize("environment", overlays.ENVIRONMENTS)
def test_an_update_changes_one_line_and_builds(tmp_path: Path, environment: str, app: str) -> None:
    """The bot's edit of an overlay changes its tag alone, and kustomize renders the new image."""
    (use,) = [
        u for u in uses() if u.path == f"kustomize/overlays/{environment}/{app}/kustomization.yaml"
    ]
    chosen = select(
        settings_for(CONFIG, use.image.repository).policy,
        ["0.1.0", "0.2.0", "1.4.0", "1.4.9", "1.5.0-rc.1", "1.10.0", "2.0.0"],
        current=use.image.tag,
    ).chosen
    assert chosen == {"my-app": "1.10.0", "imagebot": "2.0.0"}[app]
    shutil.copytree(ROOT / "kustomize", tmp_path / "kustomize")
    file = tmp_path / use.path
    before = file.read_bytes()
    file.write_bytes(splice(use.path, before, edits_for(use, chosen, "")))
    changed = [
        pair
        for pair in zip(before.splitlines(), file.read_bytes().splitlines(), strict=True)
        if pair[0] != pair[1]
    ]
    assert len(changed) == 1
    folder = f"kustomize/overlays/{environment}/{app}"
    rendered = overlays.build.__wrapped__(str(tmp_path / folder))
    assert rendered == overlays.build(folder).replace(f"{app}:{use.image.tag}", f"{app}:{chosen}")
    assert rendered != overlays.build(folder)


@pytest.mark.parametrize("environment", overlays.ENVIRONMENTS)
def test_the_operator_file_in_the_config_map_is_valid(environment: str) -> None:
    """What is mounted can be read, names no secret in line, and points at what is mounted."""
    folder = f"kustomize/overlays/{environment}/imagebot"
    text = overlays.only(folder, "ConfigMap")["data"]["imagebot.operator.yaml"]
    operator = load_operator("/etc/imagebot/imagebot.operator.yaml", text.encode())
    (pod,) = overlays.pods(folder)
    mounts = {mount["mountPath"] for mount in pod["containers"][0]["volumeMounts"]}
    assert str(operator.folder) in mounts
    places = [secret.source.file for secret in operator.secrets()] + list(operator.docker_configs)
    assert places
    assert {str(Path(place).parent) for place in places} <= mounts
    ports = [p["containerPort"] for p in pod["containers"][0].get("ports", [])]
    assert ports in ([], [operator.serve.address[1]])


def test_secret_files_are_for_the_group_only() -> None:
    """Mounted secrets are not for every user of the container, or the bot would warn of them."""
    for environment in overlays.ENVIRONMENTS:
        for item in yaml.safe_load_all(
            overlays.build(f"kustomize/overlays/{environment}/imagebot")
        ):
            made = overlays.template(item)
            for volume in made["spec"]["volumes"] if made else []:
                if "secret" in volume:
                    assert volume["secret"]["defaultMode"] == 0o440
