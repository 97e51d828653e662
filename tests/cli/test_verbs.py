"""Each verb does what its page says, with the exit code that its page says."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from imagebot.cli import VERBS
from imagebot.demo.sample import sample_files
from imagebot.demo.stage import make_repository
from imagebot.registry.server import EmbeddedRegistry

Run = Callable[..., Any]


def test_scan_lists_every_use_with_its_place(
    repo: Path, registry: EmbeddedRegistry, run: Run
) -> None:
    """Scan needs no network, and names file, line and column."""
    registry.stop()

    text = run("scan", repo)
    document = json.loads(run("scan", repo, "-o", "json").out)

    assert text.code == 0
    assert "overlays/production/kustomization.yaml:5:" in text.out
    assert document["schema"] == "imagebot.dev/scan/v1"
    assert [use["tag"] for use in document["uses"]] == ["1.4.2"]


def test_plan_shows_the_change_and_writes_nothing(repo: Path, run: Run) -> None:
    """A plan is a table and a diff; the files stay; --exit-code tells a script."""
    file = repo / "overlays" / "production" / "kustomization.yaml"
    before = file.read_bytes()

    plain, by_code = run("plan", repo), run("plan", repo, "--exit-code", "--no-diff")

    assert (plain.code, by_code.code) == (0, 1)
    assert "-    newTag: '1.4.2'  # keep me" in plain.out
    assert "+    newTag: '2.0.0'  # keep me" in plain.out
    assert "newTag" not in by_code.out
    assert file.read_bytes() == before


def test_apply_changes_the_scalar_and_no_other_byte(repo: Path, run: Run) -> None:
    """CRLF, comments and quotes survive; a second apply has nothing to do."""
    file = repo / "overlays" / "production" / "kustomization.yaml"
    before = file.read_bytes()

    assert run("apply", repo).code == 0

    assert file.read_bytes() == before.replace(b"'1.4.2'", b"'2.0.0'")
    assert run("plan", repo, "--exit-code").code == 0


def test_a_policy_from_the_configuration_holds(repo: Path, run: Run) -> None:
    """The repository's own rule limits the choice."""
    (repo / ".imagebot.yaml").write_text(
        'version: 1\nimages:\n  - {match: "**/my-app", policy: {semver: "^1.4"}}\n',
        encoding="utf-8",
    )

    document = json.loads(run("plan", repo, "--output", "json").out)

    assert [d["target"].rpartition(":")[2] for d in document["decisions"]] == ["1.5.0"]


def test_a_registry_that_is_down_makes_the_image_undecided(
    repo: Path, registry: EmbeddedRegistry, run: Run
) -> None:
    """No evidence, no decision: exit code 3, the reason is shown, nothing is proposed."""
    registry.stop()

    result = run("plan", repo)

    assert result.code == 3
    assert "undecided" in result.out
    assert "0 to change" in result.out


def test_explain_gives_every_tag_its_rule(repo: Path, registry: EmbeddedRegistry, run: Run) -> None:
    """Each tag is there once, with its verdict, the rule and the order."""
    document = json.loads(run("explain", f"{registry.host}/acme/my-app", repo, "-o", "json").out)
    text = run("explain", f"{registry.host}/acme/my-app", repo)

    (election,) = document["elections"]
    verdicts = {row["tag"]: row["verdict"] for row in election["tags"]}
    assert verdicts == {
        "2.0.0": "chosen",
        "1.5.0": "candidate",
        "1.4.2": "current",
        "1.4.1": "dropped",
        "latest": "dropped",
        "1.6.0-rc.1": "dropped",
    }
    assert all(row["reason"] for row in election["tags"] if row["verdict"] == "dropped")
    assert text.code == 0
    assert "2.0.0" in text.out


def test_explain_of_an_image_that_nobody_uses_says_what_to_do(repo: Path, run: Run) -> None:
    """Without a running tag there is nothing to compare with."""
    result = run("explain", "ghcr.io/acme/other", repo)

    assert result.code == 2
    assert "ghcr.io/acme/other:TAG" in result.err


def test_select_reads_tags_from_standard_input(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """The election needs neither registry nor repository."""
    monkeypatch.setattr(sys, "stdin", io.StringIO("1.0.0\n1.2.0\n2.0.0\n"))
    chosen = run("select", "--semver", "^1")
    monkeypatch.setattr(sys, "stdin", io.StringIO("latest\n"))
    none = run("select", "--semver", "^1")

    assert (chosen.code, chosen.out) == (0, "1.2.0\n")
    assert none.code == 1
    assert none.err


def test_select_answers_a_batch_line_by_line(tmp_path: Path, run: Run) -> None:
    """A broken line gets an answer as well, and the others theirs."""
    file = tmp_path / "questions.jsonl"
    question = {
        "id": "a",
        "policy": {"semver": ">=1"},
        "filter": None,
        "tags": ["1.0.0", "1.1.0"],
        "current": None,
        "strict": True,
    }
    file.write_text(
        json.dumps(question)
        + "\n{broken\n\n"
        + json.dumps({**question, "id": "b", "policy": {"semver": "=="}})
        + "\n",
        encoding="utf-8",
    )

    result = run("select", "--batch", file)
    first, broken, invalid = (json.loads(line) for line in result.out.splitlines())

    assert result.code == 0
    assert (first["id"], first["chosen"], first["error"]) == ("a", "1.1.0", None)
    assert broken["chosen"] is None
    assert "JSON" in broken["error"]
    assert (invalid["id"], invalid["chosen"]) == ("b", None)
    assert invalid["error"]


def test_a_batch_survives_lines_that_nobody_can_read(tmp_path: Path, run: Run) -> None:
    """What is nested too deeply or no UTF-8 is answered, all else too, in ASCII."""
    question = {"policy": {"semver": "*"}, "tags": ["1.0.0", "é"], "current": "\ud800"}
    odd = [b"[" * 100_000, b'{"id": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", b"\xff"]
    deep = [b'{"id": ' + b"[" * depth + b"]" * depth + b"}" for depth in range(700, 1000, 7)]
    file = tmp_path / "questions.jsonl"
    file.write_bytes(b"\n".join([*odd, *deep, json.dumps(question).encode()]))

    result = run("select", "--batch", file)
    replies = [json.loads(line) for line in result.out.splitlines()]

    assert (result.code, result.out.isascii()) == (0, True)
    assert len(replies) == len(odd) + len(deep) + 1
    assert all(reply["chosen"] is None and reply["error"] for reply in replies[:-1])
    assert "deep" in replies[0]["error"]
    assert replies[-1]["chosen"] == "1.0.0"
    assert "é" in replies[-1]["dropped"]


def test_check_finds_what_is_silently_wrong(repo: Path, run: Run) -> None:
    """An unquoted number and a marker that does nothing are findings; exit code 1."""
    bad = repo / "overlays" / "dev"
    bad.mkdir()
    (bad / "kustomization.yaml").write_text(
        "images:\n  - name: web\n    newTag: 1.10\nresources: []  # imagebot: ignor\n",
        encoding="utf-8",
    )

    text = run("check", repo)
    document = json.loads(run("check", repo, "-o", "json").out)

    assert text.code == 1
    assert "overlays/dev/kustomization.yaml:3:13" in text.out
    assert {finding["id"] for finding in document["findings"]} >= {"unquoted-tag"}
    assert all(finding["line"] and finding["message"] for finding in document["findings"])


def test_check_tells_every_configuration_error_at_its_place(repo: Path, run: Run) -> None:
    """All problems at once, with line and column and a guess."""
    (repo / ".imagebot.yaml").write_text(
        'version: 1\nimagse: []\nimages:\n  - {match: "**", policy: {semver: "=="}}\n',
        encoding="utf-8",
    )

    result = run("check", repo)

    assert result.code == 1
    assert ".imagebot.yaml:2:1" in result.out
    assert "images" in result.out
    assert ".imagebot.yaml:4:" in result.out


def test_a_broken_configuration_stops_a_plan(repo: Path, run: Run) -> None:
    """Exit code 2: nothing is guessed."""
    (repo / ".imagebot.yaml").write_text("version: 1\nimagse: []\n", encoding="utf-8")

    assert run("plan", repo).code == 2


@pytest.mark.parametrize("which", ["repository", "operator"])
def test_schema_is_a_schema(which: str, run: Run) -> None:
    """What is printed is valid draft-07."""
    jsonschema.Draft7Validator.check_schema(json.loads(run("schema", which).out))


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_is_a_script(shell: str, run: Run) -> None:
    """Every shell gets one that names the program."""
    assert "imagebot" in run("completion", shell).out


def test_an_unknown_verb_is_a_usage_error_with_a_guess(run: Run) -> None:
    """A slip of the finger gets the right word."""
    result = run("plna")

    assert result.code == 2
    assert "'plan'" in result.err


def test_run_without_an_operator_file_says_how_to_name_one(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit code 2 and the option's name."""
    monkeypatch.chdir(tmp_path)

    result = run("run")

    assert result.code == 2
    assert "--operator" in result.err


def process(*args: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "imagebot", *args],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **environment},
        timeout=60,
    )


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help(verb: str) -> None:
    """`--help` works for each verb and exits 0."""
    result = process(verb, "--help")

    assert result.returncode == 0
    assert f"imagebot {verb}" in result.stdout


def test_version_and_help_are_answered() -> None:
    """The two first things that anybody types."""
    assert process("--version").stdout.startswith("imagebot ")
    assert "Exit codes" in process("--help").stdout


def test_no_color_is_respected(repo: Path) -> None:
    """No escape sequence reaches a pipe, with or without NO_COLOR."""
    for environment in ({}, {"NO_COLOR": "1"}, {"TERM": "dumb"}):
        assert "\x1b" not in process("plan", str(repo), **environment).stdout


def test_a_reader_that_goes_away_is_no_error(repo: Path) -> None:
    """`imagebot plan | head -1` ends quietly."""
    shown = subprocess.run(
        ["/bin/sh", "-c", f"{sys.executable} -m imagebot scan {repo} | true; echo done"],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )

    assert shown.stdout == "done\n"
    assert "Traceback" not in shown.stderr


def test_the_demo_ends_well_and_keeps_what_it_made(tmp_path: Path) -> None:
    """Three cycles: requests opened, nothing, the same requests updated; all left to look at."""
    kept = tmp_path / "kept"

    result = process("demo", "--keep", str(kept))

    assert result.returncode == 0, result.stderr
    assert result.stdout.count("  created ") == 3
    assert result.stdout.count("  unchanged ") == 3
    assert result.stdout.count("  updated ") == 3
    assert '+    newTag: "1.6.0"' in result.stdout
    assert len(list((kept / "deploy.git" / "imagebot" / "pulls").glob("*.json"))) == 3
    assert (kept / "imagebot.operator.yaml").is_file()
    assert process("demo", "--keep", str(kept)).returncode == 2


def test_a_repository_can_be_looked_at_by_its_url(
    registry: EmbeddedRegistry, tmp_path: Path, run: Run
) -> None:
    """`--repo` plans and checks a repository's base branch without a checkout."""
    bare = tmp_path / "deploy.git"
    make_repository(bare, sample_files(registry.host))

    planned = json.loads(run("plan", "--repo", bare, "-o", "json").out)
    scanned = json.loads(run("scan", "--repo", bare, "-o", "json").out)

    assert {d["environment"] for d in planned["decisions"]} == {"dev", "staging", "production"}
    assert len(scanned["uses"]) == 3
    assert run("check", "--repo", bare).code == 0
    assert run("plan", "--repo", tmp_path / "nowhere.git").code in {2, 3, 4}
