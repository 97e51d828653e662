from __future__ import annotations

import subprocess

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from imagebot.gitrepo.refnames import is_branch_name, is_ref_name

PIECES = st.sampled_from(
    [
        "a",
        "B",
        "0",
        "é",
        "/",
        "//",
        ".",
        "..",
        "@",
        "@{",
        "{",
        ".lock",
        "lock",
        "-",
        "~",
        "^",
        ":",
        "?",
        "*",
        "[",
        "\\",
        " ",
        "\t",
        "\n",
        "\x7f",
        "HEAD",
        "x-1",
        "$(id)",
        "`",
        "'",
        "\u2028",
    ]
)


@settings(max_examples=250, deadline=None)
@given(st.lists(PIECES, max_size=7).map("".join))
@example("main\n")
@example("a.lock/b")
@example("refs/heads/@")
@example("a/@/b")
@example("@/b")
@example("a/.b")
@example("a./b")
@example("a/b.")
@example("/a/b")
@example("a/b/")
@example("a/b.lock")
@example("a/b.lockx")
@example("a/b.lock\n")
def test_ref_names_are_judged_as_git_judges_them(name: str) -> None:
    """A ref name is accepted here exactly when `git check-ref-format` accepts it."""
    found = subprocess.run(["git", "check-ref-format", name], check=False)
    assert is_ref_name(name) == (found.returncode == 0)


@settings(max_examples=120, deadline=None)
@given(st.lists(PIECES, max_size=5).map("".join))
@example("-x")
@example("HEAD")
@example("@")
@example("@{-1}")
def test_branch_names_are_at_least_as_strict_as_git(name: str) -> None:
    """A branch name is accepted here when `git check-ref-format --branch` takes it as it stands."""
    found = subprocess.run(
        ["git", "check-ref-format", "--branch", name], capture_output=True, check=False
    )
    as_it_stands = found.returncode == 0 and found.stdout == name.encode() + b"\n"
    assert is_branch_name(name) == (as_it_stands and name != "HEAD")


@pytest.mark.parametrize("name", ["x" * 241, "a/" + "é" * 121, "\ud800", ""])
def test_names_no_file_system_or_encoding_takes_are_refused(name: str) -> None:
    """A part over 240 bytes, a lone surrogate and nothing at all are no branch names."""
    assert not is_branch_name(name)
