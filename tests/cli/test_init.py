"""`imagebot init`: a first configuration that loads, and says what it left out."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imagebot.compat.discover import discover
from imagebot.compat.draft import Draft, render
from imagebot.compat.renovate import from_renovate
from imagebot.config import environment_of, is_in_paths, load, settings_for
from imagebot.errors import Where
from imagebot.imageref import parse, parse_repository
from imagebot.model import FileScan, ImageUse
from imagebot.registry.server import EmbeddedRegistry
from tests.support.govern import flux_policy

Run = Callable[..., Any]
POD = (
    "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec:\n  containers:\n  - name: c\n    image: "
)

FOLDER = st.text(
    st.characters(exclude_characters="/\0", max_codepoint=0xFFFF), min_size=1, max_size=20
).filter(lambda name: name not in (".", ".."))
SCALAR = st.none() | st.booleans() | st.integers() | st.text(max_size=60)
JSON = SCALAR | st.lists(SCALAR, max_size=4)


def _write(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def _made(root: Path) -> Any:
    return load(".imagebot.yaml", (root / ".imagebot.yaml").read_bytes())


def test_the_file_fits_what_is_there(tmp_path: Path, run: Run) -> None:
    """Folders with images, environments in the order of promotion, the images that run."""
    root = _write(
        tmp_path,
        {
            f"deploy/overlays/{name}/kustomization.yaml": "images:\n- {name: ghcr.io/acme/web, newTag: '1.2'}\n"
            for name in ("production", "Dev_EU", "staging", "dev", "mars")
        }
        | {"deploy/base/pod.yaml": f"{POD}nginx:1.27.0\n", "docs/readme.yaml": "a: b\n"},
    )

    result = run("init", root)
    config = _made(root)
    text = (root / ".imagebot.yaml").read_text()

    assert result.code == 0
    assert [e.name for e in config.environments] == [
        "dev",
        "dev-eu",
        "staging",
        "mars",
        "production",
    ]
    assert environment_of(config, "deploy/overlays/Dev_EU/x.yaml") == "dev-eu"
    assert is_in_paths(config, "deploy/base/pod.yaml")
    assert not is_in_paths(config, "docs/readme.yaml")
    assert "#   nginx: 1.27.0\n" in text
    assert "#   ghcr.io/acme/web: 1.2\n" in text


def test_a_file_that_exists_is_never_overwritten(tmp_path: Path, run: Run) -> None:
    """At either place, and under a name that is nearly right; --print still shows."""
    for name in (".imagebot.yaml", ".github/imagebot.yaml", ".imagebot.yml"):
        root = _write(tmp_path / name.replace("/", "-"), {name: "version: 1\n"})

        assert run("init", root).code == 2
        assert (root / name).read_text() == "version: 1\n"
        assert run("init", root, "--print").out.endswith("limit: 10}\n")


def test_an_empty_folder_gets_a_file_too(tmp_path: Path, run: Run) -> None:
    """Nothing found is no error: the file says what could be in it."""
    assert run("init", tmp_path).code == 0
    assert _made(tmp_path).rules == ()


def test_strange_names_do_not_break_the_file(tmp_path: Path, run: Run) -> None:
    """Names of folders are data: stars, quotes and line breaks stay text."""
    root = _write(tmp_path, {"a*b [c] 'd'\n#/overlays/ü x/p.yaml": f"{POD}nginx:1\n"})

    assert run("init", root).code == 0
    config = _made(root)
    assert is_in_paths(config, "a*b [c] 'd'\n#/overlays/ü x/p.yaml")
    assert not is_in_paths(config, "axb [c] 'd'\n#/overlays/p.yaml")


def test_a_folder_whose_name_is_no_text_is_told(tmp_path: Path, run: Run) -> None:
    """No YAML file can hold its name; what can be said is, and the file loads."""
    overlay = os.fsdecode(b"\xff\xfe/overlays/dev")
    pod = f"{POD}nginx:1.27.0\n"
    root = _write(tmp_path, {f"{overlay}/p.yaml": pod, "apps/envs/dev/p.yaml": pod})

    result = run("init", root)
    config = _made(root)

    assert result.code == 0
    assert is_in_paths(config, "apps/envs/dev/p.yaml")
    assert environment_of(config, "apps/envs/dev/p.yaml") == "dev"
    assert "no UTF-8" in result.out


@settings(max_examples=50, deadline=None)
@given(st.lists(FOLDER, min_size=1, max_size=3), FOLDER)
def test_every_layout_makes_a_file_that_loads(parts: list[str], name: str) -> None:
    """Whatever folders are called: what the file does not say is told."""
    use = ImageUse("pod", "c", parse("nginx:1"), (), Where("p"))
    folder = "/".join([*parts, "overlays", name])
    draft = discover({f"{folder}/p.yaml": FileScan(uses=(use,))})
    config = load(".imagebot.yaml", render(draft).encode())

    assert is_in_paths(config, f"{folder}/p.yaml") or draft.missing


@settings(max_examples=50, deadline=None)
@given(JSON, JSON)
def test_no_value_of_renovate_makes_a_file_that_does_not_load(
    labels: object, limit: object
) -> None:
    """What is no label or no limit here is told, and everything else is carried over."""
    draft = Draft()
    from_renovate(draft, "renovate.json", {"labels": labels, "prConcurrentLimit": limit})
    config = load(".imagebot.yaml", render(draft).encode())

    kept = list(config.pull_requests.labels) if draft.labels else []
    wanted = labels if isinstance(labels, list) else [labels]
    told = [line for line in draft.missing if line.startswith("renovate.json: labels: ")]
    assert len(kept) + len(told) == len(wanted)
    assert (draft.limit is None) == any("prConcurrentLimit" in line for line in draft.missing)


@pytest.mark.parametrize(
    ("held", "said"),
    [
        ('{"prConcurrentLimit": -1}', "prConcurrentLimit: -1"),
        ('{"prConcurrentLimit": true}', "prConcurrentLimit: True"),
        ('{"labels": ["", "ok"]}', "labels: ''"),
        ('{"labels": ["a\\nb", "ok"]}', "labels: 'a\\nb'"),
    ],
)
def test_values_of_renovate_that_mean_nothing_here_are_told(
    tmp_path: Path, run: Run, held: str, said: str
) -> None:
    """With exit code 0, a file that loads, and the key with its value."""
    result = run("init", _write(tmp_path, {"renovate.json": held}), "--from", "renovate")

    assert result.code == 0
    assert f"renovate.json: {said}" in result.out
    assert _made(tmp_path).pull_requests.limit == 10


def test_fluxs_policies_become_rules(tmp_path: Path, run: Run) -> None:
    """Range, filter and suspension; the reading of versions in three parts is a filter."""
    marker = '# {"$imagepolicy": "apps:%s"}'
    root = _write(
        tmp_path,
        {
            "flux/web.yaml": flux_policy(),
            "flux/api.yaml": flux_policy(
                "api",
                "ghcr.io/acme/api",
                "{numerical: {order: asc}}",
                more="  suspend: true\n  filterTags: {pattern: '^b(?P<n>\\d+)$', extract: $n}\n",
            ),
            "apps/web.yaml": f"{POD}ghcr.io/acme/web:1.0.0 {marker % 'web'}\n",
            "apps/api.yaml": f"{POD}ghcr.io/acme/api:b7 {marker % 'api'}\n",
            "apps/gone.yaml": f"{POD}ghcr.io/acme/gone:1 {marker % 'gone'}\n",
            "apps/values.yaml": f"a: {{}}\ntag: 1.0.0 {marker % 'web:tag'}\n",
        },
    )

    result = run("init", root, "--from", "flux")
    config = _made(root)
    web = settings_for(config, parse_repository("ghcr.io/acme/web"))
    api = settings_for(config, parse_repository("ghcr.io/acme/api"))

    assert result.code == 0
    assert str(web.policy) == "semver >=1.0.0"
    assert web.tag_filter
    assert list(web.tag_filter.apply(["1.0", "1.0.0"]).texts) == ["1.0.0"]
    assert (str(api.policy), api.enabled) == ("numerical asc", False)
    assert api.tag_filter
    assert api.tag_filter.text("b12") == "12"
    assert "there is no ImagePolicy apps/gone" in result.out
    assert "apps/values.yaml:2:6: found by its marker alone" in result.out


def test_policies_that_differ_for_one_image_are_told(tmp_path: Path, run: Run) -> None:
    """A rule goes by image alone, so it cannot say what two clusters want."""
    marker = '# {"$imagepolicy": "apps:web"}'
    files = {
        f"{name}/{file}": text
        for name in ("a", "b")
        for file, text in {
            "p.yaml": flux_policy(
                policy=f'{{semver: {{range: "{"1.x" if name == "a" else "2.x"}"}}}}'
            ),
            "web.yaml": f"{POD}ghcr.io/acme/web:1.0.0 {marker}\n",
        }.items()
    }
    result = run("init", _write(tmp_path, files), "--from", "flux")

    assert _made(tmp_path).rules == ()
    assert "differ" in result.out


def test_image_updaters_settings_become_rules(tmp_path: Path, run: Run) -> None:
    """Constraint and filters of an Application's images; Helm's values are told."""
    prefix = "argocd-image-updater.argoproj.io"
    app = (
        "apiVersion: argoproj.io/v1alpha1\nkind: Application\nmetadata:\n  name: web\n  annotations:\n"
        f"    {prefix}/image-list: w=ghcr.io/acme/web:~1.2, h=ghcr.io/acme/h\n"
        f"    {prefix}/w.ignore-tags: '*-debug'\n    {prefix}/h.helm.image-tag: tag\n"
        "spec: {source: {path: apps}}\n"
    )
    files = {"argocd/web.yaml": app, "apps/web.yaml": f"{POD}ghcr.io/acme/web:1.2.0\n"}
    result = run("init", _write(tmp_path, files), "--from", "argocd-image-updater")
    web = settings_for(_made(tmp_path), parse_repository("ghcr.io/acme/web"))

    assert str(web.policy) == "semver ~1.2"
    assert web.tag_filter
    assert list(web.tag_filter.apply(["1.2.1", "1.2.1-debug"]).texts) == ["1.2.1"]
    assert "values of Helm are not written yet" in result.out


def test_renovates_configuration_becomes_rules(tmp_path: Path, run: Run) -> None:
    """Found where Renovate looks for it; what has no counterpart is listed."""
    held = "{// ours\n  packageRules: [{matchPackageNames: ['nginx'], allowedVersions: '<2', automerge: true}],}"
    files = {".github/renovate.json5": held, "apps/web.yaml": f"{POD}nginx:1.27.0\n"}
    result = run("init", _write(tmp_path, files), "--from", "renovate")

    assert str(settings_for(_made(tmp_path), parse_repository("nginx")).policy) == "semver <2"
    assert ".github/renovate.json5: packageRules[0]: automerge" in result.out


@pytest.mark.parametrize(
    ("files", "said"),
    [({}, "there is no configuration of Renovate"), ({"renovate.json": "{"}, "renovate.json:1:2")],
)
def test_renovates_configuration_that_cannot_be_read_is_an_error(
    tmp_path: Path, run: Run, files: dict[str, str], said: str
) -> None:
    """With exit code 2, the place, and nothing written."""
    result = run("init", _write(tmp_path, files), "--from", "renovate")

    assert result.code == 2
    assert said in result.err
    assert not (tmp_path / ".imagebot.yaml").exists()


def test_a_repository_of_flux_works_without_a_configuration(
    tmp_path: Path, registry: EmbeddedRegistry, run: Run
) -> None:
    """Plan follows the policies, and `check` and `scan` name the marker that does nothing."""
    name = f"{registry.host}/acme/my-app"
    root = _write(
        tmp_path / "flux",
        {
            "clusters/a/flux-system/policies.yaml": flux_policy(
                "app", name, '{semver: {range: "1.x"}}'
            )
            + "---\napiVersion: image.toolkit.fluxcd.io/v1\nkind: ImageUpdateAutomation\n"
            "metadata: {name: all, namespace: apps}\nspec: {update: {path: ./clusters/a}}\n",
            "clusters/a/web.yaml": f'{POD}{name}:1.4.1 # {{"$imagepolicy": "apps:app"}}\n',
            "clusters/a/kustomization.yaml": f"images:\n- name: {name}\n"
            '  newTag: 1.4.1 # {"$imagepolicy": "apps:app:tag"}\n',
            "clusters/a/values.yaml": 'tag: 1.4.1 # {"$imagepolicy": "apps:app:tag"}\n',
            "clusters/b/web.yaml": f'{POD}{name}:1.4.1 # {{"$imagepolicy": "apps:app"}}\n',
            "clusters/a/bad.yaml": f"{POD}{name}:1.4.1 # {{'$imagepolicy': 'apps:app'}}\n",
        },
    )

    plan, check, scan = run("plan", root), run("check", root), run("scan", root)
    explain = run("explain", name, root)

    assert plan.code == 0
    assert f'+    image: {name}:1.5.0 # {{"$imagepolicy": "apps:app"}}' in plan.out
    assert '+  newTag: 1.5.0 # {"$imagepolicy": "apps:app:tag"}' in plan.out
    assert '+tag: 1.5.0 # {"$imagepolicy": "apps:app:tag"}' in plan.out
    assert "3 to change" in plan.out
    assert "(ImagePolicy apps/app)" in " ".join(plan.out.split())
    assert check.code == 1
    assert "clusters/a/bad.yaml:7:" in check.out
    assert "[flux-marker-quotes]" in check.out
    assert "clusters/b/web.yaml:7:" in check.out
    assert "[flux-marker-outside]" in check.out
    assert "bad.yaml" in scan.out
    assert f"{name}:1.4.1 (ImagePolicy apps/app)" in explain.out

    policies = root / "clusters/a/flux-system/policies.yaml"
    held = policies.read_text()
    policies.write_text(held.replace("imageRepositoryRef", "suspend: true\n  imageRepositoryRef"))
    stopped = run("explain", name, root)
    assert stopped.code == 0
    assert "ImagePolicy apps/app is suspended" in stopped.out
    policies.write_text(held)

    assert run("apply", root).code == 0
    assert "3 current" in run("plan", root).out
