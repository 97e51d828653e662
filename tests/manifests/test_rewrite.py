"""From a use and a version to edits, by table."""

from __future__ import annotations

from dataclasses import replace

import pytest

from imagebot.errors import EditRefused, Where
from imagebot.imageref import parse
from imagebot.manifests.rewrite import edits_for
from imagebot.model import ImageUse, Role, Slot

OLD, NEW = (f"sha256:{half * 4}" for half in ("0123456789abcdef", "fedcba9876543210"))


def _use(image: str, slots: list[tuple[Role, str]]) -> ImageUse:
    where = Where("f.yaml", 3, 5)
    made = tuple(Slot(role, 1, ("images", 0, role), text, where) for role, text in slots)
    return ImageUse("kustomize", "images[0] a", parse(image), made, where)


@pytest.mark.parametrize(
    ("slots", "tag", "digest", "new"),
    [
        ([("reference", "a:1")], "2", "", ["a:2"]),
        ([("reference", "a:1")], "2", NEW, [f"a:2@{NEW}"]),
        ([("reference", "a:1")], "", NEW, [f"a@{NEW}"]),
        ([("reference", f"a:1@{OLD}")], "2", "", ["a:2"]),
        ([("reference", f"a@{OLD}")], "2", "", ["a:2"]),
        ([("reference", "index.docker.io/library/a:1")], "2", "", ["index.docker.io/library/a:2"]),
        ([("reference", "localhost:5000/A.b/c:1".lower())], "2", "", ["localhost:5000/a.b/c:2"]),
        ([("reference", "docker-daemon:a:1")], "2", "", ["docker-daemon:a:2"]),
        ([("reference", "a:1")], "1", "", []),
        ([("tag", "1")], "2", "", ["2"]),
        ([("tag", "1")], "1", "", []),
        ([("digest", OLD)], "", NEW, [NEW]),
        ([("digest", OLD)], "", OLD, []),
        ([("tag", "1"), ("digest", OLD)], "2", NEW, ["2", NEW]),
        ([("tag", "1"), ("digest", OLD)], "1", NEW, [NEW]),
        ([("tag", f"1@{OLD}")], "2", NEW, [f"2@{NEW}"]),
        ([("tag", f"1@{OLD}")], "2", "", ["2"]),
    ],
)  # fmt: skip
def test_each_scalar_gets_its_part_of_the_version(
    slots: list[tuple[Role, str]], tag: str, digest: str, new: list[str]
) -> None:
    """References keep their name as written; tags and digests go to their own scalars; no change, no edit."""
    edits = edits_for(_use("a:1", slots), tag, digest)
    assert [edit.new for edit in edits] == new
    by_keys = {("images", 0, role): text for role, text in slots}
    for edit in edits:
        assert (edit.path, edit.document, edit.old, edit.where) == (
            "f.yaml",
            1,
            by_keys[edit.keys],
            Where("f.yaml", 3, 5),
        )


@pytest.mark.parametrize(
    ("slots", "tag", "digest", "message"),
    [
        ([("tag", "1")], "", NEW, "tag is a value of its own"),
        ([("digest", OLD)], "2", NEW, "no place for a tag"),
        ([("digest", OLD)], "2", "", "no place for a tag"),
        ([("tag", "1"), ("digest", OLD)], "2", "", "digest is a value of its own"),
        ([("tag", "1"), ("digest", OLD)], "", NEW, "tag is a value of its own"),
        ([("tag", f"1@{OLD}")], "", NEW, "tag is a value of its own"),
        ([("reference", "a:1")], "", "", "needs a tag or a digest"),
        ([("reference", "a:1")], "2 # x", "", "no tag and digest"),
        ([("reference", "a:1")], "2", "sha256:1", "no tag and digest"),
    ],
)
def test_a_version_that_the_place_cannot_say_is_refused(
    slots: list[tuple[Role, str]], tag: str, digest: str, message: str
) -> None:
    """Lines are never removed; the refusal names the use and its place."""
    with pytest.raises(EditRefused, match=message) as refused:
        edits_for(_use("a:1", slots), tag, digest)
    assert refused.value.message.startswith("images[0] a: ")
    assert refused.value.where == Where("f.yaml", 3, 5)


def test_a_kustomization_gets_its_digest_behind_the_tag() -> None:
    """An entry with a tag alone is pinned by a new key; the tag may move at once."""
    use = _use("a:1", [("tag", "1")])
    (added,) = edits_for(use, "1", NEW)
    assert (added.keys, added.old, added.new, added.after) == (
        ("images", 0, "digest"),
        "",
        NEW,
        "tag",
    )
    assert [(edit.keys[-1], edit.new) for edit in edits_for(use, "2", NEW)] == [
        ("tag", "2"),
        ("digest", NEW),
    ]


def test_a_lone_tag_elsewhere_gets_no_digest() -> None:
    """Only a kustomization is known to read a digest beside a tag."""
    use = replace(_use("a:1", [("tag", "1")]), kind="marker")
    with pytest.raises(EditRefused, match="no place for a digest"):
        edits_for(use, "2", NEW)
