"""What is the local forge's own: files that people edit, and many processes at once."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from imagebot.errors import ForgeError, GitError, NoCommits
from imagebot.forge.local import Branches, LocalForge
from tests.support.fakegit import GitBranches, commit_file
from tests.support.localrace import local_forge

HEAD = "imagebot/web-1a2b3c4d"
ROOT = Path(__file__).parents[2]


def prepared(bare: Path, *heads: str) -> LocalForge:
    for head in heads or (HEAD,):
        commit_file(bare, head, "app.yaml", head, base="main")
    return local_forge(bare)


def create(forge: LocalForge, head: str = HEAD):
    return forge.create(head=head, base="main", title="Update web", body="# Body\n")


def folder(bare: Path) -> Path:
    return bare / "imagebot" / "pulls"


def test_what_lies_on_disk(bare: Path) -> None:
    """A request is a readable record and its body as Markdown, and nothing half written."""
    create(prepared(bare))
    files = sorted(path.name for path in folder(bare).iterdir())
    assert files == [".lock", "1.json", "1.md"]
    assert (folder(bare) / "1.md").read_text() == "# Body\n"
    record = json.loads((folder(bare) / "1.json").read_text())
    assert record["state"] == "open"
    assert record["head"] == HEAD
    assert (folder(bare) / "1.json").stat().st_mode & 0o777 == 0o644


def test_looking_writes_nothing(bare: Path) -> None:
    """A repository without requests is not written to by looking."""
    forge = local_forge(bare)
    assert list(forge.open_pulls("")) == []
    assert not (bare / "imagebot").exists()


def test_eight_processes_at_once(bare: Path) -> None:
    """Eight processes number their requests without gap or clash, and share no request twice."""
    own = [f"imagebot/own-{worker}-{index}" for worker in range(8) for index in range(4)]
    prepared(bare, *own, *(f"imagebot/shared-{index}" for index in range(4)))
    racers = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.support.localrace", str(bare), str(worker)],
            cwd=ROOT,
            stdout=subprocess.PIPE,
        )
        for worker in range(8)
    ]
    results = [json.loads(racer.communicate(timeout=60)[0]) for racer in racers]
    numbers = sorted(number for result in results for number in result)
    assert numbers == list(range(1, 37))
    heads = [pull.head for pull in local_forge(bare).open_pulls("imagebot/")]
    assert len(heads) == len(set(heads)) == 36


BROKEN = {
    "no JSON": ('{\n  "number": 1,,\n}', "1.json:2:"),
    "no object": ("[1]", "1.json"),
    "another number": ('{"number": 2, "state": "open", "head": "a", "base": "b"}', "number is 2"),
    "no state": ('{"number": 1, "state": "opne", "head": "a", "base": "b"}', "'opne'"),
    "no head": ('{"number": 1, "state": "open"}', "no head"),
    "empty": ("", "1.json:1:1"),
    "deep": ("[" * 100_000, "1.json"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_record_is_named(bare: Path, name: str) -> None:
    """A record that cannot be read is an error that names file and place, and stays as it is."""
    content, told = BROKEN[name]
    forge = prepared(bare)
    create(forge)
    path = folder(bare) / "1.json"
    path.write_text(content)
    for call in (
        lambda: forge.open_pulls(""),
        lambda: forge.get(1),
        lambda: create(forge),
        lambda: forge.update(1, title="x"),
    ):
        with pytest.raises(ForgeError) as caught:
            call()
        assert str(path) in str(caught.value)
        assert told in str(caught.value)
        assert caught.value.hint
    assert path.read_text() == content


def test_a_body_that_is_not_text(bare: Path) -> None:
    """A body file that is no UTF-8 is named; a body file that is gone is an empty body."""
    forge = prepared(bare)
    create(forge)
    (folder(bare) / "1.md").write_bytes(b"\xff\xfe")
    with pytest.raises(ForgeError) as caught:
        forge.get(1)
    assert "1.md" in str(caught.value)
    (folder(bare) / "1.md").unlink()
    shown = forge.get(1)
    assert shown is not None
    assert shown.body == ""


def test_a_person_edits_the_record(bare: Path) -> None:
    """Title, state and body that a person wrote are what is shown; strange keys do no harm."""
    forge = prepared(bare)
    create(forge)
    path = folder(bare) / "1.json"
    record = json.loads(path.read_text()) | {"title": "Mine", "state": "merged", "note": "squashed"}
    path.write_text(json.dumps(record))
    path.with_suffix(".md").write_bytes(b"by hand\r\n")
    shown = forge.get(1)
    assert shown is not None
    assert (shown.title, shown.state, shown.body) == ("Mine", "merged", "by hand\r\n")


def test_a_fast_forward_is_a_merge(bare: Path) -> None:
    """A base that was moved onto the head has merged it."""
    forge = prepared(bare)
    made = create(forge)
    GitBranches(bare).git("update-ref", "refs/heads/main", made.head_sha)
    assert [p.state for p in forge.history(HEAD, "main")] == ["merged"]


def test_a_deleted_branch_closes(bare: Path) -> None:
    """A head branch that is deleted without a merge closes its request, for good."""
    forge = prepared(bare)
    create(forge)
    sha = GitBranches(bare).tip(HEAD)
    GitBranches(bare).delete(HEAD)
    assert [p.state for p in forge.history(HEAD, "main")] == ["closed"]
    GitBranches(bare).git("update-ref", f"refs/heads/{HEAD}", sha)
    assert [p.state for p in forge.history(HEAD, "main")] == ["closed"]


def test_a_merge_that_nobody_saw(bare: Path) -> None:
    """A merge is found even when the branch was deleted and made anew before anyone looked."""
    forge = prepared(bare)
    made = create(forge)
    GitBranches(bare).merge(made.head_sha, "main", squash=False)
    commit_file(bare, HEAD, "app.yaml", "next\n", base="main")
    assert [p.state for p in forge.history(HEAD, "main")] == ["merged"]
    assert create(forge).number == 2


def test_nothing_new_to_merge(bare: Path) -> None:
    """A head that its base already has is NoCommits, and no file is made."""
    forge = prepared(bare)
    GitBranches(bare).git("update-ref", f"refs/heads/{HEAD}", "refs/heads/main")
    with pytest.raises(NoCommits):
        create(forge)
    assert list(folder(bare).glob("*.json")) == []


def test_numbers_are_never_used_again(bare: Path) -> None:
    """The next number follows the highest, closed requests included."""
    forge = prepared(bare)
    create(forge)
    forge.update(1, close=True)
    assert create(forge).number == 2


def test_git_that_fails(bare: Path) -> None:
    """A failure of git comes out as the forge's."""

    def fail(*_: str) -> str:
        raise GitError("git is gone", retryable=True)

    forge = LocalForge(bare, branches=Branches(head_of=fail, is_ancestor=lambda *_: False))
    with pytest.raises(ForgeError) as caught:
        create(forge)
    assert caught.value.retryable


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    """A place that cannot be written is an error that names it."""
    (tmp_path / "imagebot").write_text("a file in the way")
    forge = local_forge(tmp_path)
    with pytest.raises(ForgeError) as caught:
        create(forge)
    assert str(tmp_path) in caught.value.message
