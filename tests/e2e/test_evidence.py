"""What cannot be read is no evidence: a request is neither closed nor shrunk for it."""

from __future__ import annotations

import json
from pathlib import Path

from imagebot.registry.server import EmbeddedRegistry
from imagebot.registry.server_routes import Answer
from tests.support.crash import Zygote
from tests.support.worlds import CONFIG, Front, World, overlay_path

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
    assert "no file uses this image there any more" in ran.reasons[world.key("dev")]


def test_a_closed_request_says_why(world: World) -> None:
    """Switched off, or bumped by hand: the comment names what happened."""
    world.settle()
    world.bump("dev", "1.1.0")
    bumped = world.run()
    rules = CONFIG.replace("policy:", "enabled: false, policy:").replace(
        '- match: "**"\n    enabled: false, policy: {semver: "*"}',
        '- {match: "**", enabled: false}',
    )
    world.remote.commit({".imagebot.yaml": rules.encode()})
    disabled = world.run()

    assert "1.1.0" in bumped.reasons[world.key("dev")]
    assert "switched off" in disabled.reasons[world.key("staging")]


def test_an_empty_list_of_tags_is_no_evidence(tmp_path: Path, zygote: Zygote) -> None:
    """A registry that lists nothing, though a tag runs, leaves the request as it is."""
    with EmbeddedRegistry() as registry, Front(registry) as front:
        world = World(tmp_path / "world", registry, zygote, host=front.host)
        world.release("1.0.0", "1.1.0")
        world.settle()
        before = world.picture()
        front.spoil = lambda request, reply: (
            Answer(200, {"Content-Type": "application/json"}, b'{"name": "acme/web", "tags": []}')
            if "/tags/list" in request.target
            else reply
        )

        ran = world.run()

    assert ran.code == 3
    assert world.picture() == before


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
