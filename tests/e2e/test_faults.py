"""What fails around imagebot costs what depends on it, and is said; nothing else changes."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from imagebot.registry.server import EmbeddedRegistry
from imagebot.registry.server_routes import Answer, Request
from tests.support.crash import Zygote
from tests.support.gitrepos import RemoteRepo, git
from tests.support.worlds import CONFIG, ENVIRONMENTS, Front, World, overlay_path

THREE = ("created", "created", "created")
SAME = ("unchanged", "unchanged", "unchanged")


def skipped(ran: Any) -> dict[str, str]:
    return {skip["where"]["path"]: skip["reason"] for skip in ran.cycle["plan"]["skipped"]}


# Registries.


@pytest.fixture
def fronted(tmp_path: Path, zygote: Zygote) -> Iterator[tuple[World, Front]]:
    """Four apps in dev behind a registry that can fail, two tags a page; requests are open."""
    with EmbeddedRegistry(page_size=2) as registry, Front(registry) as front:
        world = World(tmp_path / "world", registry, zygote, host=front.host)
        world.remove(overlay_path("staging"), overlay_path("production"))
        for app in ("web", "api", "db", "cache"):
            world.release("1.0.0", "1.0.1", "1.1.0", app=app)
            world.bump("dev", "1.0.0", app=app)
        world.settle(*["created"] * 4)
        yield world, front


def test_one_failing_image_costs_itself_alone(fronted: tuple[World, Front]) -> None:
    """500, a list cut in its middle, a second page that fails: undecided; the others go on.

    The open requests of the undecided are neither touched nor pruned, although part of their
    evidence would say "nothing newer".
    """
    world, front = fronted
    world.release("1.2.0", app="web")
    before = {app: world.one_pull("dev", app) for app in ("api", "db", "cache")}
    branches = world.remote.branches()

    def spoil(request: Request, reply: Answer) -> Answer | None:
        if "/api/tags/" in request.target:
            return Answer(500)
        if "/db/tags/" in request.target and "last=" in request.target:
            return Answer(503)
        return None if "/cache/tags/" in request.target else reply

    front.spoil = spoil
    ran = world.run()
    assert ran.code == 3
    assert ran.actions[world.key("dev", "web")] == "updated"
    assert world.tag_on(world.branch("dev", "web"), "dev", "web") == "1.2.0"
    assert set(ran.cycle["plan"]["problems"]) == {
        f"{world.host}/acme/{app}" for app in ("api", "db", "cache")
    }
    after = world.remote.branches()
    for app, pull in before.items():
        assert world.one_pull("dev", app) == pull
        assert after[world.branch("dev", app)] == branches[world.branch("dev", app)]
    front.spoil = lambda request, reply: reply
    world.settle(*["unchanged"] * 4)


def test_unread_details_are_no_decision(fronted: tuple[World, Front]) -> None:
    """The newest tag's manifest cannot be read: not the next best one, but no decision."""
    world, front = fronted
    world.release("1.2.0", "1.1.5", app="web")
    front.spoil = lambda request, reply: (
        Answer(404) if request.target.endswith("/web/manifests/1.2.0") else reply
    )
    before = world.one_pull("dev")
    ran = world.run()
    assert ran.code == 3
    assert ran.actions.get(world.key("dev"), "skipped") == "skipped"
    assert world.one_pull("dev") == before
    front.spoil = lambda request, reply: reply
    world.settle("updated", "unchanged", "unchanged", "unchanged")


def test_a_registry_that_is_down_prunes_nothing(world: World) -> None:
    """Connection refused: everything is undecided, exit 3, and the requests stay as they are."""
    world.settle(*THREE)
    before = world.picture()
    world.registry.stop()
    ran = world.run()
    assert ran.code == 3
    assert "refused" in str(ran.cycle["plan"]["problems"])
    assert set(ran.actions.values()) <= {"skipped"}
    assert world.picture() == before


def test_a_host_that_asks_to_be_left_alone_is(world: World) -> None:
    """429 for an hour: this host's images wait, in the next run too; other hosts are served."""
    with Front(world.registry) as busy:
        busy.spoil = lambda request, reply: Answer(429, {"Retry-After": "3600"})
        other = world.overlay("dev", app="api").replace(world.host.encode(), busy.host.encode())
        world.remote.commit({overlay_path("dev", "api"): other})
        begun = time.monotonic()
        ran = world.run()
        assert ran.code == 3
        assert [ran.actions[world.key(name)] for name in ENVIRONMENTS] == list(THREE)
        assert f"{busy.host}/acme/api" in ran.cycle["plan"]["problems"]
        heard = len(busy.heard)
        assert 0 < heard < 4
        world.release("1.2.0")
        again = world.run()
        assert again.code == 3
        assert [again.actions[world.key(name)] for name in ENVIRONMENTS] == ["updated"] * 3
        assert len(busy.heard) == heard
        assert time.monotonic() - begun < 30


# Files in the repository.


def test_bad_files_are_named_and_the_others_go_on(world: World) -> None:
    """Broken YAML, conflict markers, a link, a huge file, a submodule: left alone, with reasons."""
    good = world.overlay("dev")
    tip = world.remote.sha("main")
    bad: dict[str, Any] = {
        "overlays/dev/broken/kustomization.yaml": b"images: [\n  - name: {{ .Values.x }}\n",
        "overlays/dev/conflict/kustomization.yaml": b"<<<<<<< HEAD\n%b=======\n%b>>>>>>> x\n"
        % (good, good),
        "overlays/dev/link/kustomization.yaml": ("120000", b"../web/kustomization.yaml"),
        "overlays/dev/out/kustomization.yaml": ("120000", b"../../../../../etc/passwd"),
        "overlays/dev/huge/kustomization.yaml": good + b"# " + b"x" * 12_000_000 + b"\n",
        "overlays/dev/sub/kustomization.yaml": ("160000", tip.encode()),
        "overlays/dev/utf16/kustomization.yaml": good.decode().encode("utf-16"),
    }
    world.remote.commit(bad)
    ran = world.settle(*THREE)
    told = skipped(ran)
    assert set(bad) <= set(told), told
    assert all(told[path] for path in bad)
    assert world.tag_on(world.branch("dev"), "dev") == "1.1.0"
    assert len(world.open_pulls()) == 3


def test_a_file_that_cannot_be_read_any_more_keeps_its_request(world: World) -> None:
    """Conflict markers reach base: nobody can say that nothing is left to do, so it stays open."""
    world.settle(*THREE)
    before = world.one_pull("dev")
    world.remote.commit({overlay_path("dev"): b"<<<<<<< HEAD\n" + world.overlay("dev")})
    ran = world.run()
    assert ran.actions[world.key("dev")] == "skipped", ran.reasons
    assert world.one_pull("dev") == before
    assert world.branch("dev") in world.remote.branches()
    world.remote.commit({overlay_path("dev"): world.overlay("dev")})
    world.settle(*SAME)


def test_nothing_from_the_repository_runs(world: World, tmp_path: Path) -> None:
    """Attributes that name filters, hooks and a configuration in the tree are data."""
    marker = tmp_path / "ran"
    command = f"touch {marker}; cat"
    world.remote.commit(
        {
            ".gitattributes": b"* filter=evil diff=evil merge=evil export-subst\n",
            ".gitmodules": f'[submodule "x"]\n\tpath = x\n\turl = ext::sh -c "{command}"\n'.encode(),
            ".git-hooks/post-checkout": ("100755", f"#!/bin/sh\n{command}\n".encode()),
        }
    )
    for name in ("clean", "smudge", "process"):
        subprocess.run(
            ["git", "config", f"filter.evil.{name}", command], cwd=world.remote.path, check=True
        )
    world.settle(*THREE)
    assert not marker.exists()


# Configuration.


def test_a_broken_configuration_names_every_problem(world: World) -> None:
    """Exit 2 with all problems and their places; open requests are left alone."""
    world.settle(*THREE)
    before = world.picture()
    text = CONFIG.replace("images:", "imagse:").replace("version: 1", "version: 7")
    world.remote.commit({".imagebot.yaml": text.encode()})
    ran = world.run()
    assert ran.code == 2
    problem = ran.cycle["problem"]
    assert "did you mean" in problem.lower()
    assert problem.count(".imagebot.yaml:") >= 2, problem
    now = world.picture()
    assert now["requests"] == before["requests"]
    world.remote.commit({".imagebot.yaml": CONFIG.encode()})
    world.settle(*SAME)


@pytest.mark.parametrize("mode", ["120000", "160000"], ids=["a link", "a submodule"])
def test_a_configuration_that_is_no_file_is_refused(world: World, mode: str) -> None:
    """`.imagebot.yaml` as a link is not followed, and not taken for "no configuration"."""
    content = b"README.md" if mode == "120000" else world.remote.sha("main").encode()
    world.remote.commit({".imagebot.yaml": (mode, content)})
    ran = world.run()
    assert ran.code == 4
    assert world.pulls == {}


# Remotes.


def test_a_missing_base_branch_is_said(world: World) -> None:
    """The operator names a branch that is not there."""
    world.write_operator(
        f"repositories:\n  - url: {world.remote.path}\n    base: nope\n    forge: {{kind: local}}\n"
    )
    ran = world.run()
    assert ran.code == 4
    assert "nope" in ran.cycle["problem"]
    assert world.remote.branches().keys() == {"main"}


def test_a_remote_that_is_gone_stops_itself_alone(world: World, tmp_path: Path) -> None:
    """One of two repositories is gone, then broken: the other is served, exit 3, both named."""
    gone = RemoteRepo(tmp_path / "gone.git")
    shutil.rmtree(gone.path)
    world.write_operator(
        f"repositories:\n  - url: {gone.path}\n    forge: {{kind: local}}\n"
        f"  - url: {world.remote.path}\n    forge: {{kind: local}}\n"
    )
    ran = world.run()
    assert ran.code == 3
    bad, good = ran.document["repositories"]
    assert bad["repository"] == str(gone.path)
    assert bad["problem"]
    assert [outcome["action"] for outcome in good["outcomes"]] == list(THREE)


def test_a_refused_push_costs_its_own_group(world: World) -> None:
    """A hook of the server refuses one branch: the reason is passed on, the others go on."""
    world.remote.hook(
        "update", 'case "$1" in *imagebot/dev*) echo "frozen until Monday" >&2; exit 1;; esac'
    )
    ran = world.run()
    assert ran.code == 3
    assert ran.actions == {world.key(name): "created" for name in ENVIRONMENTS} | {
        world.key("dev"): "failed"
    }
    assert "frozen until Monday" in ran.reasons[world.key("dev")]
    assert world.open_pulls(world.branch("dev")) == []
    (world.remote.path / "hooks" / "update").unlink()
    world.settle("created", "unchanged", "unchanged")


@pytest.mark.parametrize("rewritten", [False, True], ids=["moved on", "rewritten"])
def test_a_base_that_moves_during_the_run_is_caught_up_with(
    tmp_path: Path, zygote: Zygote, registry: EmbeddedRegistry, *, rewritten: bool
) -> None:
    """A person edits an overlay between our look and our push: that group alone waits a run.

    On a base branch that was rewritten meanwhile, all of them do.
    """
    with Front(registry) as front:
        world = World(tmp_path / "world", registry, zygote, host=front.host)
        world.release("1.0.0", "1.0.5", "1.1.0")
        pushed: list[str] = []

        def meanwhile(request: Request, reply: Answer) -> Answer:
            if not pushed and "/tags/" in request.target:
                if rewritten:
                    world.amend("main", "the same files, another history", parents=[])
                pushed.append(world.bump("dev", "1.0.5"))
            return reply

        front.spoil = meanwhile
        ran = world.settle()
        assert pushed
        told = [ran.actions[world.key(name)] for name in ENVIRONMENTS]
        others = "skipped" if rewritten else "created"
        assert told == ["skipped", others, others], ran.reasons
        assert "moved" in ran.reasons[world.key("dev")]
        world.settle()
        assert world.one_pull("dev")["title"] == "dev: web 1.0.5 → 1.1.0"
        branch = world.branch("dev")
        assert git(world.remote.path, "merge-base", "main", branch).decode().strip() == pushed[0]
        world.settle(*SAME)


def test_a_branch_that_is_in_the_way_is_said(world: World) -> None:
    """A branch named `imagebot` leaves no room for `imagebot/...`: failed with git's reason."""
    git(world.remote.path, "update-ref", "refs/heads/imagebot", "refs/heads/main")
    ran = world.run()
    assert ran.code == 3
    assert set(ran.actions.values()) == {"failed"}
    assert all("imagebot" in reason for reason in ran.reasons.values()), ran.reasons
    assert world.pulls == {}
    world.delete_branch("imagebot")
    world.settle(*THREE)


def test_a_force_pushed_base_is_followed(world: World) -> None:
    """The base branch is rewritten: branches whose parent is gone are built anew on it."""
    world.settle(*THREE)
    files = {overlay_path(name): world.overlay(name) for name in ENVIRONMENTS}
    subprocess.run(
        ["git", "update-ref", "-d", "refs/heads/main"], cwd=world.remote.path, check=True
    )
    world.remote.commit({".imagebot.yaml": CONFIG.encode(), **files}, message="start over")
    world.settle()
    world.settle()
    for environment in ENVIRONMENTS:
        assert len(world.open_pulls(world.branch(environment))) == 1
        assert world.tag_on(world.branch(environment), environment) == "1.1.0"


def test_a_broken_mirror_is_made_anew(world: World) -> None:
    """Truncated packs, a stale lock, rubbish for HEAD: the mirror is only a cache."""
    world.settle(*THREE)
    (mirror,) = world.workdir.glob("*/mirror.git")
    (mirror / "HEAD.lock").touch()
    world.settle(*SAME)
    for pack in mirror.glob("objects/pack/*.pack"):
        pack.chmod(0o600)
        pack.write_bytes(pack.read_bytes()[:40])
    world.settle(*SAME)
    (mirror / "HEAD").write_text("nonsense")
    world.settle(*SAME)
    shutil.rmtree(mirror / "objects")
    world.release("1.2.0")
    world.settle("updated", "updated", "updated")
