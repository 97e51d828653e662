"""`imagebot explain` where other updaters' objects govern the image."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from imagebot.registry.server import EmbeddedRegistry
from tests.support.govern import flux_policy

Run = Callable[..., Any]
POD = (
    "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec:\n  containers:\n  - name: c\n    image: "
)


@pytest.fixture
def clusters(tmp_path: Path, registry: EmbeddedRegistry) -> tuple[Path, str]:
    """Two clusters run the same tag under policies of one name that differ."""
    name = f"{registry.host}/acme/my-app"
    for cluster, wanted in (("a", "1.4.x"), ("b", "1.x")):
        folder = tmp_path / "repo" / "clusters" / cluster
        folder.mkdir(parents=True)
        policy = flux_policy("app", name, f'{{semver: {{range: "{wanted}"}}}}')
        (folder / "flux.yaml").write_text(policy)
        for file in ("one.yaml", "two.yaml"):
            text = f'{POD}{name}:1.4.1 # {{"$imagepolicy": "apps:app"}}\n'
            (folder / file).write_text(text)
    return tmp_path / "repo", name


def test_policies_of_one_name_each_have_their_election(
    clusters: tuple[Path, str], run: Run
) -> None:
    """Both choices are there, and the heading says which files each is for."""
    root, name = clusters
    text = " ".join(run("explain", name, root).out.split())
    found = json.loads(run("explain", name, root, "-o", "json").out)["elections"]

    assert [(one["chosen"], one["files"]) for one in found] == [
        ("1.4.2", ["clusters/a/one.yaml", "clusters/a/two.yaml"]),
        ("1.5.0", ["clusters/b/one.yaml", "clusters/b/two.yaml"]),
    ]
    for cluster in "ab":
        place = f"clusters/{cluster}/one.yaml and 1 more"
        assert f"{name}:1.4.1 (ImagePolicy apps/app, {place})" in text


def test_a_tag_that_is_named_stands_for_those_that_run(
    clusters: tuple[Path, str], run: Run
) -> None:
    """What governs the image in the files counts for that tag as well."""
    root, name = clusters
    found = json.loads(run("explain", f"{name}:1.4.2", root, "-o", "json").out)["elections"]

    assert [(one["current"], one["governedBy"], one["chosen"]) for one in found] == [
        ("1.4.2", "ImagePolicy apps/app", "1.4.2"),
        ("1.4.2", "ImagePolicy apps/app", "1.5.0"),
    ]


def test_a_tag_of_an_image_that_no_file_uses_follows_its_line(
    clusters: tuple[Path, str], tmp_path: Path, run: Run
) -> None:
    """Nothing governs it, so the default holds; no file is named."""
    _, name = clusters
    (tmp_path / "empty").mkdir()
    result = run("explain", f"{name}:1.4.2", tmp_path / "empty", "-o", "json")
    (one,) = json.loads(result.out)["elections"]

    assert (one["current"], one["governedBy"], one["files"]) == ("1.4.2", "", [])
    assert one["chosen"] == "2.0.0"
