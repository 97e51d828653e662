"""What cannot be read is no evidence: a request is neither closed nor shrunk for it."""

from __future__ import annotations

import json

from tests.support.worlds import World, overlay_path

SECOND = "overlays/dev/second/kustomization.yaml"
BROKEN = b"images:\n  - name: web\n    newTag: [unclosed\n"


def test_a_file_that_breaks_takes_nothing_out_of_an_open_request(world: World) -> None:
    """One request covers two files; breaking and repairing one of them moves no branch."""
    world.remote.commit({SECOND: world.overlay("dev")})
    world.settle()
    before = world.remote.sha(world.branch("dev"))

    world.remote.commit({SECOND: BROKEN})
    broken = world.run()
    world.remote.commit({SECOND: world.overlay("dev")})
    world.settle()

    assert broken.actions[world.key("dev")] == "skipped"
    assert world.remote.sha(world.branch("dev")) == before


def test_an_image_that_is_left_alone_by_a_marker_closes_its_request(world: World) -> None:
    """`# imagebot: ignore` is an answer, not missing evidence."""
    world.settle()
    path = overlay_path("dev")
    marked = world.overlay("dev").replace(b"# current", b"# imagebot: ignore")
    world.remote.commit({path: marked})

    ran = world.run()

    assert ran.code == 0
    assert ran.actions[world.key("dev")] == "closed"


def test_a_configuration_over_the_size_cap_is_a_configuration_error(world: World) -> None:
    """Exit code 2 and the file's name, not a bug."""
    world.remote.commit({".imagebot.yaml": b"# " + b"x" * (9 * 1024 * 1024)})

    ran = world.run()

    assert ran.code == 2
    assert ".imagebot.yaml" in ran.out


def test_a_file_that_is_not_read_is_named_in_the_summary(world: World) -> None:
    """Whoever reads the log of a run sees which file nobody looked into."""
    world.remote.commit({SECOND: BROKEN})

    text = world.cold(more=["--output", "text"])

    assert "not read" in text.out
    assert SECOND in text.out
    assert json.loads(world.run().out)["repositories"][0]["plan"]["skipped"]
