"""docs/deploy.md speaks of things that exist."""

from __future__ import annotations

import re

import yaml

from imagebot.daemon.service import DRAIN_SECONDS
from tests.kustomize import test_overlays as overlays

TEXT = (overlays.ROOT / "docs" / "deploy.md").read_text()


def test_every_path_exists() -> None:
    """Folders, files and links in the text are in the repository."""
    paths = set(re.findall(r"kustomize/(?:base|overlays|components)/[a-z/-]+[a-z]", TEXT))
    assert len(paths) >= 4
    assert all((overlays.ROOT / path).is_dir() for path in paths)
    links = re.findall(r"\]\(([^):]+)\)", TEXT)
    assert links
    assert all((overlays.ROOT / "docs" / link).exists() for link in links)


def test_secrets_have_the_names_that_are_mounted() -> None:
    """Who follows the commands makes exactly the secrets that the pods need."""
    made = set(re.findall(r"create secret \S+ (\S+)", TEXT))
    for environment in overlays.ENVIRONMENTS:
        (pod,) = overlays.pods(f"kustomize/overlays/{environment}/imagebot")
        assert {v["secret"]["secretName"] for v in pod["volumes"] if "secret" in v} == made


def test_examples_are_yaml_and_fit_the_overlays() -> None:
    """Argo CD and Flux are pointed at overlays that exist, in the namespace that they use."""
    blocks = [yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL)]
    application = next(b for b in blocks if b.get("kind") == "Application")
    folder = application["spec"]["source"]["path"]
    assert (
        overlays.objects(folder)[0]["metadata"]["namespace"]
        == application["spec"]["destination"]["namespace"]
    )
    flux = next(b for b in blocks if b.get("kind") == "Kustomization")
    assert flux["spec"]["path"].removeprefix("./") == folder


def test_numbers_are_those_of_the_code() -> None:
    """The base image, the oldest Kubernetes and the time to drain are told as they are."""
    base = re.search(r"^FROM (\S+)", (overlays.ROOT / "Dockerfile").read_text(), re.MULTILINE)
    assert base
    assert f"`{base[1]}`" in TEXT
    assert f"Kubernetes {overlays.OLDEST.removesuffix('.0')} " in TEXT
    assert f"up to {DRAIN_SECONDS:.0f} seconds" in TEXT
