from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from imagebot.errors import BusyError, EditRefused, GitError, StartError, UsageError
from imagebot.gitrepo.fastimport import quote
from imagebot.gitrepo.mirror import CommitRequest, Mirror
from imagebot.gitrepo.objects import Identity
from imagebot.gitrepo.push import RefUpdate
from tests.gitrepo.conftest import BOT, OpenMirror
from tests.support.gitrepos import RemoteRepo, git


def bump(parent: str, version: str, path: str = "apps/web.yaml") -> CommitRequest:
    return CommitRequest(
        parent, {path: f"image: web:{version}\n".encode()}, f"Update to {version}", BOT
    )


def test_fetch_finds_the_default_branch_and_the_bots_branches_alone(
    remote: RemoteRepo, open_mirror: OpenMirror
) -> None:
    """A snapshot has the remote's own default branch, and no branch of people."""
    base = remote.sha("main")
    ours = remote.commit({"apps/web.yaml": b"image: web:2\n"}, branch="imagebot/web", parent=base)
    remote.commit({"x": b"1"}, branch="feature/imagebot/web", parent=base)
    snapshot = open_mirror().fetch()
    assert (snapshot.base, snapshot.base_sha) == ("main", base)
    assert dict(snapshot.branches) == {"imagebot/web": ours}


def test_fetch_follows_a_renamed_default_branch(
    tmp_path: Path, remote: RemoteRepo, open_mirror: OpenMirror
) -> None:
    """The default branch is asked for each time; a mirror of an earlier name is no obstacle."""
    mirror = open_mirror()
    assert mirror.fetch().base == "main"
    git(remote.path, "branch", "-m", "main", "trunk")
    assert mirror.fetch().base == "trunk"


def test_fetch_of_a_named_base(remote: RemoteRepo, open_mirror: OpenMirror) -> None:
    """A base branch given by the configuration is used instead of the default."""
    sha = remote.commit({"a": b"1"}, branch="release/1", parent=remote.sha("main"))
    assert open_mirror(base="release/1").fetch().base_sha == sha


def test_a_missing_base_is_named(open_mirror: OpenMirror) -> None:
    """A base branch that is gone is an error that says so, not an empty snapshot."""
    with pytest.raises(GitError, match="gone") as caught:
        open_mirror(base="gone").fetch()
    assert "branch does not exist" in caught.value.hint


def test_an_empty_repository_is_an_error(tmp_path: Path) -> None:
    """A repository without a commit has no default branch to look at."""
    empty = RemoteRepo(tmp_path / "empty.git")
    with (
        Mirror.open(empty.url, tmp_path / "w", allow_local=True) as mirror,
        pytest.raises(GitError, match="default"),
    ):
        mirror.fetch()


def test_fetch_sees_moved_deleted_and_renested_branches(
    remote: RemoteRepo, open_mirror: OpenMirror
) -> None:
    """Force-pushed base, deleted branches, and a branch name that became a folder are all seen."""
    base = remote.sha("main")
    first = remote.commit({"a": b"1"}, branch="imagebot/a", parent=base)
    mirror = open_mirror()
    assert mirror.fetch().branches == {"imagebot/a": first}
    git(remote.path, "update-ref", "-d", "refs/heads/imagebot/a")
    nested = remote.commit({"a": b"2"}, branch="imagebot/a/b", parent=base)
    git(remote.path, "update-ref", "refs/heads/main", nested)
    snapshot = mirror.fetch()
    assert (snapshot.base_sha, dict(snapshot.branches)) == (nested, {"imagebot/a/b": nested})


def test_tree_and_contents_with_modes_and_odd_names(
    remote: RemoteRepo, open_mirror: OpenMirror
) -> None:
    """Every file is listed with its mode, whatever its name; contents are byte for byte."""
    odd = {
        "-x.yaml": b"1",
        'a b\tc\n"q\\.yaml': b"2",
        "ü.yaml": b"\xff\x00\r\n",
        "link": ("120000", b"/etc/passwd"),
        "sub": ("160000", remote.sha("main").encode()),
    }
    sha = remote.commit(odd)
    mirror = open_mirror()
    mirror.fetch()
    entries = {entry.path: entry for entry in mirror.tree(sha)}
    modes = {path: entry.mode for path, entry in entries.items()}
    assert modes["run.sh"] == "100755"
    assert (modes["link"], modes["sub"]) == ("120000", "160000")
    assert [path for path, entry in entries.items() if not entry.regular] == ["link", "sub"]
    contents = mirror.read([entry.sha for entry in entries.values() if entry.regular])
    assert contents[entries["ü.yaml"].sha] == b"\xff\x00\r\n"
    assert contents[entries['a b\tc\n"q\\.yaml'].sha] == b"2"
    assert contents[entries["README.md"].sha] == b"hello\r\n"


def test_a_name_that_is_no_utf8_survives(remote: RemoteRepo, open_mirror: OpenMirror) -> None:
    """A path of arbitrary bytes can be listed and looked up again."""
    blob = remote.blob(b"x")
    tree = (
        git(remote.path, "mktree", "-z", stdin=b"100644 blob " + blob.encode() + b"\tb\xffd.yaml\0")
        .decode()
        .strip()
    )
    commit = git(remote.path, "commit-tree", tree, "-m", "bytes").decode().strip()
    git(remote.path, "update-ref", "refs/heads/main", commit)
    mirror = open_mirror()
    mirror.fetch()
    (entry,) = mirror.tree(commit)
    assert os.fsencode(entry.path) == b"b\xffd.yaml"
    assert mirror.blob_shas(commit, [entry.path]) == {entry.path: blob}


def test_reading_is_bounded(remote: RemoteRepo, open_mirror: OpenMirror) -> None:
    """A blob over the limit is left out; all of them over the total is an error."""
    sha = remote.commit({"big": b"x" * 5000, "small": b"y" * 10})
    mirror = open_mirror()
    mirror.fetch()
    shas = {entry.path: entry.sha for entry in mirror.tree(sha)}
    found = mirror.read([shas["big"], shas["small"]], max_blob=4999)
    assert list(found) == [shas["small"]]
    with pytest.raises(EditRefused, match="over the limit"):
        mirror.read([shas["big"], shas["small"]], max_total=5009)


def test_blobs_are_left_out_and_then_fetched_in_one_batch(
    remote: RemoteRepo, open_mirror: OpenMirror
) -> None:
    """A server that can filter sends no contents at first, and all that are asked for at once."""
    mirror = open_mirror()
    snapshot = mirror.fetch()
    shas = [entry.sha for entry in mirror.tree(snapshot.base_sha)]
    packs = mirror.directory.git_dir / "objects" / "pack"
    assert len(mirror._objects._sizes(shas)) == 0
    before = len(list(packs.glob("*.pack")))
    assert len(mirror.read(shas)) == len(set(shas))
    assert len(list(packs.glob("*.pack"))) == before + 1


def test_a_server_that_cannot_filter_sends_everything(
    remote: RemoteRepo, open_mirror: OpenMirror
) -> None:
    """Without filter support the contents are there after the first fetch."""
    git(remote.path, "config", "uploadpack.allowFilter", "false")
    mirror = open_mirror()
    shas = [entry.sha for entry in mirror.tree(mirror.fetch().base_sha)]
    assert len(mirror._objects._sizes(shas)) == len(set(shas))


def test_a_server_that_filters_but_gives_no_single_blob(
    remote: RemoteRepo, open_mirror: OpenMirror
) -> None:
    """When the batch is refused, the mirror is fetched whole, and stays whole."""
    mirror = open_mirror()
    shas = [entry.sha for entry in mirror.tree(mirror.fetch().base_sha)]
    git(remote.path, "config", "uploadpack.allowFilter", "false")
    real, refused = type(mirror.git).run, []

    def run(self, args, **options):
        if "--stdin" in args and args[0] == "fetch":
            refused.append(args)
            raise GitError("upload-pack: not our ref")
        return real(self, args, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(mirror.git), "run", run)
        assert len(mirror.read(shas)) == len(set(shas))
    assert len(refused) == 1
    assert not mirror.directory.blobless()


def test_commits_are_the_same_in_two_mirrors(remote: RemoteRepo, open_mirror: OpenMirror) -> None:
    """The same requests give the same shas elsewhere, with the parent's date."""
    requests = [bump(remote.sha("main"), "2.0"), bump(remote.sha("main"), "3.0", "apps/api.yaml")]
    made = []
    for name in ("one", "two"):
        mirror = open_mirror(name)
        mirror.fetch()
        made.append(mirror.commit(requests))
    assert made[0] == made[1]
    info = mirror.commit_info(made[0][0])
    assert info.parents == (remote.sha("main"),)
    assert (info.committer.time, info.committer.offset) == (1700000000, "+0200")
    assert (info.author.name, info.author.email) == (BOT.name, BOT.email)
    assert info.message == "Update to 2.0\n"


def test_a_commit_changes_the_given_bytes_alone(
    remote: RemoteRepo, open_mirror: OpenMirror
) -> None:
    """Modes stay, other files stay, and the content is exact, whatever is in it."""
    base = remote.sha("main")
    content = b"data 3\nabc\ncommit refs/heads/main\n\x00\xff\r\n"
    mirror = open_mirror()
    mirror.fetch()
    (sha,) = mirror.commit(
        [CommitRequest(base, {"run.sh": content, "apps/web.yaml": b""}, "m\n\nbody\n\n", BOT)]
    )
    changed = {entry.path: entry.mode for entry in mirror.changed(base, sha)}
    assert changed == {"run.sh": "100755", "apps/web.yaml": "100644"}
    assert mirror.read([mirror.blob_shas(sha, ["run.sh"])["run.sh"] or ""])
    assert mirror.push([RefUpdate("imagebot/x", sha, None)])["imagebot/x"].ok
    assert remote.show("imagebot/x", "run.sh") == content
    assert remote.show("imagebot/x", "README.md") == b"hello\r\n"


def test_many_parents_and_many_commits_in_one_process(
    remote: RemoteRepo, open_mirror: OpenMirror
) -> None:
    """Commits on different parents, in any order, do not leak into each other."""
    base = remote.sha("main")
    other = remote.commit({"apps/other.yaml": b"o"}, branch="imagebot/o", parent=base)
    mirror = open_mirror()
    mirror.fetch()
    shas = mirror.commit(
        [bump(base, "2"), bump(other, "3"), bump(base, "4", "apps/api.yaml"), bump(base, "2")]
    )
    assert shas[0] == shas[3]
    assert [mirror.commit_info(sha).parents[0] for sha in shas] == [base, other, base, base]
    assert [entry.path for entry in mirror.changed(base, shas[2])] == ["apps/api.yaml"]
    assert mirror.blob_shas(shas[0], ["apps/other.yaml"]) == {"apps/other.yaml": None}


REFUSED = {
    "a link": "link",
    "a submodule": "sub",
    "a folder": "apps",
    "a new file": "apps/new.yaml",
    "behind a link": "link/web.yaml",
    "a workflow": ".github/workflows/ci.yaml",
    "attributes": ".gitattributes",
    "above the root": "../outside",
    "absolute": "/etc/passwd",
}


@pytest.mark.parametrize("path", REFUSED.values(), ids=REFUSED.keys())
def test_only_existing_plain_files_are_committed(
    remote: RemoteRepo, open_mirror: OpenMirror, path: str
) -> None:
    """Anything but a regular file that exists and may be changed is refused, and nothing is made."""
    sha = remote.commit(
        {
            "link": ("120000", b"apps"),
            "sub": ("160000", remote.sha("main").encode()),
            ".github/workflows/ci.yaml": b"on: push\n",
            ".gitattributes": b"* text\n",
        }
    )
    mirror = open_mirror()
    mirror.fetch()
    with pytest.raises(EditRefused) as caught:
        mirror.commit([bump(sha, "2"), bump(sha, "2", path)])
    assert caught.value.where is not None
    assert caught.value.where.path == path


@pytest.mark.parametrize(
    ("name", "email"), [("", "a@b"), ("a\nb", "a@b"), ("a", "x>\ncommitter evil <e"), ("<", "a")]
)
def test_an_identity_cannot_add_lines(name: str, email: str) -> None:
    """A name or address that would change the commit's structure is refused."""
    with pytest.raises(UsageError):
        Identity(name, email)


@pytest.mark.parametrize("message", ["", "  \n", "a\0b"])
def test_a_commit_needs_a_message(
    remote: RemoteRepo, open_mirror: OpenMirror, message: str
) -> None:
    """An empty message, or one with NUL, is refused."""
    mirror = open_mirror()
    base = mirror.fetch().base_sha
    with pytest.raises(UsageError):
        mirror.commit([CommitRequest(base, {"README.md": b"x"}, message, BOT)])


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    name=st.text(
        st.characters(exclude_characters="\0/", codec="utf-8"), min_size=1, max_size=12
    ).map("x".__add__),
    content=st.binary(max_size=80),
)
def test_any_name_and_content_go_through_fast_import(
    tmp_path_factory: pytest.TempPathFactory, name: str, content: bytes
) -> None:
    """A file of any name git can hold is changed to any bytes, and nothing else changes."""
    folder = tmp_path_factory.mktemp("any")
    remote = RemoteRepo(folder / "r.git")
    base = remote.commit({f"d/{name}": b"\x00old", "other": b"o"})
    with Mirror.open(remote.url, folder / "w", allow_local=True) as mirror:
        mirror.fetch()
        (sha,) = mirror.commit([CommitRequest(base, {f"d/{name}": content}, "m", BOT)])
        assert [entry.path for entry in mirror.changed(base, sha)] == [f"d/{name}"]
        blob = mirror.blob_shas(sha, [f"d/{name}"])[f"d/{name}"]
        assert mirror.read([blob or ""]) == {blob: content}


def test_quoted_paths_have_no_raw_line_breaks() -> None:
    """A line break in a path cannot end a fast-import command."""
    assert quote('a\n"\\\x7f') == b'"a\\012\\"\\\\\\177"'


def test_history_questions(remote: RemoteRepo, open_mirror: OpenMirror) -> None:
    """Ancestry, the log between two commits, and its limit."""
    base = remote.sha("main")
    one = remote.commit({"a": b"1"}, branch="imagebot/x", parent=base, message="one")
    two = remote.commit({"a": b"2"}, branch="imagebot/x", message="two\n\nbody")
    side = remote.commit({"b": b"1"}, branch="main")
    mirror = open_mirror()
    mirror.fetch()
    assert mirror.is_ancestor(base, two)
    assert mirror.is_ancestor(two, two)
    assert not mirror.is_ancestor(two, base)
    assert not mirror.is_ancestor(side, two)
    assert [info.message for info in mirror.log(side, two)] == ["two\n\nbody\n", "one\n"]
    assert [info.sha for info in mirror.log(one, two)] == [two]
    with pytest.raises(GitError, match="more than 1"):
        mirror.log(base, two, limit=1)


def test_a_merge_and_a_signed_commit_are_read(remote: RemoteRepo, open_mirror: OpenMirror) -> None:
    """Several parents, and header lines that go over several lines, do not confuse the reader."""
    base = remote.sha("main")
    tree = git(remote.path, "rev-parse", f"{base}^{{tree}}").decode().strip()
    raw = f"tree {tree}\nparent {base}\nparent {base[::-1]}\nauthor =?x <> 1 +0000\ncommitter A B <a@b> 12 -0530\nencoding latin1\ngpgsig -----BEGIN\n \n tree {'0' * 40}\n -----END\n\nsubject \udcff\n".encode(
        "utf-8", "surrogateescape"
    )
    sha = (
        git(remote.path, "hash-object", "-t", "commit", "-w", "--stdin", "--literally", stdin=raw)
        .decode()
        .strip()
    )
    mirror = open_mirror()
    mirror.fetch()
    mirror.git.run(["hash-object", "-t", "commit", "-w", "--stdin", "--literally"], stdin=raw)
    info = mirror.commit_info(sha)
    assert (info.tree, info.parents) == (tree, (base, base[::-1]))
    assert (
        info.committer.name,
        info.committer.email,
        info.committer.time,
        info.committer.offset,
    ) == ("A B", "a@b", 12, "-0530")
    assert (info.author.name, info.author.email) == ("=?x", "")


def test_diff_is_for_people(remote: RemoteRepo, open_mirror: OpenMirror) -> None:
    """A unified diff of a blobless mirror, with deletions, additions and binary files."""
    base = remote.sha("main")
    new = remote.commit(
        {"apps/web.yaml": b"image: web:2.0\n", "bin": b"\0\1"}, branch="imagebot/d", parent=base
    )
    mirror = open_mirror()
    mirror.fetch()
    text = mirror.diff(base, new)
    assert (
        "--- a/apps/web.yaml\n+++ b/apps/web.yaml\n@@ -1 +1 @@\n-image: web:1.0\n+image: web:2.0\n"
        in text
    )
    assert "Binary files /dev/null and b/bin differ" in text


@pytest.mark.parametrize("sha", ["", "HEAD", "--help", "main", "0" * 39, "0" * 40 + "\n", "../x"])
def test_only_whole_object_names_reach_git(open_mirror: OpenMirror, sha: str) -> None:
    """A string that is no object name is refused before a process is started."""
    mirror = open_mirror()
    mirror.fetch()
    for ask in (
        mirror.tree,
        mirror.commit_info,
        lambda s: mirror.read([s]),
        lambda s: mirror._objects.log(s, s),
        lambda s: mirror.diff(s, s),
    ):
        with pytest.raises(UsageError, match="no commit or object name"):
            ask(sha)


def test_one_run_at_a_time(open_mirror: OpenMirror) -> None:
    """A second run of the same repository is told so, and may go on when the first is done."""
    first = open_mirror()
    with pytest.raises(BusyError) as caught:
        open_mirror()
    assert str(os.getpid()) in caught.value.message
    assert caught.value.exit_code == 0
    first.close()
    open_mirror().fetch()


def test_everything_is_private(tmp_path: Path, open_mirror: OpenMirror) -> None:
    """No file or folder of the cache can be read by another user, even under a lax umask."""
    before = os.umask(0)
    try:
        mirror = open_mirror()
        mirror.read([entry.sha for entry in mirror.tree(mirror.fetch().base_sha)])
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "work").stat().st_mode) == 0o700
    assert stat.S_IMODE(mirror.directory.root.stat().st_mode) == 0o700


def test_a_workdir_that_is_no_directory_of_ours(tmp_path: Path, remote: RemoteRepo) -> None:
    """A file, a link, or another user's directory is refused."""
    (tmp_path / "file").write_text("")
    (tmp_path / "target").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "target")
    for name in ("file", "link"):
        with pytest.raises(StartError):
            Mirror.open(remote.url, tmp_path / name, allow_local=True)


@pytest.mark.parametrize(
    ("prefix", "base"),
    [
        ("imagebot", None),
        ("", None),
        ("-x/", None),
        ("a..b/", None),
        ("imagebot/", "-x"),
        ("imagebot/", "imagebot/x"),
        ("imagebot/", "a b"),
        ("imagebot/", "--upload-pack=x"),
    ],
)
def test_names_are_checked_first(
    tmp_path: Path, remote: RemoteRepo, prefix: str, base: str | None
) -> None:
    """A prefix or base that git would misread is refused before anything is done."""
    with pytest.raises(UsageError):
        Mirror.open(remote.url, tmp_path / "w", branch_prefix=prefix, base=base, allow_local=True)
