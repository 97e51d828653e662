"""Nothing from a repository, a cache, a home or an environment executes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from imagebot.gitrepo.mirror import CommitRequest, Mirror
from imagebot.gitrepo.push import RefUpdate
from imagebot.gitrepo.worktree import WorkingTree
from tests.gitrepo.conftest import BOT, OpenMirror
from tests.support.gitrepos import RemoteRepo, git


def cycle(mirror: Mirror, branch: str = "imagebot/x") -> str:
    """Everything a run does: look, read, commit, push, show."""
    snapshot = mirror.fetch()
    entries = mirror.tree(snapshot.base_sha)
    mirror.read([entry.sha for entry in entries if entry.regular])
    (sha,) = mirror.commit(
        [CommitRequest(snapshot.base_sha, {"apps/web.yaml": b"image: web:9\n"}, "m", BOT)]
    )
    assert mirror.push([RefUpdate(branch, sha, snapshot.branches.get(branch))])[branch].ok
    assert "web:9" in mirror.diff(snapshot.base_sha, sha)
    mirror.log(snapshot.base_sha, sha)
    return sha


def evil_config(marker: Path) -> str:
    """Settings that start a program whenever git listens to them."""
    run = f"touch {marker}; true"
    return f"""[core]
    fsmonitor = "{run}"
    sshCommand = "{run}"
    hooksPath = {marker.parent}/hooks
    pager = "{run}"
    editor = "{run}"
    gitProxy = "{run}"
    alternateRefsCommand = "{run}"
    askPass = "{run}"
[credential]
    helper = "!{run}"
[diff]
    external = "{run}"
[diff "x"]
    textconv = "{run}"
    command = "{run}"
[filter "x"]
    clean = "{run}"
    smudge = "{run}"
    process = "{run}"
    required = true
[merge "x"]
    driver = "{run}"
[uploadpack]
    packObjectsHook = "{run}"
[remote "origin"]
    uploadpack = "{run}"
    receivepack = "{run}"
    vcs = "ext"
[url "ext::sh -c touch% {marker}"]
    insteadOf = /
[gpg]
    program = "{run}"
[push]
    gpgSign = true
[alias]
    fetch = "!{run}"
    ls-tree = "!{run}"
"""


def evil_hooks(folder: Path, marker: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in (
        "pre-commit",
        "post-checkout",
        "pre-push",
        "post-index-change",
        "reference-transaction",
        "post-merge",
        "fsmonitor-watchman",
        "pre-auto-gc",
        "post-commit",
        "push-to-checkout",
    ):
        (folder / name).write_text(f"#!/bin/sh\ntouch {marker}\n")
        (folder / name).chmod(0o755)


def test_attributes_filters_and_submodules_of_a_repository_do_not_run(
    tmp_path: Path, remote: RemoteRepo, open_mirror: OpenMirror
) -> None:
    """A repository full of drivers and submodules is read as it is; bytes are not filtered."""
    marker = tmp_path / "ran"
    remote.commit(
        {
            ".gitattributes": b"* filter=x diff=x merge=x text eol=crlf export-subst ident working-tree-encoding=UTF-16\n",
            ".gitmodules": f'[submodule "x"]\n\tpath = sub\n\turl = {tmp_path}/nowhere\n\tupdate = checkout\n'.encode(),
            "sub": ("160000", remote.sha("main").encode()),
            ".lfsconfig": b"[lfs]\n\turl = http://127.0.0.1:1/\n",
            "id.yaml": b"# $Id$\na: b\n",
            "hooks/pre-push": ("100755", f"#!/bin/sh\ntouch {marker}\n".encode()),
        }
    )
    mirror = open_mirror()
    sha = cycle(mirror)
    assert (
        mirror.read([mirror.blob_shas(sha, ["id.yaml"])["id.yaml"] or ""]).popitem()[1]
        == b"# $Id$\na: b\n"
    )
    assert remote.show("imagebot/x", "apps/web.yaml") == b"image: web:9\n"
    assert not marker.exists()


def test_an_evil_home_and_machine_configuration_is_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, open_mirror: OpenMirror
) -> None:
    """~/.gitconfig, XDG configuration and templates with hooks have no say."""
    marker, home = tmp_path / "ran", Path(os.environ["HOME"])
    evil_hooks(tmp_path / "hooks", marker)
    for place in (home / ".gitconfig", home / ".config/git/config"):
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(
            evil_config(marker)
            + f"[init]\n templateDir = {tmp_path}\n[core]\n attributesFile = {tmp_path}/attributes\n"
        )
    (tmp_path / "attributes").write_text("* diff=x filter=x\n")
    (home / ".netrc").write_text("machine 127.0.0.1 login a password b\n")
    cycle(open_mirror())
    assert not marker.exists()


POISON = {
    "GIT_DIR": "/nonexistent",
    "GIT_WORK_TREE": "/",
    "GIT_INDEX_FILE": "/dev/full",
    "GIT_OBJECT_DIRECTORY": "/nonexistent",
    "GIT_ALTERNATE_OBJECT_DIRECTORIES": "/nonexistent",
    "GIT_NAMESPACE": "evil",
    "GIT_CEILING_DIRECTORIES": "/",
    "GIT_SSH": "touch {m}",
    "GIT_SSH_COMMAND": "touch {m}",
    "GIT_ASKPASS": "{m}.sh",
    "SSH_ASKPASS": "{m}.sh",
    "GIT_PROXY_COMMAND": "touch {m}",
    "GIT_EXTERNAL_DIFF": "touch {m}",
    "GIT_PAGER": "touch {m}",
    "PAGER": "touch {m}",
    "GIT_EDITOR": "touch {m}",
    "GIT_CONFIG_COUNT": "1",
    "GIT_CONFIG_KEY_0": "core.fsmonitor",
    "GIT_CONFIG_VALUE_0": "touch {m}",
    "GIT_CONFIG_PARAMETERS": "'core.fsmonitor'='touch {m}'",
    "GIT_CONFIG": "/dev/null",
    "GIT_CONFIG_SYSTEM": "{m}.config",
    "GIT_EXEC_PATH": "/nonexistent",
    "GIT_TEMPLATE_DIR": "{m}.d",
    "GIT_TRACE": "{m}",
    "GIT_TRACE2": "{m}",
    "GIT_TRACE_CURL": "{m}",
    "GIT_TRACE_PACKET": "{m}",
    "GIT_DEFAULT_HASH": "sha256",
    "GIT_ATTR_SOURCE": "HEAD",
    "GIT_REPLACE_REF_BASE": "refs/evil/",
    "GIT_SHALLOW_FILE": "/dev/full",
    "GIT_AUTHOR_DATE": "2001-01-01",
    "GIT_COMMITTER_DATE": "2001-01-01",
    "GIT_AUTHOR_NAME": "evil",
    "GIT_COMMITTER_NAME": "evil",
    "GIT_QUARANTINE_PATH": "/nonexistent",
    "GIT_PREFIX": "x/",
    "GIT_PROTOCOL": "version=0",
    "GIT_REDIRECT_STDERR": "{m}",
    "GIT_TEST_X": "1",
    "GIT_ICASE_PATHSPECS": "1",
    "GIT_GLOB_PATHSPECS": "1",
    "GIT_SSL_NO_VERIFY": "1",
    "GIT_HTTP_USER_AGENT": "evil",
    "GIT_PYTHON_TRACE": "full",
    "LC_ALL": "de_DE.UTF-8",
    "LANGUAGE": "de",
    "XDG_CONFIG_HOME": "{m}.d",
    "HOME": "/nonexistent",
    "LD_PRELOAD_NOT": "x",
    "PERL5LIB": "/evil",
}


def test_no_variable_of_the_environment_changes_a_thing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, remote: RemoteRepo, open_mirror: OpenMirror
) -> None:
    """With every GIT_* trap set, a run makes the very commit that it makes in a clean environment."""
    clean = cycle(open_mirror("clean"), "imagebot/clean")
    marker = tmp_path / "ran"
    (tmp_path / "ran.sh").write_text(f"#!/bin/sh\ntouch {marker}\n")
    (tmp_path / "ran.sh").chmod(0o755)
    (tmp_path / "ran.config").write_text(evil_config(marker))
    evil_hooks(tmp_path / "ran.d" / "hooks", marker)
    for name, value in POISON.items():
        monkeypatch.setenv(name, value.format(m=marker))
    assert cycle(open_mirror("poisoned")) == clean
    assert not marker.exists()


@pytest.mark.parametrize("variable", [None, "", "/nonexistent", "/dev/null"])
def test_a_home_is_not_needed(
    variable: str | None, monkeypatch: pytest.MonkeyPatch, open_mirror: OpenMirror
) -> None:
    """HOME may be unset, empty, missing or no directory."""
    monkeypatch.delenv("HOME")
    if variable is not None:
        monkeypatch.setenv("HOME", variable)
    cycle(open_mirror())


def test_an_evil_cached_mirror_is_thrown_away(tmp_path: Path, open_mirror: OpenMirror) -> None:
    """Configuration, hooks, attributes and alternates put into the cache never take part."""
    marker = tmp_path / "ran"
    with open_mirror() as mirror:
        cycle(mirror)
        place = mirror.directory.git_dir
    plants = {
        "config": lambda: (place / "config").write_text(
            (place / "config").read_text() + evil_config(marker)
        ),
        "hooks": lambda: evil_hooks(place / "hooks", marker),
        "attributes": lambda: (
            (place / "info").mkdir(),
            (place / "info/attributes").write_text("* diff=x"),
        ),
        "alternates": lambda: (place / "objects/info/alternates").write_text("/nonexistent\n"),
        "head": lambda: (place / "HEAD").write_text("ref: ../../x\n"),
    }
    for plant in plants.values():
        plant()
        with open_mirror() as mirror:
            cycle(mirror)
            assert not (place / "hooks").exists()
            assert "fsmonitor" not in (place / "config").read_text()
    assert not marker.exists()


def test_a_working_tree_with_an_evil_configuration_is_only_listed(tmp_path: Path) -> None:
    """Reading a checkout runs no hook, monitor or filter of it, whoever owns it."""
    marker, root = tmp_path / "ran", tmp_path / "tree"
    root.mkdir()
    git(root, "init", "-q")
    (root / "a.yaml").write_text("a: 1\n")
    git(root, "add", "-A")
    (root / ".git/config").write_text((root / ".git/config").read_text() + evil_config(marker))
    (root / ".gitattributes").write_text("* filter=x diff=x\n")
    evil_hooks(root / ".git/hooks", marker)
    evil_hooks(tmp_path / "hooks", marker)
    tree = WorkingTree(root)
    assert [entry.path for entry in tree.entries()] == [".gitattributes", "a.yaml"]
    assert tree.read(["a.yaml"]) == {"a.yaml": b"a: 1\n"}
    assert not marker.exists()
