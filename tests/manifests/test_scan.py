"""Which files are looked at, what counts as an image use, and that no file can stop a scan."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imagebot.errors import Where
from imagebot.manifests import scan as scan_module
from imagebot.manifests.scan import is_candidate, scan_file
from imagebot.model import FileScan, Skipped

YES = [
    "kustomization.yaml", "a/b/kustomization.yml", "Kustomization", "a/Kustomization", "x.yaml", "x.yml",
    "clusters/prod/web.yaml", ".argocd-source-web.yaml", ".config/x.yaml", "a.b.yaml", ".yaml", "git/x.yaml",
    "github/x.yaml", "ci/x.yaml", "a/.imagebot.d/x.yaml", "pipelines/x.yaml", "é😀/ x.yaml",
]  # fmt: skip
NO = [
    "kustomization", "x.json", "x.yaml.tpl", "x.YAML", "yaml", "x.Kustomization", "KUSTOMIZATION", "README.md", "", "/x.yaml",
    "../x.yaml", "a/../x.yaml", "./x.yaml", "a//x.yaml", "a\\x.yaml", ".git/x.yaml", "a/.git/x.yaml", ".GIT/x.yaml",
    ".github/workflows/x.yaml", "a/.github/x.yaml", ".gitlab-ci.yml", ".gitlab/x.yml", ".gitlab-ci/x.yaml", ".gitea/x.yaml",
    ".forgejo/workflows/x.yaml", ".circleci/config.yml", "a/.CircleCI/x.yml", ".buildkite/x.yml", ".tekton/x.yaml",
    ".woodpecker/x.yml", ".woodpecker.yml", ".drone.yml", ".travis.yml", "azure-pipelines.yml", "a/azure-pipelines.yml",
    "bitbucket-pipelines.yml", ".appveyor.yml", ".pre-commit-config.yaml", ".imagebot.yaml", "cloudbuild.yaml",
]  # fmt: skip


@pytest.mark.parametrize(
    ("path", "candidate"), [*((p, True) for p in YES), *((p, False) for p in NO)]
)
def test_files_are_chosen_by_name(path: str, candidate: object) -> None:
    """YAML and Kustomization files are candidates; git, CI, own and strange paths never are."""
    assert is_candidate(path) is candidate


def _pod(image: str, kind: str = "Pod") -> bytes:
    return f"apiVersion: v1\nkind: {kind}\nmetadata: {{name: p}}\nspec:\n  containers:\n  - {{name: c, image: {image}}}\n".encode()


@pytest.mark.parametrize(
    ("data", "uses"),
    [
        (_pod("a:1"), ["Pod/p container c = a:1"]),
        (_pod("a:1").replace(b"containers", b"initContainers"), ["Pod/p init container c = a:1"]),
        (_pod("a:1").replace(b"containers", b"ephemeralContainers"), ["Pod/p ephemeral container c = a:1"]),
        (_pod("docker-daemon:my-app:3"), ["Pod/p container c = docker-daemon:my-app:3"]),
        (_pod("localhost:5000/a:1"), ["Pod/p container c = localhost:5000/a:1"]),
        (_pod("a:1").replace(b"{name: p}", b"{}"), ["Pod container c = a:1"]),
        (_pod("a:1").replace(b"{name: p}", b"{generateName: p-}"), ["Pod container c = a:1"]),
        (_pod("a:1").replace(b"name: c, ", b""), ["Pod/p container 0 = a:1"]),
        (_pod("a:1", "CustomResourceDefinition"), []),
        (_pod("a:1").replace(b"kind: Pod", b"x: y"), []),
        (_pod("a:1").replace(b"apiVersion: v1", b"x: y"), []),
        (_pod("a:1").replace(b"containers", b"sidecars"), []),
        (_pod("a:1").replace(b"image", b"Image"), []),
        (b"apiVersion: v1\nkind: Pod\nspec: {image: 'a:1', container: {image: 'b:1'}, containers: {image: 'c:1'}}", []),
        (b"apiVersion: v1\nkind: Pod\ncontainers: [{x: {image: 'a:1'}}, image, [image]]", []),
        (b"- apiVersion: v1\n  kind: Pod\n  containers: [{image: 'a:1'}]", []),
        (b"kind: Kustomization\napiVersion: kustomize.config.k8s.io/v1beta1\nimages: [{name: a, newTag: v1}]", ["images[0] a = a:v1"]),
        (b"kind: Component\napiVersion: kustomize.config.k8s.io/v1alpha1\nimages: [{name: a, newTag: v1}]", ["images[0] a = a:v1"]),
        (b"kind: Kustomization\napiVersion: kustomize.toolkit.fluxcd.io/v1\nimages: [{name: a, newTag: v1}]", []),
        (b"images: [{name: a, newTag: v1}]", []),
    ],
)  # fmt: skip
def test_uses_in_files_of_any_name(data: bytes, uses: list[str]) -> None:
    """Containers of resources and kustomizations by their kind; nothing that only looks alike."""
    scan = scan_file("x.yaml", data)
    assert [f"{use.label} = {use.image}" for use in scan.uses] == uses
    assert scan.skipped == ()


def test_a_use_says_where_and_what_to_change() -> None:
    """Kind, file, line, column, slot and repository are those of the text."""
    (use,) = scan_file("a/x.yaml", _pod("ghcr.io/acme/web:1.2")).uses
    (slot,) = use.slots
    assert (use.kind, use.path, use.where) == ("workload", "a/x.yaml", Where("a/x.yaml", 6, 22))
    assert (slot.role, slot.document, slot.keys) == (
        "reference",
        0,
        ("spec", "containers", 0, "image"),
    )
    assert (slot.text, slot.where) == ("ghcr.io/acme/web:1.2", use.where)
    assert str(use.image.repository) == "ghcr.io/acme/web"


def test_a_kustomize_use_has_a_slot_for_each_part() -> None:
    """Tag and digest are scalars of their own, and the use stands where its version stands."""
    digest = "sha256:" + "a" * 64
    data = f"images:\n- name: a\n  digest: {digest}\n  newTag: v1\n".encode()
    (use,) = scan_file("kustomization.yaml", data).uses
    assert [(slot.role, slot.text, slot.where.line) for slot in use.slots] == [
        ("tag", "v1", 4),
        ("digest", digest, 3),
    ]
    assert (use.kind, use.where.line) == ("kustomize", 4)


@pytest.mark.parametrize(
    ("data", "line", "reason"),
    [
        (b"image: a\n\x00", 2, "NUL byte"),
        ("image: a".encode("utf-16"), 0, "UTF-16 (save it as UTF-8)"),
        (b"image: {{ .Values.image }}\n", 1, "template"),
        (b"image: [\n", 2, "not valid YAML"),
        (b"image: " + b"[" * 200_000, 1, "deeper than 100"),
        (b"image: a\nsops: {mac: x}\n", 2, "SOPS"),
        (b"image: a\n<<<<<<< HEAD\n", 2, "merge conflict"),
        (b"image: " + b"a" * (10 * 1024 * 1024), 0, "the limit is"),
    ],
)
def test_a_refused_file_is_one_skipped_file(data: bytes, line: int, reason: str) -> None:
    """The scan goes on: no use, one reason, at its place."""
    scan = scan_file("x.yaml", data)
    assert scan.uses == ()
    (skipped,) = scan.skipped
    assert reason in skipped.reason
    assert (skipped.where.path, skipped.where.line) == ("x.yaml", line)


def test_a_file_without_the_word_is_not_even_parsed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Most files of a repository cost one search of their bytes."""
    monkeypatch.setattr(scan_module, "load", None)
    assert scan_file("x.yaml", b"\x00 not: [yaml") == FileScan()
    assert scan_file("x.yaml", b"a" * (11 * 1024 * 1024)) == FileScan()


def test_documents_that_do_not_matter_are_not_read_in_a_large_file() -> None:
    """A use behind thousands of other documents is found at its own document and line, in time."""
    other = b"---\napiVersion: v1\nkind: Service\nmetadata: {name: web, labels: {a: b, c: d, e: f}}\nspec: {x: |\n}\n"
    other = other.replace(b"spec: {x: |\n}\n", b"spec:\n  x: |\n    --- y\n")
    data = other * 20_000 + b"---\n" + _pod("a:1") + b"---\n" + _pod("b:1", "Job")
    began = time.process_time()
    scan = scan_file("x.yaml", data)
    assert time.process_time() - began < 2
    assert [(use.label, use.slots[0].document, use.where.line) for use in scan.uses] == [
        ("Pod/p container c", 20_000, 140_007),
        ("Job/p container c", 20_001, 140_014),
    ]
    assert scan.skipped == ()


def test_a_large_file_is_refused_for_what_a_small_one_is() -> None:
    """Templates and encryption are seen in documents that hold no image, too."""
    filler = b"---\na: b\n" * 20_000
    for bad, reason in ((b"---\na: {{ x }}\n", "template"), (b"---\nsops: {mac: x}\n", "SOPS")):
        (skipped,) = scan_file("x.yaml", filler + bad + b"---\n" + _pod("a:1")).skipped
        assert reason in skipped.reason
        assert skipped.where.line == 40_002


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("image: a:1 # imagebot: ignore", "Pod/p container c: ignored by a comment"),
        (
            "image: a:1 # imagebot: ignore -- too new",
            "Pod/p container c: ignored by a comment: too new",
        ),
        (
            "image: 'a:1'  #imagebot:ignore too new ",
            "Pod/p container c: ignored by a comment: too new",
        ),
        ("image: a # imagebot: ignore", "Pod/p container c: no tag and no digest"),
        ("image: a:1 # imagebot: ignored", None),
        ("image: a:1 # see imagebot: ignore", None),
        ("image: 'a:1' # Imagebot: ignore", None),
    ],
)
def test_a_comment_takes_an_image_out(line: str, reason: str | None) -> None:
    """The exact marker on the image's line, with or without a reason; another comment does nothing."""
    data = f"apiVersion: v1\nkind: Pod\nmetadata: {{name: p}}\nspec:\n  containers:\n  - name: c\n    {line}\n".encode()
    scan = scan_file("x.yaml", data)
    assert (len(scan.uses), len(scan.skipped)) == ((0, 1) if reason else (1, 0))
    if reason:
        assert scan.skipped[0].reason.startswith(reason)
        assert scan.skipped[0].where.line == 7


@settings(deadline=None)
@given(
    st.sampled_from(["kustomization.yaml", "x.yaml"]),
    st.binary(max_size=40)
    | st.lists(
        st.sampled_from(
            ["image", "images", ": ", "- ", "\n", "  ", "containers", "name", "newTag", "newName", "digest", "a:1", "v1", "kind", "apiVersion",
             "{", "}", "[", "]", ", ", "&x ", "*x", "<<", "# imagebot: ignore", "~", "'", '"', "|\n", "---\n", "sha256:a", "@", "!!int "]
        ),
        max_size=30,
    ).map(lambda words: "".join(words).encode()),
)  # fmt: skip
def test_no_bytes_make_a_scan_raise(path: str, noise: bytes) -> None:
    """Whatever a file holds, the outcome is a scan with places in that file."""
    scan = scan_file(path, b"image: x\n" + noise)
    for found in (*scan.uses, *scan.skipped):
        assert found.where.path == path
        assert not isinstance(found, Skipped) or found.reason
    assert scan == scan_file(path, b"image: x\n" + noise)
