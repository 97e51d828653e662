"""What a terminal shows is text: nothing from a file or registry steers it, links stay whole."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from imagebot.errors import Where
from imagebot.imageref import parse
from imagebot.model import (
    Cycle,
    Decision,
    Edit,
    FileChange,
    FileScan,
    ImageUse,
    Outcome,
    Plan,
    Skipped,
)
from imagebot.report import text
from imagebot.report.diff import unified

EVIL = "a\x1b]0;owned\x07\x9b31mb\nc"


def terminal(width: int = 80) -> tuple[Console, io.StringIO]:
    heard = io.StringIO()
    return Console(file=heard, force_terminal=True, width=width, color_system=None), heard


def use(label: str, path: str = "k/kustomization.yaml") -> ImageUse:
    return ImageUse("kustomize", label, parse("nginx:1.0"), (), Where(path, 3, 5))


@pytest.mark.parametrize("is_terminal", [True, False])
def test_names_from_files_cannot_steer_a_terminal(*, is_terminal: bool) -> None:
    """Escape sequences and line breaks in names, paths and reasons are shown as one mark each."""
    heard = io.StringIO()
    out = Console(file=heard, force_terminal=is_terminal, width=200, color_system=None)
    scan = FileScan(uses=(use(EVIL, EVIL),), skipped=(Skipped(Where(EVIL), EVIL),))
    decision = Decision(use(EVIL), "", "undecided", EVIL)
    outcome = Outcome("k", EVIL, EVIL, "failed", EVIL, 7, EVIL, failed=True)

    text.print_scan(out, {"x": scan})
    text.print_plan(out, Plan(decisions=(decision,), skipped=scan.skipped))
    text.print_cycle(out, Cycle(EVIL, outcomes=(outcome,), plan=Plan(), problem=EVIL))

    shown = heard.getvalue()
    assert not set(shown) & {"\x1b", "\x07", "\x9b"}
    assert "\nc" not in shown


def test_a_link_is_never_broken_over_two_lines() -> None:
    """On eighty columns a request's address can still be clicked and copied."""
    out, heard = terminal(80)
    url = "https://git.example.com/" + "group/" * 20 + "pulls/1"

    text.print_cycle(out, Cycle("r", outcomes=(Outcome("k", "t", "b", "created", "why", 1, url),)))

    assert url in heard.getvalue()


def test_files_that_were_not_read_are_in_a_cycles_summary() -> None:
    """A run that could not look into a file says so; a place that is skipped is no news."""
    out, heard = terminal()
    plan = Plan(
        skipped=(
            Skipped(Where("broken.yaml"), "not valid YAML", whole=True),
            Skipped(Where("fine.yaml", 3, 1), "no tag"),
        )
    )

    text.print_cycle(out, Cycle("r", plan=plan))

    assert "broken.yaml: not valid YAML" in heard.getvalue()
    assert "fine.yaml" not in heard.getvalue()


@pytest.mark.parametrize(("number", "said"), [(0, "0 files"), (1, "1 file"), (2, "2 files")])
def test_numbers_agree_with_their_nouns(number: int, said: str) -> None:
    """One file is not `1 files`."""
    assert text.counted(number, "file") == said


def test_a_diff_says_when_a_last_line_has_no_end() -> None:
    """A missing final newline is shown as git shows it, and carriage returns stay."""
    edit = Edit("f", 0, ("a",), "1", "2", Where("f", 1, 1))
    change = FileChange("f", b"a: 1\r\nb: 1", b"a: 2\r\nb: 1", (edit,))

    shown = unified(change)

    assert "-a: 1\r\n+a: 2\r\n" in shown
    assert " b: 1\n\\ No newline at end of file\n" in shown
