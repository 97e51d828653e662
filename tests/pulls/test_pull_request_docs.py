"""The page for reviewers says what the code does."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from imagebot.pulls import decide as rules
from imagebot.pulls.actions import ACTIONS, Skip
from imagebot.pulls.body import Context, render_body
from imagebot.pulls.marker import Marker
from imagebot.pulls.message import commit_message
from imagebot.pulls.naming import branch_name
from tests.pulls.samples import GITHUB, NOW, details, file_url, group, update
from tests.pulls.test_body import RUNNING
from tests.pulls.test_decide import SITUATIONS

PAGE = Path(__file__).parents[2] / "docs" / "pull-requests.md"
ROW = re.compile(r"^\| ([^|]+) \| `(\w+)` \| ([^|]+) \|$", re.MULTILINE)
# These depend on the run, not on branch and requests; test_decide proves them on their own.
OF_THE_RUN = {
    "evidence is missing in this run": Skip,
    "the limit of open requests is reached": Skip,
    "outside of the schedule for new requests": Skip,
}
EXAMPLE = group(
    update(details=details()),
    notes=("images[1] redis: its registry did not answer, so it is undecided in this run",),
)


def example() -> str:
    """The visible lines of a body."""
    context = Context("main", GITHUB, file_url, NOW, RUNNING)
    marker = Marker(EXAMPLE.key, history=("1.4.3", "1.4.4"))
    body = render_body(EXAMPLE, marker, context, commit="3f9c2b7a51d0e4f6")
    return re.sub(r"^<!-- .* -->\n*", "", body, flags=re.MULTILINE).strip()


def test_the_example_is_what_the_bot_writes() -> None:
    """Body, commit message and branch name on the page are rendered, not imagined."""
    page = PAGE.read_text("utf-8")
    assert example() in page
    assert commit_message(replace(EXAMPLE, notes=())).strip() in page
    assert branch_name("main", EXAMPLE.key) in page


def test_the_table_names_every_action() -> None:
    """Each action has a row, and no row names an action that does not exist."""
    named = {row[1] for row in ROW.findall(PAGE.read_text("utf-8"))}
    assert named == {action.__name__ for action in ACTIONS}


def test_every_row_of_the_table_is_true() -> None:
    """Each row is a situation that the tests decide, with the action that they prove."""
    proven = {name: action for name, _, _, _, action in SITUATIONS} | OF_THE_RUN
    rows = ROW.findall(PAGE.read_text("utf-8"))
    assert len(rows) > 25
    for situation, action, _ in rows:
        assert proven[situation.strip()].__name__ == action


def test_the_page_names_the_labels() -> None:
    """Who wants to freeze a request, or to release a version, finds the labels that do it."""
    page = PAGE.read_text("utf-8")
    assert all(f"`{label}`" in page for label in (*rules.HOLD_LABELS, rules.RELEASE_LABEL))
