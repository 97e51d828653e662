"""Comments to the bot that do nothing are told."""

from __future__ import annotations

import time

import pytest

from imagebot.manifests.markers import findings

HEAD = "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec:\n  containers:\n"


@pytest.mark.parametrize(
    ("line", "found", "fix"),
    [
        ("  - image: a:1 # imagebot: ignore", "", ""),
        ("  - image: a:1 # imagebot: ignore -- why", "", ""),
        ("  - image: a # imagebot: ignore", "", ""),
        ("  - image: a:1 # about imagebot and its images", "", ""),
        ("  - image: a:1 # imagebot keeps this", "", ""),
        ("  - image: a:1 # see imagebot: ignore", "", ""),
        ("  - image: 'a:1' # imagebot: ignroe", "unknown-marker 6:18", "did you mean `ignore`?"),
        ("  - image: a:1 # imagebot: ignored", "unknown-marker 6:16", "did you mean `ignore`?"),
        ("  - image: a:1 # imagebot: Ignore", "unknown-marker 6:16", "did you mean `ignore`?"),
        ("  - image: a:1 # ImageBot: ignore", "unknown-marker 6:16", "write `# imagebot: ignore -- reason`"),
        ("  - image: a:1 # imagebot ignore", "unknown-marker 6:16", "write `# imagebot: ignore -- reason`"),
        ("  - image: a:1 # imagebot=ignore", "unknown-marker 6:16", "write `# imagebot: ignore -- reason`"),
        ("  - image: a:1 # imagebot: policy=semver", "unknown-marker 6:16", "write `# imagebot: ignore -- reason`"),
        ("  - image: a:1 # imagebot:", "unknown-marker 6:16", "write `# imagebot: ignore -- reason`"),
        ("  # imagebot: ignore\n  - image: a:1", "stray-marker 6:3", "put it at the end of the line with the image or its tag"),
        ("  - name: c # imagebot: ignore\n    image: a:1", "stray-marker 6:13", "put it at the end of the line with the image or its tag"),
        ("  - image: a:1\n    args: ['# imagebot: nothing']", "", ""),
        ("  - image: a:1\n    args:\n    - |\n      # imagebot: ignroe", "", ""),
        ("  - {image: 'a:1', name: c} # imagebot: ignore", "", ""),
        ("  - image: >- # imagebot: ignore\n      a:1", "", ""),
        ("  - image: # imagebot: ignore\n      a:1", "stray-marker 6:12", "put it at the end of the line with the image or its tag"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_a_comment_that_does_nothing_is_found(
    line: str, found: str, fix: str, newline: str
) -> None:
    """Misspelt words and comments on other lines have an id, a place and a fix; effective ones have none."""
    made = findings("x.yaml", (HEAD + line + "\n").replace("\n", newline).encode())
    assert [f"{f.id} {f.where.line}:{f.where.column}" for f in made] == ([found] if found else [])
    assert [f.fix for f in made] == ([fix] if fix else [])
    assert all(f.severity == "warning" and f.where.path == "x.yaml" and f.message for f in made)


def test_every_line_of_a_kustomize_entry_may_carry_the_comment() -> None:
    """The name's line and the tag's line are both lines of the image."""
    data = b"images:\n- name: a # imagebot: ignore\n  newTag: v1\n- name: b\n  newTag: v1 # imagebot: ignore\n"
    assert findings("kustomization.yaml", data) == ()
    assert [f.id for f in findings("kustomization.yaml", b"# imagebot: ignore\n" + data)] == [
        "stray-marker"
    ]


def test_a_file_that_cannot_be_read_or_says_nothing_has_no_findings() -> None:
    """Its scan tells the reason, once."""
    assert findings("x.yaml", b"a: [ # imagebot: ignroe") == ()
    assert findings("x.yaml", b"\xff") == ()


def test_many_comments_take_time_in_proportion() -> None:
    """A file full of wrong comments is told in seconds."""
    began = time.process_time()
    assert len(findings("x.yaml", b"a:\n" + b"- b # imagebot: x\n" * 50_000)) == 50_000
    assert time.process_time() - began < 8
