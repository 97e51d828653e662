"""Whole files, scanned and moved to new versions, compared byte by byte."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from imagebot.manifests.memory import dump, load
from imagebot.manifests.rewrite import edits_for
from imagebot.manifests.scan import is_candidate, scan_file
from imagebot.yamltree import source as source_module
from imagebot.yamltree.splice import splice

ROOT = Path(__file__).parent.parent / "data" / "manifests"
CASES = sorted(path.parent for path in ROOT.glob("*/case.json"))


@pytest.fixture(params=CASES, ids=lambda path: path.name)
def case_files(request: Any) -> tuple[dict[str, Any], bytes, bytes]:
    folder: Path = request.param
    case = json.loads((folder / "case.json").read_text(encoding="utf-8"))
    return case, (folder / "original.yaml").read_bytes(), (folder / "expected.yaml").read_bytes()


def test_there_are_golden_files() -> None:
    """An empty folder of cases is no proof."""
    assert len(CASES) >= 6


@pytest.mark.parametrize("split_over", [0, source_module.SPLIT_OVER])
def test_a_file_moves_to_its_new_versions_and_nothing_else_moves(
    case_files: Any, split_over: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Uses, reasons, lines and every byte are as written in the case, cut into documents or not."""
    monkeypatch.setattr(source_module, "SPLIT_OVER", split_over)
    case, original, expected = case_files
    path = case["path"]
    assert is_candidate(path)
    scan = scan_file(path, original)
    assert [(use.where.line, use.label, str(use.image)) for use in scan.uses] == [
        (use["line"], use["label"], use["from"]) for use in case["uses"]
    ]
    assert [[skipped.where.line, skipped.reason] for skipped in scan.skipped] == case["skipped"]
    assert load(dump(scan)) == scan
    edits = [
        edit
        for use, meant in zip(scan.uses, case["uses"], strict=True)
        for edit in edits_for(use, meant["tag"], meant["digest"])
    ]
    assert splice(path, original, edits) == expected


def test_a_moved_file_says_what_was_meant_and_needs_no_more_edits(case_files: Any) -> None:
    """A second pass finds the new versions at the same places, and nothing to do."""
    case, _, expected = case_files
    again = scan_file(case["path"], expected)
    for use, meant in zip(again.uses, case["uses"], strict=True):
        assert (use.image.tag, use.image.digest) == (meant["tag"], meant["digest"])
        assert str(use.image).startswith(meant["from"].partition("@")[0].rsplit(":", 1)[0])
        assert edits_for(use, meant["tag"], meant["digest"]) == ()
