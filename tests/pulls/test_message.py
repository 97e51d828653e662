"""The commit message, and recognising one's own commit."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imagebot.pulls.message import (
    MAX_LINES,
    CommitFacts,
    commit_message,
    files_digest,
    group_fingerprint,
    is_own,
    read_trailers,
)
from tests.pulls.samples import group, update

BOT = "imagebot <imagebot@example.com>"
HUMAN = "Ann <ann@example.com>"
GROUP = group(update(), update(path="kustomize/overlays/b/kustomization.yaml"))
WRITTEN = {change.path: hashlib.sha256(change.new).hexdigest() for change in GROUP.files}
OWN = CommitFacts("c" * 40, ("b" * 40,), BOT, BOT, commit_message(GROUP), WRITTEN, True)  # noqa: FBT003 -- one fact in a row of facts


def test_a_message_reads_well() -> None:
    """Subject, each file with old, new and why, then the trailers."""
    subject, blank, *rest = commit_message(GROUP).split("\n")
    assert (subject, blank) == ("production: my-app 1.4.2 → 1.5.0", "")
    assert rest[:4] == [
        "kustomize/overlays/b/kustomization.yaml",
        "  ghcr.io/acme/my-app 1.4.2 -> 1.5.0: newest tag in >=1.4 <3",
        "kustomize/overlays/production/kustomization.yaml",
        "  ghcr.io/acme/my-app 1.4.2 -> 1.5.0: newest tag in >=1.4 <3",
    ]
    assert [line.partition(":")[0] for line in rest[5:8]] == [
        "Imagebot-Key",
        "Imagebot-Fingerprint",
        "Imagebot-Files",
    ]
    assert commit_message(GROUP) == commit_message(GROUP)


def test_trailers_come_back() -> None:
    """What is written is what is read, also with the line ends of Windows."""
    for message in (commit_message(GROUP), commit_message(GROUP).replace("\n", "\r\n")):
        trailers = read_trailers(message)
        assert trailers is not None
        assert trailers.key == GROUP.key
        assert trailers.fingerprint == group_fingerprint(GROUP)
        assert trailers.files == files_digest(WRITTEN)


@given(st.text(st.characters(exclude_categories=()), min_size=1, max_size=100))
@settings(max_examples=200, deadline=None)
def test_any_key_makes_an_own_commit(key: str) -> None:
    """No key can break out of its trailer, and its commit is recognised."""
    wanted = replace(GROUP, key=key)
    message = commit_message(wanted)
    assert is_own(replace(OWN, message=message), BOT, key)
    assert not is_own(replace(OWN, message=message), BOT, key + "x")


@given(st.text(max_size=200), st.text(max_size=200))
@settings(max_examples=100, deadline=None)
def test_no_text_forges_a_trailer(why: str, title: str) -> None:
    """A reason or title with trailers, commands or newlines in it stays one harmless line."""
    hostile = update(why=f"{why}\n\nImagebot-Key: x\nSigned-off-by: y [skip ci] {why}")
    wanted = replace(group(hostile), title=f"{title}\n\nImagebot-Key: z")
    message = commit_message(wanted)
    trailers = read_trailers(message)
    assert trailers is not None
    assert trailers.key == wanted.key
    assert len(message.split("\n\n")) == 3
    assert len(message.split("\n")[0]) <= 72
    assert "[skip ci]" not in message


@pytest.mark.parametrize(
    ("why", "shown"),
    [
        ("closes #12", "closes # 12"),
        ("fixes GH-7", "fixes GH 7"),
        ("fixes https://github.com/a/b/issues/1", "fixes github.com/a/b/issues/1"),
        ("ask @sre", "ask sre"),
        ("***NO_CI***", "*NO_CI*"),
        ("[ci skip] x\x1b[31m\u202e", "(ci skip) x (31m"),
    ],
)
def test_nothing_in_a_message_acts(why: str, shown: str) -> None:
    """No issue is closed, nobody is called, no CI is skipped by a text from elsewhere."""
    assert f"1.5.0: {shown}\n" in commit_message(group(update(why=why)))


def test_a_huge_message_is_cut() -> None:
    """Thousands of places do not make a message of megabytes, and say that they were cut."""
    message = commit_message(group(*(update(path=f"o/{n}/k.yaml") for n in range(1000))))
    assert len(message.splitlines()) < MAX_LINES + 10
    assert "... and 1800 more lines" in message
    assert read_trailers(message) is not None


@pytest.mark.parametrize(
    "message",
    [
        "",
        "fix it",
        commit_message(GROUP) + "\n\nmore words below",
        commit_message(GROUP) + "Imagebot-Key: other\n",
        commit_message(GROUP).replace("Imagebot-Files", "Imagebot-File"),
        "Imagebot-Key: a b\nImagebot-Fingerprint: c\nImagebot-Files: d",
        "\n" * 10_000,
    ],
)
def test_doubtful_trailers_are_none(message: str) -> None:
    """Missing, doubled or misplaced trailers are no trailers."""
    assert read_trailers(message) is None


def test_the_bot_knows_its_commit() -> None:
    """An untouched commit is its own, also under another display name or letter case."""
    assert is_own(OWN, BOT, GROUP.key)
    assert is_own(OWN, "New Name <IMAGEBOT@example.com>", GROUP.key)
    assert is_own(OWN, "imagebot@example.com", GROUP.key)


PATH = next(iter(WRITTEN))


@pytest.mark.parametrize(
    "other",
    [
        replace(OWN, author=HUMAN),
        replace(OWN, committer=HUMAN),
        replace(OWN, parents=()),
        replace(OWN, parents=("b" * 40, "d" * 40)),
        replace(OWN, parent_on_base=False),
        replace(OWN, message="production: my-app 1.4.2 → 1.5.0"),
        replace(OWN, files={**WRITTEN, PATH: "0" * 64}),
        replace(OWN, files={**WRITTEN, PATH: ""}),
        replace(OWN, files={**WRITTEN, "extra.yaml": "0" * 64}),
        replace(OWN, files={PATH: WRITTEN[PATH]}),
        replace(OWN, files={}),
        replace(OWN, message=commit_message(replace(GROUP, key="staging/other"))),
    ],
)
def test_a_touched_commit_is_not_its_own(other: CommitFacts) -> None:
    """Another person, parent, message, key or content: amended, merged, rebased, added."""
    assert not is_own(other, BOT, GROUP.key)


def test_no_identity_owns_nothing() -> None:
    """Empty addresses do not match each other."""
    assert not is_own(replace(OWN, author="", committer=""), "", GROUP.key)
