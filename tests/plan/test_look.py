"""Guards over a real wire and a real memory: a loopback registry, a folder, a state, many runs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from imagebot.config import load
from imagebot.cycle import Seen, look
from imagebot.gitrepo.worktree import WorkingTree
from imagebot.registry.server import EmbeddedRegistry
from imagebot.state import State
from imagebot.views import FolderView
from imagebot.wiring import Services

START = datetime(2026, 8, 1, 12, 0, tzinfo=UTC)
BOTH = ("linux/amd64", "linux/arm64")


@dataclass
class Site:
    """A folder with one overlay, a registry with one image, a state, and a clock to turn."""

    folder: Path
    registry: EmbeddedRegistry
    state: State
    now: datetime = START
    rule: str = ""

    def push(self, tag: str, *, days: float = 30, platforms=BOTH, content: bytes = b"") -> str:
        """An image made so many days before now."""
        created = (self.now - timedelta(days=days)).strftime("%Y-%m-%dT%H:%M:%SZ")
        return self.registry.put_image(
            "acme/web", tag, platforms=platforms, created=created, payload=content
        )

    def write(self, version: str) -> None:
        text = f"images:\n- name: web\n  newName: {self.registry.host}/acme/web\n  {version}\n"
        (self.folder / "kustomization.yaml").write_text(text, encoding="utf-8")

    def look(self, *, describe: bool = False) -> Seen:
        """One run."""
        config = load("c", f"version: 1\nimages: [{{match: '**', {self.rule}}}]".encode())
        view = FolderView(WorkingTree(self.folder))
        with Services(None) as services:
            return look(
                view,
                config,
                services.registry,
                self.now,
                state=self.state,
                repo_key="r",
                describe=describe,
            )

    def target(self) -> str:
        (decision,) = self.look().plan.decisions
        return decision.target.tag if decision.target else decision.why


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    folder = tmp_path / "repo"
    folder.mkdir()
    with EmbeddedRegistry() as registry, State.open(f"sqlite:///{tmp_path}/s.db") as state:
        yield Site(folder, registry, state)


def test_a_new_release_is_taken_when_it_is_old_enough(site: Site) -> None:
    """A backdated image waits for three days from when the bot saw it come, then is taken."""
    site.rule = "minimumAge: 3d"
    site.write("newTag: 1.0.0")
    site.push("1.0.0")
    site.push("1.1.0", days=2)
    assert "1.1.0 is left out, too young" in site.target()
    site.now += timedelta(days=1)
    site.push("1.2.0", days=3000)
    assert site.target() == "1.1.0"
    site.now += timedelta(days=3)
    assert site.target() == "1.2.0"


def test_only_the_needed_images_are_asked_for(site: Site) -> None:
    """Of a hundred tags the details of two are read: the best lacks a platform, the next has it."""
    site.rule = "platforms: [linux/arm64]"
    site.write("newTag: 1.0.0")
    for minor in range(100):
        site.push(f"1.{minor}.0", platforms=("linux/amd64",) if minor == 99 else BOTH)
    site.registry.requests.clear()
    assert site.target() == "1.98.0"
    asked = {path for _, path in site.registry.requests if "/manifests/1." in path}
    assert asked == {f"/v2/acme/web/manifests/1.{minor}.0" for minor in (98, 99)}


def test_many_tags_in_vain_end_in_the_running_one(site: Site) -> None:
    """More rounds than any fixed number: the asking goes on as long as it learns something."""
    site.rule = "platforms: [linux/riscv64]"
    site.write("newTag: 1.0.0")
    for minor in range(40):
        site.push(f"1.{minor}.0")
    assert "the running 1.0.0 stays; 1.39.0 is left out (and 38 more are)" in site.target()


def test_a_pinned_image_follows_the_index_and_alarms(site: Site) -> None:
    """The digest is the index's; when it moves, there is an update and an alarm in the request."""
    site.rule = "pin: tag@digest"
    site.write("newTag: 1.0.0")
    first = site.push("1.0.0")
    change = site.look(describe=True).plan.groups[0].files[0].new.decode()
    assert change.endswith(f"newTag: 1.0.0\n  digest: {first}\n")
    (site.folder / "kustomization.yaml").write_text(change, encoding="utf-8")
    assert site.look().plan.groups == ()
    second = site.push("1.0.0", content=b"other")
    site.now += timedelta(hours=1)
    plan = site.look(describe=True).plan
    assert plan.groups[0].updates[0].new.digest == second != first
    assert [(alarm.before, alarm.after) for alarm in plan.alarms] == [(first, second)]
    assert "was moved from" in plan.groups[0].notes[0]


def test_a_list_that_shrank_is_believed_in_the_third_run(site: Site) -> None:
    """Two runs doubt a list that lost more than half of its tags."""
    site.write("newTag: 1.0.0")
    for minor in range(5):
        site.push(f"1.{minor}.0")
    assert site.target() == "1.4.0"
    for minor in (2, 3, 4):
        site.registry.store.delete_manifest("acme/web", f"1.{minor}.0")
    doubts = [site.target() for _ in range(2)]
    assert [d.startswith("its list of tags shrank from 5 to 2") for d in doubts] == [True, True]
    assert site.target() == "1.1.0"
