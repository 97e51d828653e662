"""Flux's objects and markers, as image uses under their policies."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from imagebot.config import Config, load
from imagebot.manifests.scan import is_candidate, scan_file
from imagebot.model import ImageDetails
from imagebot.yamltree import source
from tests.support.govern import flux_policy, planned, scanned, uses, written

CASES = Path(__file__).parents[1] / "data" / "flux_markers"
INDEX = json.loads((CASES / "index.json").read_text())
POLICIES = {
    f"{item['Namespace']}:{item['Name']}": item["Status"]["LatestRef"]
    for item in json.loads((CASES / "policies.json").read_text())
}
ELSEWHERE = {
    "git__x_yaml": "imagebot writes nothing under .git",
    "annots_yaml": "Flux stops for all files; imagebot does not care about the annotation",
    "directive_yaml": "Flux cannot read the file; imagebot can",
    "kust_yaml": "the name is never written, so the tag of another image waits",
}
DIGEST = f"sha256:{'a' * 64}"
POD = 'spec:\n  containers:\n  - name: web\n    image: {image} # {{"$imagepolicy": "{policy}"}}\n'
HEAD = "apiVersion: v1\nkind: Pod\nmetadata: {name: web}\n"


def _pod(image: str = "ghcr.io/acme/web:1.0.0", policy: str = "apps:web") -> str:
    return HEAD + POD.format(image=image, policy=policy)


def _input(case: str) -> tuple[str, bytes, bytes]:
    row = next(item for item in INDEX if item["case"] == case)
    (given,) = (CASES / case / "input").iterdir()
    return (
        row["path_in_repo"],
        given.read_bytes(),
        (CASES / case / "expected" / given.name).read_bytes(),
    )


def _objects() -> str:
    parts = []
    for name, latest in POLICIES.items():
        namespace, _, bare = name.partition(":")
        digest = "  digestReflectionPolicy: Always\n" if "Digest" in latest else ""
        text = flux_policy(
            bare, latest["Name"], "{alphabetical: {}}", namespace=f'"{namespace}"', more=digest
        )
        parts.append(text.replace(f"name: {bare}", f'name: "{bare}"'))
    return "---\n".join(parts)


def _run(path: str, data: bytes) -> bytes:
    tags = {
        latest["Name"]: (latest["Tag"],) for latest in POLICIES.values() if latest["Name"] != "img"
    }
    made = planned(
        {path: data, "flux.yaml": _objects()},
        # Several policies share one repository there: the integer is the one that a case names.
        {**tags, "img": ("10",)},
        details={("localhost:5000/org/app", "1.10"): ImageDetails(DIGEST)},
    )
    return written(made).get(path, data.decode()).encode()


@pytest.mark.parametrize("case", [row["case"] for row in INDEX if row["case"] not in ELSEWHERE])
def test_marked_values_become_what_flux_makes_of_them(case: str) -> None:
    """The same values in the marked places, and no other byte of the file changes."""
    path, before, expected = _input(case)
    after = _run(path, before) if is_candidate(path) else before

    for marker in scan_file(path, before).markers:
        ours = source.load(path, after).document(marker.document)
        theirs = source.load(path, expected).document(marker.document)
        assert ours
        assert theirs
        assert ours.text(*marker.keys) == theirs.text(*marker.keys)
    value = rb'(?<=: )(\S+)(?=\s+# \{"\$imagepolicy)'
    assert re.sub(value, b"", after) == re.sub(value, b"", before)
    assert (after != before) == (b"imagepolicy" in expected and case_changed(case))


def case_changed(case: str) -> bool:
    return bool(next(row["changed"] for row in INDEX if row["case"] == case))


def test_what_is_done_in_another_way_is_known() -> None:
    """The four cases where imagebot must not, or need not, do as Flux does."""
    path, before, _ = _input("git__x_yaml")
    assert not is_candidate(path)
    for case in ("annots_yaml", "directive_yaml"):
        path, before, _ = _input(case)
        assert _run(path, before) == before.replace(b"old:1", b"ghcr.io/org/app:1.10")
    path, before, _ = _input("kust_yaml")
    assert _run(path, before) == before
    _, findings = scanned({path: before, "flux.yaml": _objects()})
    assert [finding.id for finding in findings] == ["flux-marker-name"]


@pytest.mark.parametrize(
    ("policy", "more", "tags", "chosen"),
    [
        ('{semver: {range: ">=1.0.0 <2.0.0"}}', "", ("1.0.0", "1.4.0", "2.0.0"), "1.4.0"),
        ('{semver: {range: ">=1.0.0"}}', "", ("1.0.0", "1.1", "9"), "1.0.0"),
        ("{alphabetical: {order: asc}}", "", ("1.0.0", "a", "b"), "b"),
        ("{alphabetical: {}}", "", ("1.0.0", "a", "b"), "b"),
        ("{numerical: {order: ASC}}", "", ("3", "12", "x"), "12"),
        (
            "{numerical: {order: asc}}",
            "  filterTags: {pattern: '^main-[a-f0-9]+-(?P<ts>[0-9]+)$', extract: '$ts'}\n",
            ("main-abc-7", "main-def-12", "99"),
            "main-def-12",
        ),
        ('{semver: {range: ">=1.0.0"}, numerical: {order: asc}}', "", ("1.0.0", "77"), "1.0.0"),
    ],
)
def test_a_policy_means_what_it_means_to_flux(
    policy: str, more: str, tags: tuple[str, ...], chosen: str
) -> None:
    """Range, order, filter and extract; versions have three parts; the first policy counts."""
    files = {"p.yaml": flux_policy(policy=policy, more=more), "web.yaml": _pod()}
    made = planned(files, {"ghcr.io/acme/web": tags})

    (decision,) = made.decisions
    assert (decision.target or decision.use.image).tag == chosen


def test_a_policy_never_goes_back() -> None:
    """Where Flux would write an older tag, the running one stays."""
    files = {
        "p.yaml": flux_policy(policy='{semver: {range: "<1.0.0"}}'),
        "web.yaml": _pod("ghcr.io/acme/web:1.0.0"),
    }
    (decision,) = planned(files, {"ghcr.io/acme/web": ("0.9.0", "1.0.0")}).decisions

    assert decision.status == "current"


def test_a_new_name_is_written_with_a_tag_that_it_has() -> None:
    """The running tag is compared where the policy's image has it, and never carried along."""
    files = {
        "p.yaml": flux_policy(policy="{alphabetical: {order: asc}}"),
        "web.yaml": _pod("old.example/acme/web:zzz"),
    }
    moved = planned(files, {"ghcr.io/acme/web": ("a", "b")})
    kept = planned(files, {"ghcr.io/acme/web": ("a", "zzz")})

    assert "image: ghcr.io/acme/web:b #" in written(moved)["web.yaml"]
    assert "image: ghcr.io/acme/web:zzz #" in written(kept)["web.yaml"]


def test_a_list_of_exclusions_is_kept() -> None:
    """A tag on the repository's exclusion list is no candidate."""
    repository = "  exclusionList: ['^2\\.']\n"
    files = {"p.yaml": flux_policy(repository=repository), "web.yaml": _pod()}
    (decision,) = planned(files, {"ghcr.io/acme/web": ("1.0.0", "1.1.0", "2.0.0")}).decisions

    assert decision.target
    assert decision.target.tag == "1.1.0"


@pytest.mark.parametrize(
    "files",
    [
        {"p.yaml": flux_policy(more="  suspend: true\n")},
        {"p.yaml": flux_policy(repository="  suspend: true\n")},
        {
            "p.yaml": flux_policy(),
            "a.yaml": "apiVersion: image.toolkit.fluxcd.io/v1beta2\nkind: ImageUpdateAutomation\n"
            "metadata: {name: all, namespace: apps}\nspec: {suspend: true}\n",
        },
    ],
    ids=["policy", "repository", "automation"],
)
def test_what_is_suspended_is_disabled_with_that_reason(files: dict[str, str]) -> None:
    """A suspended object of any kind stops the use, and the decision says which."""
    (decision,) = planned({**files, "web.yaml": _pod()}, {}).decisions

    assert decision.status == "disabled"
    assert "is suspended" in decision.why


def _automation(path: str, more: str = "") -> str:
    return (
        "apiVersion: image.toolkit.fluxcd.io/v1\nkind: ImageUpdateAutomation\n"
        f"metadata: {{name: {path or 'all'}, namespace: apps}}\n"
        f"spec:\n  update: {{path: {path or '.'}, strategy: Setters}}\n{more}"
    )


@pytest.mark.parametrize(
    ("path", "more", "counts"),
    [
        ("./clusters/a", "", True),
        ("clusters/a/", "", True),
        ("clusters/a/web.yaml", "", True),
        (".", "", True),
        ("./clusters/b", "", False),
        ("./clusters/a-other", "", False),
        (".", "  policySelector: {matchLabels: {team: a}}\n", True),
        (".", "  policySelector: {matchLabels: {team: b}}\n", False),
        (
            ".",
            "  policySelector: {matchExpressions: [{key: team, operator: In, values: [a]}]}\n",
            True,
        ),
        (
            ".",
            "  policySelector: {matchExpressions: [{key: team, operator: DoesNotExist}]}\n",
            False,
        ),
    ],
)
def test_an_automation_says_where_markers_count(path: str, more: str, counts: bool) -> None:  # noqa: FBT001 - a column of the table
    """By its update path and its selector of policies; outside, the marker is a finding."""
    files = {
        "p.yaml": flux_policy(),
        "a.yaml": _automation(path, more),
        "clusters/a/web.yaml": _pod(),
    }
    scans, findings = scanned(files)

    assert bool(scans["clusters/a/web.yaml"].uses) == counts
    assert [f.id for f in findings] == ([] if counts else ["flux-marker-outside"])


def test_each_cluster_has_its_own_policy_of_one_name() -> None:
    """Of policies with the same name the one in the nearest folder counts."""
    files = {
        "clusters/a/flux/p.yaml": flux_policy(policy='{semver: {range: "1.x"}}'),
        "clusters/b/flux/p.yaml": flux_policy(policy='{semver: {range: "2.x"}}'),
        "clusters/a/web/web.yaml": _pod(),
        "clusters/b/web/web.yaml": _pod(),
    }
    made = planned(files, {"ghcr.io/acme/web": ("1.0.0", "1.9.0", "2.9.0")})

    assert {d.use.path: d.target.tag for d in made.decisions if d.target} == {
        "clusters/a/web/web.yaml": "1.9.0",
        "clusters/b/web/web.yaml": "2.9.0",
    }


def test_policies_that_are_as_near_and_disagree_decide_nothing() -> None:
    """Two policies of one name and of one distance are a finding, not a choice."""
    files = {
        "one/p.yaml": flux_policy(policy='{semver: {range: "1.x"}}'),
        "two/p.yaml": flux_policy(policy='{semver: {range: "2.x"}}'),
        "web.yaml": _pod(),
    }
    scans, findings = scanned(files)

    assert scans["web.yaml"].uses == ()
    assert [f.id for f in findings] == ["flux-marker-policy"]


def test_an_image_whose_policy_is_not_there_is_left_alone() -> None:
    """Whoever wrote the marker did not mean the default policy."""
    scans, (finding,) = scanned({"web.yaml": _pod()})

    assert scans["web.yaml"].uses == ()
    assert finding.id == "flux-marker-policy"
    assert str(finding.where) == "web.yaml:7:35"
    assert "there is no ImagePolicy apps/web" in scans["web.yaml"].skipped[0].reason


def test_a_rule_with_a_policy_stands_in_for_one_that_is_out_of_reach() -> None:
    """The way out that the finding names; a rule without a policy is none."""
    rule = "version: 1\nimages: [{match: '**', %s}]\n"
    config = load("c", (rule % "policy: {alphabetical: asc}").encode())
    other = load("c", (rule % "enabled: true").encode())
    files = {"web.yaml": _pod()}
    (decision,) = planned(files, {"ghcr.io/acme/web": ("1.0.0", "z")}, config).decisions

    assert decision.target
    assert decision.target.tag == "z"
    assert scanned(files, config)[1] == []
    assert [finding.id for finding in scanned(files, other)[1]] == ["flux-marker-policy"]


@pytest.mark.parametrize(
    "line",
    [
        'image: ghcr.io/acme/web:1.0.0 # see {"$imagepolicy": "apps:web"}',
        "image: ghcr.io/acme/web:1.0.0 # {'$imagepolicy': 'apps:web'}",
        'image: ghcr.io/acme/web:1.0.0 # {"$imagepolicy": "apps:web:TAG"}',
        'image: ghcr.io/acme/web:1.0.0 # {"$imagepolicy": "apps:web:tag"}',
    ],
)
def test_an_image_with_a_marker_that_does_nothing_is_left_alone(line: str) -> None:
    """It is skipped with the reason, and check has a finding for it."""
    text = f"{HEAD}spec:\n  containers:\n  - name: web\n    {line}\n"
    scans, findings = scanned({"web.yaml": text, "p.yaml": flux_policy()})

    assert scans["web.yaml"].uses == ()
    assert len(scans["web.yaml"].skipped) == len(findings) == 1


def test_a_marker_above_the_line_holds_that_line() -> None:
    """The image below a marker on a line of its own is left alone too."""
    marker = '# {"$imagepolicy": "apps:web"}'
    text = f"{HEAD}spec:\n  containers:\n  - name: web\n    {marker}\n    image: ghcr.io/acme/web:1.0.0\n"
    scans, (finding,) = scanned({"web.yaml": text, "p.yaml": flux_policy()})

    assert scans["web.yaml"].uses == ()
    assert finding.id == "flux-marker-own-line"


VALUES = """\
apiVersion: helm.toolkit.fluxcd.io/v2
kind: HelmRelease
metadata: {name: web}
spec:
  values:
    image:
      repository: ghcr.io/acme/web
      tag: 1.0.0 # {"$imagepolicy": "apps:web:tag"}
    other:
      full: ghcr.io/acme/web:1.0.0 # {"$imagepolicy": "apps:web"}
"""


def test_the_name_beside_a_tag_stands_in_for_an_object_that_is_elsewhere() -> None:
    """Without the ImageRepository, a name with a marker says which image the tag is of."""
    alone = flux_policy().partition("---\n")[2]
    named = VALUES.replace("acme/web\n", 'acme/web # {"$imagepolicy": "apps:web:name"}\n')
    tags = {"ghcr.io/acme/web": ("1.0.0", "1.10.0")}
    made = planned({"p.yaml": alone, "web.yaml": named}, tags)
    _, (finding,) = scanned({"p.yaml": alone, "web.yaml": VALUES})

    assert written(made)["web.yaml"] == named.replace("1.0.0", "1.10.0")
    assert "ImageRepository" in finding.message


def test_values_that_nothing_else_takes_for_an_image_are_written() -> None:
    """A tag and a whole reference in Helm values move, and the label says where they are."""
    files = {"p.yaml": flux_policy(), "web.yaml": VALUES}
    made = planned(files, {"ghcr.io/acme/web": ("1.0.0", "1.10.0")})

    assert made.decisions[0].why.endswith("in the range >=1.0.0 (ImagePolicy apps/web)")
    assert written(made)["web.yaml"] == VALUES.replace("1.0.0", "1.10.0")
    assert [d.use.label for d in made.decisions] == [
        "HelmRelease/web spec.values.image.tag",
        "HelmRelease/web spec.values.other.full",
    ]


def test_a_tag_and_a_digest_side_by_side_are_one_use() -> None:
    """Both move together, the digest to that of the new tag."""
    text = (
        "apiVersion: x/v1\nkind: X\nspec:\n"
        '  tag: 1.0.0 # {"$imagepolicy": "apps:web:tag"}\n'
        f'  digest: {DIGEST} # {{"$imagepolicy": "apps:web:digest"}}\n'
    )
    new = DIGEST.replace("a", "b").replace("shb", "sha")
    files = {"p.yaml": flux_policy(more="  digestReflectionPolicy: IfNotPresent\n"), "x.yaml": text}
    details = {("ghcr.io/acme/web", "1.1.0"): ImageDetails(new)}
    made = planned(files, {"ghcr.io/acme/web": ("1.0.0", "1.1.0")}, details=details)

    assert written(made)["x.yaml"] == text.replace("1.0.0", "1.1.0").replace(DIGEST, new)


def test_a_digest_under_a_policy_without_one_is_kept() -> None:
    """Flux would empty the value; imagebot says so and leaves it."""
    text = f'apiVersion: x/v1\nkind: X\ndigest: {DIGEST} # {{"$imagepolicy": "apps:web:digest"}}\n'
    scans, (finding,) = scanned({"p.yaml": flux_policy(), "x.yaml": text})

    assert scans["x.yaml"].uses == ()
    assert finding.id == "flux-marker-digest"


def test_a_reflected_digest_is_written_beside_the_tag() -> None:
    """A whole reference gets the digest that the policy asks for."""
    files = {"p.yaml": flux_policy(more="  digestReflectionPolicy: Always\n"), "web.yaml": _pod()}
    details = {("ghcr.io/acme/web", "1.0.0"): ImageDetails(DIGEST)}
    made = planned(files, {"ghcr.io/acme/web": ("1.0.0",)}, details=details)

    assert f"ghcr.io/acme/web:1.0.0@{DIGEST} #" in written(made)["web.yaml"]


def test_an_entry_of_a_kustomization_is_one_use_under_its_policy() -> None:
    """An entry is a kustomize use and a marked value at once: one use, the policy's."""
    text = (
        "images:\n- name: web\n  newName: ghcr.io/acme/web\n"
        '  newTag: 1.0.0 # {"$imagepolicy": "apps:web:tag"}\n'
    )
    (use,) = uses({"p.yaml": flux_policy(), "kustomization.yaml": text})

    assert use.kind == "kustomize"
    assert use.governed
    assert use.governed.by == "ImagePolicy apps/web"


def test_an_empty_tag_is_filled() -> None:
    """Flux writes into an empty text, and so does imagebot."""
    text = 'apiVersion: x/v1\nkind: X\ntag: "" # {"$imagepolicy": "apps:web:tag"}\n'
    made = planned(
        {"p.yaml": flux_policy(), "x.yaml": text}, {"ghcr.io/acme/web": ("1.0.0", "1.1.0")}
    )

    assert written(made)["x.yaml"] == text.replace('""', '"1.1.0"')


def test_the_own_configuration_wins_key_by_key() -> None:
    """A rule's policy replaces the object's, and the object's filter stays."""
    filtered = flux_policy(more="  filterTags: {pattern: '^1'}\n")
    config = load("c", b"version: 1\nimages: [{match: '**', policy: {alphabetical: asc}}]\n")
    files = {"p.yaml": filtered, "web.yaml": _pod()}
    (decision,) = planned(files, {"ghcr.io/acme/web": ("1.0.0", "1z", "zz")}, config).decisions

    assert decision.target
    assert decision.target.tag == "1z"


def test_a_rule_can_switch_a_suspended_image_on() -> None:
    """`enabled: true` is the repository's own word."""
    config = load("c", b"version: 1\nimages: [{match: '**', enabled: true}]\n")
    files = {"p.yaml": flux_policy(more="  suspend: true\n"), "web.yaml": _pod()}
    (decision,) = planned(files, {"ghcr.io/acme/web": ("1.0.0", "1.1.0")}, config).decisions

    assert decision.status == "update"


def test_unmarked_images_go_by_the_default() -> None:
    """Flux's objects govern what names them, and nothing else."""
    plain = f"{HEAD}spec:\n  containers:\n  - {{name: db, image: 'postgres:16.1'}}\n"
    made = planned({"p.yaml": flux_policy(), "db.yaml": plain}, {"postgres": ("16.1", "16.2")})

    assert [d.use.governed for d in made.decisions] == [None]
    assert written(made)["db.yaml"] == plain.replace("16.1", "16.2")


@pytest.mark.parametrize(
    "policy",
    ["{}", '{semver: {range: "not a range"}}', "{numerical: {order: sideways}}"],
)
def test_a_policy_that_cannot_be_read_stops_its_images(policy: str) -> None:
    """Never the default in its place, and the reason names the policy."""
    (decision,) = planned({"p.yaml": flux_policy(policy=policy), "web.yaml": _pod()}, {}).decisions

    assert decision.status == "disabled"
    assert "ImagePolicy apps/web" in decision.why


def test_objects_in_a_list_and_of_any_version_count() -> None:
    """`kind: List` and v1beta1 are read like any other."""
    items = (
        "- apiVersion: image.toolkit.fluxcd.io/v1beta1\n  kind: ImageRepository\n"
        "  metadata: {name: web, namespace: apps}\n  spec: {image: ghcr.io/acme/web}\n"
        "- apiVersion: image.toolkit.fluxcd.io/v1beta2\n  kind: ImagePolicy\n"
        "  metadata: {name: web, namespace: apps}\n"
        "  spec: {imageRepositoryRef: {name: web}, policy: {alphabetical: {order: asc}}}\n"
    )
    listed = f"apiVersion: v1\nkind: List\nitems:\n{items}"
    (use,) = uses({"p.yaml": listed, "web.yaml": _pod()})

    assert use.governed
    assert use.governed.policy == ("alphabetical", "asc")


def test_nothing_changes_where_no_other_updater_is() -> None:
    """A repository without objects and markers is as it was."""
    text = f"{HEAD}spec:\n  containers:\n  - {{name: db, image: 'postgres:16.1'}}\n"
    scans, findings = scanned({"db.yaml": text})

    assert scans == {"db.yaml": scan_file("db.yaml", text.encode())}
    assert findings == []
    assert Config.default().rules == ()
