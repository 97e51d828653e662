"""Silent faults of kustomizations; `test_kustomize_truth.py` proves that they are faults."""

from __future__ import annotations

from imagebot.errors import Where
from imagebot.manifests.findings import Finding
from imagebot.manifests.lint import findings


def test_findings_name_the_fault_the_place_and_the_fix() -> None:
    """A number, a boolean, a null and a repeated name, in the order of the text."""
    data = b"""images:
- name: a
  newTag: 1.10
- name: b
  newTag: yes # really
- name: a
  newTag: ~
- {name: c, newTag: '1.10'}
"""
    assert findings("o/kustomization.yaml", data) == (
        Finding(
            "unquoted-tag",
            Where("o/kustomization.yaml", 3, 11),
            "newTag 1.10 is a number to YAML: the build fails or the tag changes",
            'write "1.10"',
            "error",
        ),
        Finding(
            "unquoted-tag",
            Where("o/kustomization.yaml", 5, 11),
            "newTag yes is a boolean to YAML: the build fails or the tag changes",
            'write "yes"',
            "error",
        ),
        Finding(
            "duplicate-name",
            Where("o/kustomization.yaml", 6, 9),
            "images has 'a' twice (first on line 2); the last one wins",
            "keep one of the entries",
            "error",
        ),
        Finding(
            "unquoted-tag",
            Where("o/kustomization.yaml", 7, 11),
            "newTag is null: kustomize takes it as not there and changes nothing",
            "write the tag, in quotes, or remove the line",
            "error",
        ),
    )


def test_other_files_have_no_findings() -> None:
    """Only the first document of a kustomization is judged; unreadable files are the scan's to tell."""
    data = b"images: [{name: a, newTag: 1.10}]\n"
    assert findings("values.yaml", data) == ()
    assert findings("kustomization.yaml", b"resources: []\n---\n" + data) == ()
    assert findings("kustomization.yaml", data + b"a: [") == ()
    assert findings("kustomization.yaml", b"") == ()
    assert len(findings("Kustomization", data)) == 1
    assert (
        len(
            findings(
                "x.yaml", b"kind: Kustomization\napiVersion: kustomize.config.k8s.io/v1\n" + data
            )
        )
        == 1
    )
