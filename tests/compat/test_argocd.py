"""Argo CD Image Updater's annotations and resources, as rules for image uses."""

from __future__ import annotations

import pytest

from imagebot.compat.argocdimages import Wishes, entry, glob_pattern, governed
from imagebot.errors import InvalidReference
from imagebot.imageref import parse_repository
from imagebot.model import ImageDetails
from imagebot.policy import compile_filter
from tests.support.govern import planned, scanned, written

PREFIX = "argocd-image-updater.argoproj.io"
KUSTOMIZATION = "images:\n- name: web\n  newName: ghcr.io/acme/web\n  newTag: 1.0.0\n"
PATH = "apps/web/kustomization.yaml"
DIGEST = f"sha256:{'a' * 64}"


def _app(said: dict[str, str], path: str = "apps/web", name: str = "web", more: str = "") -> str:
    lines = "".join(f"    {PREFIX}/{key}: {value!r}\n" for key, value in said.items())
    return (
        "apiVersion: argoproj.io/v1alpha1\nkind: Application\nmetadata:\n"
        f"  name: {name}\n  namespace: argocd\n  labels: {{team: a}}\n  annotations:\n    other: x\n{lines}"
        f"spec:\n  source: {{repoURL: https://git.example/r.git, path: {path}}}\n{more}"
    )


def _updater(images: str, reference: str = "", spec: str = "") -> str:
    return (
        f"apiVersion: {PREFIX}/v1alpha1\nkind: ImageUpdater\nmetadata: {{name: all, namespace: argocd}}\n"
        f"spec:\n{spec}  applicationRefs:\n  - namePattern: 'w*'\n{reference}    images:\n{images}"
    )


def _chosen(files: dict[str, str], tags: tuple[str, ...]) -> str:
    (decision,) = planned({PATH: KUSTOMIZATION, **files}, {"ghcr.io/acme/web": tags}).decisions
    assert decision.status in ("update", "current"), decision.why
    return (decision.target or decision.use.image).tag


@pytest.mark.parametrize(
    ("text", "alias", "name", "constraint"),
    [
        ("nginx", "", "nginx", ""),
        ("nginx:~1.25", "", "nginx", "~1.25"),
        ("web=ghcr.io/acme/web:^1", "web", "ghcr.io/acme/web", "^1"),
        ("web=registry:5000/acme/web", "web", "registry:5000/acme/web", ""),
        ("web=registry:5000/acme/web:1.x", "web", "registry:5000/acme/web", "1.x"),
        ("jannfis/orig-image=gcr.io/jannfis/test-image:0.1", "jannfis/orig-image", "gcr.io/jannfis/test-image", "0.1"),
        ("harbor.example.com/library/nested/test-image:0.1", "", "harbor.example.com/library/nested/test-image", "0.1"),
        (" ghcr.io/acme/web:>=1.0 ", "", "ghcr.io/acme/web", ">=1.0"),
        ("w=ghcr.io/acme/web:>=1.0", "w", "ghcr.io/acme/web", ">=1.0"),
        ("nginx:1.x || 2.x", "", "nginx", "1.x || 2.x"),
    ],
)  # fmt: skip
def test_an_entry_of_a_list_is_read(text: str, alias: str, name: str, constraint: str) -> None:
    """Alias, image and constraint; a host may have a port, a constraint an equals sign."""
    read = entry(text)

    assert (read.alias, read.repository, read.constraint) == (
        alias,
        parse_repository(name),
        constraint,
    )


@pytest.mark.parametrize("text", ["", "web=", "UPPER", f"nginx@{DIGEST}", "a b"])
def test_an_entry_that_names_no_image_is_refused(text: str) -> None:
    """Also a digest: nothing can be newer than that."""
    with pytest.raises(InvalidReference):
        entry(text)


@pytest.mark.parametrize(
    ("glob", "matched", "other"),
    [
        ("v*", "v1.0", "1.0"),
        ("1.?", "1.2", "1.22"),
        ("*-[ab]", "x-a", "x-c"),
        ("*-[^ab]", "x-c", "x-a"),
        ("[0-9]*", "1x", "x1"),
        (r"a\*", "a*", "ab"),
        (" latest ", "latest", "latest-1"),
        ("a.b", "a.b", "axb"),
    ],
)
def test_ignore_globs_match_whole_tags(glob: str, matched: str, other: str) -> None:
    """As the shell has them, over the whole tag."""
    dropped = compile_filter((), (glob_pattern(glob),)).apply([matched, other]).dropped

    assert list(dropped) == [matched]


@pytest.mark.parametrize("glob", ["[a", "a\\", ""])
def test_a_broken_glob_matches_nothing(glob: str) -> None:
    """As Image Updater has it."""
    assert glob_pattern(glob) == ""


@pytest.mark.parametrize(
    ("strategy", "constraint", "policy"),
    [
        ("", "", ("semver", "*")),
        ("semver", "~1.4", ("semver", "~1.4")),
        ("newest-build", "", ("newest", "")),
        ("latest", "1.x", ("newest", "")),
        ("alphabetical", "", ("alphabetical", "asc")),
        ("name", "", ("alphabetical", "asc")),
        ("digest", "stable", ("digest", "stable")),
        ("digest", "", ("digest", "latest")),
    ],
)
def test_a_strategy_is_a_policy(strategy: str, constraint: str, policy: tuple[str, str]) -> None:
    """With its old names; only a digest strategy writes digests."""
    rule = governed("Application a", constraint, Wishes(strategy))

    assert rule.policy == policy
    assert rule.stopped == ""
    assert rule.digest == (strategy == "digest")


@pytest.mark.parametrize(
    ("constraint", "wishes"),
    [
        ("", Wishes("semvr")),
        ("latest", Wishes("semver")),
        ("", Wishes(allow="^v1")),
        ("", Wishes(allow="regexp:")),
        ("", Wishes(allow="glob:v*")),
        ("", Wishes(allow="regexp:[aA-zZ")),
    ],
)
def test_what_cannot_be_read_stops_the_image(constraint: str, wishes: Wishes) -> None:
    """No strategy takes the place of an unknown one, and a broken filter lets nothing pass."""
    assert governed("Application a", constraint, wishes).stopped


@pytest.mark.parametrize(
    ("said", "tags", "chosen"),
    [
        ({"image-list": "ghcr.io/acme/web:~1.0"}, ("1.0.0", "1.0.7", "1.1.0"), "1.0.7"),
        ({"image-list": "w=ghcr.io/acme/web", "w.update-strategy": "name"}, ("1.0.0", "z"), "z"),
        ({"image-list": "w=ghcr.io/acme/web", "update-strategy": "name"}, ("1.0.0", "z"), "z"),
        (
            {"image-list": "nginx, w=ghcr.io/acme/web", "w.allow-tags": "regexp:^1", "w.ignore-tags": "1.9*, x"},
            ("1.0.0", "1.5.0", "1.9.1", "2.0.0"),
            "1.5.0",
        ),
        (
            {"image-list": "w=ghcr.io/acme/web:1.x", "w.kustomize.image-name": "web", "w.allow-tags": "any"},
            ("1.0.0", "1.5.0", "2.0.0"),
            "1.5.0",
        ),
        ({"image-list": "ghcr.io/acme/web", "write-back-target": "kustomization"}, ("1.0.0", "2.0.0"), "2.0.0"),
    ],
)  # fmt: skip
def test_annotations_govern_the_images_under_the_source_path(
    said: dict[str, str], tags: tuple[str, ...], chosen: str
) -> None:
    """Strategy, constraint and filters, of the alias first, then of the Application."""
    assert _chosen({"argocd/web.yaml": _app(said)}, tags) == chosen


@pytest.mark.parametrize(
    ("path", "target", "counts"),
    [
        ("apps/web", "", True),
        ("./apps/web/", "", True),
        ("apps", "", True),
        (".", "", True),
        ("apps/we", "", False),
        ("apps/api", "", False),
        ("apps/web/overlay", "kustomization:..", True),
        ("apps/api", "kustomization:/apps/web", True),
        ("apps", "kustomization", False),
        ("apps/web", "kustomization:../../..", False),
    ],
)
def test_only_files_of_the_application_are_governed(path: str, target: str, counts: bool) -> None:  # noqa: FBT001 - a column of the table
    """By its source path, or by the kustomization that is the target; else it is said."""
    said = {"image-list": "ghcr.io/acme/web"}
    if target:
        said["write-back-target"] = target
    scans, _ = scanned({PATH: KUSTOMIZATION, "argocd/web.yaml": _app(said, path)})

    assert (scans[PATH].uses[0].governed is not None) == counts
    assert bool(scans["argocd/web.yaml"].skipped) != counts


@pytest.mark.parametrize(
    ("updater", "tags", "chosen"),
    [
        (_updater("    - {alias: w, imageName: 'ghcr.io/acme/web:~1.0'}\n"), ("1.0.0", "1.0.7", "1.1.0"), "1.0.7"),
        (
            _updater(
                "    - {alias: w, imageName: ghcr.io/acme/web}\n",
                spec="  commonUpdateSettings: {updateStrategy: alphabetical, ignoreTags: [z]}\n",
            ),
            ("1.0.0", "y", "z"),
            "y",
        ),
        (
            _updater(
                "    - {alias: w, imageName: ghcr.io/acme/web, commonUpdateSettings: {allowTags: 'regexp:^1'}}\n",
                reference="    commonUpdateSettings: {updateStrategy: alphabetical}\n",
                spec="  commonUpdateSettings: {updateStrategy: digest}\n",
            ),
            ("1.0.0", "1z", "z"),
            "1z",
        ),
    ],
)  # fmt: skip
def test_a_resource_governs_the_applications_it_selects(
    updater: str, tags: tuple[str, ...], chosen: str
) -> None:
    """Settings of the image win over those of the reference, and those over the resource's."""
    files = {"argocd/web.yaml": _app({}), "argocd/updater.yaml": updater}

    assert _chosen(files, tags) == chosen


def test_a_resource_stands_before_annotations_unless_it_asks_for_them() -> None:
    """`useAnnotations` is the switch between the two ways to say it."""
    app = _app({"image-list": "ghcr.io/acme/web:1.0.x"})
    images = "    - {alias: w, imageName: 'ghcr.io/acme/web:2.x'}\n"
    both = {"argocd/web.yaml": app, "u.yaml": _updater(images)}
    asks = {"argocd/web.yaml": app, "u.yaml": _updater(images, "    useAnnotations: true\n")}
    tags = ("1.0.0", "1.0.1", "2.0.0")

    assert _chosen(both, tags) == "2.0.0"
    assert _chosen(asks, tags) == "1.0.1"


def test_the_most_telling_reference_counts() -> None:
    """An exact name beats a pattern, and labels beat none."""
    general = _updater("    - {alias: w, imageName: 'ghcr.io/acme/web:1.x'}\n")
    exact = _updater("    - {alias: w, imageName: 'ghcr.io/acme/web:2.x'}\n").replace("'w*'", "web")
    labels = general.replace("1.x", "3.x").replace(
        "    images", "    labelSelectors: {matchLabels: {team: a}}\n    images"
    )
    tags = ("1.0.0", "1.1.0", "2.0.0", "3.0.0")
    app = _app({})

    assert _chosen({"a.yaml": app, "b.yaml": general, "c.yaml": exact}, tags) == "2.0.0"
    assert _chosen({"a.yaml": app, "b.yaml": general, "c.yaml": labels}, tags) == "3.0.0"


@pytest.mark.parametrize(
    ("said", "id_"),
    [
        ({"image-list": "w=ghcr.io/acme/web", "w.helm.image-tag": "image.tag"}, "argocd-helm"),
        (
            {"image-list": "ghcr.io/acme/web", "write-back-target": "helmvalues:x.yaml"},
            "argocd-helm",
        ),
        ({"image-list": "UPPER"}, "argocd-image"),
        ({"image-list": "w=ghcr.io/acme/web", "v.update-strategy": "name"}, "argocd-annotation"),
        ({"image-list": "w=ghcr.io/acme/web", "w.updatestrategy": "name"}, "argocd-annotation"),
        (
            {"image-list": "ghcr.io/acme/web", "write-back-target": "kustomization:/../x"},
            "argocd-path",
        ),
    ],
)
def test_what_is_not_carried_over_is_a_finding(said: dict[str, str], id_: str) -> None:
    """With its place in the Application, and skipped in the scan."""
    scans, findings = scanned({PATH: KUSTOMIZATION, "argocd/web.yaml": _app(said)})

    assert [finding.id for finding in findings] == [id_]
    assert findings[0].where.path == "argocd/web.yaml"
    assert findings[0].where.line > 1
    assert scans["argocd/web.yaml"].skipped


def test_credentials_and_branches_are_said_to_be_the_operators() -> None:
    """They are remarks: nobody has to change anything."""
    said = {
        "image-list": "w=ghcr.io/acme/web",
        "w.pull-secret": "pullsecret:argocd/regcred",
        "git-branch": "main",
        "w.force-update": "true",
        "write-back-method": "git:secret:argocd/git",
    }
    scans, findings = scanned({PATH: KUSTOMIZATION, "argocd/web.yaml": _app(said)})

    assert findings == []
    assert len(scans["argocd/web.yaml"].skipped) == 2


def test_an_image_that_no_file_names_is_said() -> None:
    """As when only Argo CD knows which image runs."""
    scans, _ = scanned({"argocd/web.yaml": _app({"image-list": "ghcr.io/acme/web"})})

    assert "names this image" in scans["argocd/web.yaml"].skipped[0].reason


def test_another_name_is_never_written() -> None:
    """An entry that Image Updater would rename is left alone, with the name to write."""
    said = {"image-list": "w=ghcr.io/acme/web", "w.kustomize.image-name": "old/web"}
    text = "images:\n- name: old/web\n  newTag: 1.0.0\n"
    files = {PATH: text, "argocd/web.yaml": _app(said)}
    (decision,) = planned(files, {}).decisions
    _, (finding,) = scanned(files)

    assert decision.status == "disabled"
    assert "changes no names" in decision.why
    assert finding.fix == "set newName to ghcr.io/acme/web"


def test_two_applications_that_disagree_decide_nothing() -> None:
    """Of one path; the longer source path decides where they differ."""
    one = _app({"image-list": "ghcr.io/acme/web:1.x"}, name="one")
    two = _app({"image-list": "ghcr.io/acme/web:2.x"}, name="two")
    wide = _app({"image-list": "ghcr.io/acme/web:3.x"}, path="apps", name="wide")
    (decision,) = planned({PATH: KUSTOMIZATION, "a.yaml": one, "b.yaml": two}, {}).decisions

    assert decision.status == "disabled"
    assert "different things" in decision.why
    assert _chosen({"a.yaml": one, "c.yaml": wide}, ("1.0.0", "1.1.0", "3.0.0")) == "1.1.0"


def test_a_digest_strategy_follows_its_tag() -> None:
    """The digest is written beside the tag; where there is no place for it, it is said."""
    said = {"image-list": "w=ghcr.io/acme/web:stable", "w.update-strategy": "digest"}
    pod = "apiVersion: v1\nkind: Pod\nspec: {containers: [{image: 'ghcr.io/acme/web:stable'}]}\n"
    details = {("ghcr.io/acme/web", "stable"): ImageDetails(DIGEST)}
    files = {"apps/web/pod.yaml": pod, "argocd/web.yaml": _app(said)}
    made = planned(files, {"ghcr.io/acme/web": ("stable",)}, details=details)

    assert f"ghcr.io/acme/web:stable@{DIGEST}" in written(made)["apps/web/pod.yaml"]
    _, (finding,) = scanned({PATH: KUSTOMIZATION, "argocd/web.yaml": _app(said)})
    assert finding.id == "argocd-digest"


def test_platforms_are_kept() -> None:
    """An image that is not built for a wanted platform is no candidate."""
    said = {"image-list": "w=ghcr.io/acme/web", "w.platforms": "linux/amd64, linux/arm64"}
    scans, _ = scanned({PATH: KUSTOMIZATION, "argocd/web.yaml": _app(said)})

    rule = scans[PATH].uses[0].governed
    assert rule
    assert rule.platforms == ("linux/amd64", "linux/arm64")


def test_an_application_of_charts_only_is_a_finding() -> None:
    """Its images are values of Helm."""
    app = _app({"image-list": "ghcr.io/acme/web"}).replace("path: apps/web", "chart: web")
    _, findings = scanned({"argocd/web.yaml": app})

    assert [finding.id for finding in findings] == ["argocd-helm"]


def test_every_source_of_an_application_counts() -> None:
    """Charts are left out, paths are taken."""
    app = _app({"image-list": "ghcr.io/acme/web:1.x"}).replace(
        "  source: {repoURL: https://git.example/r.git, path: apps/web}\n",
        "  sources:\n  - {repoURL: x, path: apps/other}\n  - {repoURL: x, path: apps/web}\n",
    )

    assert _chosen({"argocd/web.yaml": app}, ("1.0.0", "1.1.0", "2.0.0")) == "1.1.0"


def test_a_template_of_applications_is_a_finding() -> None:
    """Its values are filled in elsewhere."""
    text = (
        "apiVersion: argoproj.io/v1alpha1\nkind: ApplicationSet\nmetadata: {name: all}\n"
        f"spec:\n  template:\n    metadata:\n      annotations:\n        {PREFIX}/image-list: a\n"
    )
    _, (finding,) = scanned({"set.yaml": text})

    assert finding.id == "argocd-template"
    assert finding.where.line == 8


def test_flux_stands_before_argocd() -> None:
    """A value with a marker goes by its policy, whoever else lists the image."""
    marked = KUSTOMIZATION.replace("1.0.0", '1.0.0 # {"$imagepolicy": "apps:web:tag"}')
    from tests.support.govern import flux_policy

    files = {
        PATH: marked,
        "p.yaml": flux_policy(),
        "argocd/web.yaml": _app({"image-list": "ghcr.io/acme/web"}),
    }
    scans, _ = scanned(files)

    rule = scans[PATH].uses[0].governed
    assert rule
    assert rule.by == "ImagePolicy apps/web"
