"""Tags and details of images that only a Docker Engine has, and engines that misbehave."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagebot.errors import RegistryError, UsageError
from imagebot.imageref import parse_repository
from imagebot.model import ImageDetails
from imagebot.registry.engine import EngineRegistry
from imagebot.registry.port import Registry
from tests.support.dockerengine import DockerEngine, engine_image

APP = parse_repository("docker-daemon:my-app")
SERVED = "sha256:" + "ab" * 32
OTHER = "sha256:" + "cd" * 32
ID = f"sha256:{1:064x}"


@pytest.fixture
def engine() -> Iterator[DockerEngine]:
    with DockerEngine(
        engine_image(3, "my-app:1.2.0", "my-app:latest"),
        engine_image(2, "my-app-evil:9.9.9", "acme/my-app:8.0.0", "ghcr.io/acme/my-app:7.0.0"),
        engine_image(1, "my-app:1.1.0", "other:1.0"),
        engine_image(0, "<none>:<none>"),
    ) as running:
        yield running


@pytest.fixture
def registry(engine: DockerEngine) -> Iterator[EngineRegistry]:
    with EngineRegistry(engine.base_url, seconds=2, cap=200_000) as opened:
        yield opened


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("my-app", ("1.2.0", "latest", "1.1.0")),
        ("library/my-app", ("1.2.0", "latest", "1.1.0")),
        ("docker.io/library/my-app", ("1.2.0", "latest", "1.1.0")),
        ("acme/my-app", ("8.0.0",)),
        ("ghcr.io/acme/my-app", ("7.0.0",)),
        ("my-app-evil", ("9.9.9",)),
    ],
)
def test_tags_are_those_of_exactly_this_repository(
    registry: EngineRegistry, name: str, expected: tuple[str, ...]
) -> None:
    """Newest image first, as the engine lists them; no neighbour's tag is among them."""
    port: Registry = registry
    assert port.tags(parse_repository(f"docker-daemon:{name}")) == expected


def test_tags_hold_even_when_the_engine_does_not_filter(
    engine: DockerEngine, registry: EngineRegistry
) -> None:
    """The engine's filter saves bytes; which tags count is decided here."""
    everything = engine.listed("")
    engine.listed = lambda reference: everything
    assert registry.tags(APP) == ("1.2.0", "latest", "1.1.0")


@given(st.lists(st.sampled_from(["1", "2", "3", "a-b"]), max_size=6))
def test_a_tag_is_listed_once(tags: list[str]) -> None:
    """However often the engine names a tag, it is one tag."""
    from imagebot.registry.engine import _tags

    image = engine_image(1, *(f"my-app:{tag}" for tag in tags), "<none>:<none>", "my-app@x", "")
    assert list(_tags(image, parse_repository("my-app"))) == tags


def test_a_repository_without_images_is_missing(registry: EngineRegistry) -> None:
    """An engine knows no empty repositories: it says 404 and how to build one."""
    with pytest.raises(RegistryError, match="no image of my-ap ") as caught:
        registry.tags(parse_repository("docker-daemon:my-ap"))
    assert caught.value.status == 404
    assert "docker build -t my-ap:" in caught.value.hint


@pytest.mark.parametrize("reference", ["9.9.9", OTHER, f"sha256:{2:064x}"])
def test_a_reference_that_this_repository_does_not_have(
    registry: EngineRegistry, reference: str
) -> None:
    """An unknown tag or digest is an error, and so is the id of a neighbour's image."""
    with pytest.raises(RegistryError, match=r"No such image|another image"):
        registry.digest(APP, reference)


@pytest.mark.parametrize(
    ("digests", "expected"),
    [
        ((), ID),
        ((f"my-app@{SERVED}",), SERVED),
        ((f"docker.io/library/my-app@{SERVED}",), SERVED),
        ((f"ghcr.io/acme/my-app@{SERVED}",), ID),
        ((f"my-app@{SERVED}", f"ghcr.io/acme/my-app@{OTHER}"), SERVED),
        ((f"my-app@{SERVED}", f"my-app@{OTHER}"), ID),
        (("<none>@<none>",), ID),
    ],
)
def test_which_digest_an_image_has(
    engine: DockerEngine, registry: EngineRegistry, digests: tuple[str, ...], expected: str
) -> None:
    """The one digest a registry serves under this name, else the image's id; never a guess."""
    engine.images = [engine_image(1, "my-app:1.0", digests=digests)]
    assert registry.digest(APP, "1.0") == expected
    assert registry.digest(APP, ID) == expected
    if expected == SERVED:
        assert registry.digest(APP, SERVED) == SERVED


def test_the_details_of_an_image(engine: DockerEngine, registry: EngineRegistry) -> None:
    """Platform, time and size as they are, and of the labels only the known ones, cleaned."""
    labels = {
        "org.opencontainers.image.revision": "abc\x1b[31m123",
        "evil": "x",
        "org.opencontainers.image.url": 7,
    }
    engine.images = [
        engine_image(
            1,
            "my-app:1.0",
            Architecture="arm",
            Variant="v7",
            Config={"Labels": labels},
            Descriptor={"mediaType": "application/vnd.oci.image.index.v1+json"},
        )
    ]
    assert registry.details(APP, "1.0") == ImageDetails(
        digest=ID,
        media_type="application/vnd.oci.image.index.v1+json",
        created="2026-11-20T08:30:00.123456789Z",
        platforms=("linux/arm/v7",),
        labels={"org.opencontainers.image.revision": "abc[31m123"},
        size=1001,
    )


def test_details_that_are_not_there(engine: DockerEngine, registry: EngineRegistry) -> None:
    """What the engine does not say stays empty; the year 1 is its way of not saying when."""
    bare = {
        "Created": "0001-01-01T00:00:00Z",
        "Os": "",
        "Config": None,
        "Size": -1,
        "RepoDigests": None,
    }
    engine.images = [{**engine_image(1, "my-app:1.0"), **bare}]
    engine.described = lambda name: engine.images[0]
    assert registry.details(APP, "1.0") == ImageDetails(digest=ID)


def test_an_answer_about_another_image_is_not_believed(
    engine: DockerEngine, registry: EngineRegistry
) -> None:
    """Evidence that contradicts the question is no evidence."""
    engine.described = lambda name: engine_image(1, "other:1.0")
    for reference in ["1.0", SERVED, ID]:
        with pytest.raises(RegistryError, match="another image"):
            registry.details(APP, reference)


@pytest.mark.parametrize("versions", [("1.24", "1.24"), ("1.24", "1.41"), ("1.44", "1.52")])
def test_engines_old_and_new(versions: tuple[str, str]) -> None:
    """The engine's own API version is spoken, whatever range it supports."""
    with (
        DockerEngine(engine_image(1, "my-app:1.0"), versions=versions) as engine,
        EngineRegistry(engine.base_url) as registry,
    ):
        assert registry.digest(APP, "1.0") == ID
        assert engine.requests[-1].startswith(f"/v{versions[1]}/")


def test_threads_share_an_engine(engine: DockerEngine, registry: EngineRegistry) -> None:
    """Sixteen threads ask at once, get whole answers, and reuse connections afterwards."""
    with ThreadPoolExecutor(16) as pool:
        found = list(
            pool.map(lambda _: (registry.tags(APP), registry.digest(APP, "1.1.0")), range(64))
        )
    assert set(found) == {(("1.2.0", "latest", "1.1.0"), ID)}
    assert engine.connections <= 17
    before = engine.connections
    registry.digest(APP, "latest")
    assert engine.connections == before


def ok(body: bytes, length: int | None = None) -> bytes:
    size = len(body) if length is None else length
    return (
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % size
        + body
    )


@pytest.mark.parametrize(
    "answer",
    [
        ok(b"not json"),
        ok(b"<html>"),
        ok(b""),
        ok(b"{}"),
        ok(b"[1]"),
        ok(b'[{"RepoTags": "my-app:1.0"}]'),
        ok(b'[{"RepoTags": [1]}]'),
        ok(b"[" * 150_000),
        ok(b"1" * 5000),
        ok(b"[]", length=10),
        ok(b'[{"RepoTags": ["my-app:1.0"]', length=100),
        b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n[{"Re\r\n',
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 2\r\n\r\nxx",
        b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/x\r\nContent-Length: 0\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.9\r\n",
        b"",
    ],
)
def test_garbage_is_an_error_never_an_answer(
    engine: DockerEngine, registry: EngineRegistry, answer: bytes
) -> None:
    """Whatever the engine sends, the only exception is RegistryError and no tag is invented."""
    engine.faults["images/json"] = answer
    with pytest.raises(RegistryError):
        registry.tags(APP)
    engine.faults.clear()
    assert registry.tags(APP) == ("1.2.0", "latest", "1.1.0")


@pytest.mark.parametrize(
    "answer",
    [
        ok(b"{}"),
        ok(b'{"ApiVersion": 1.5}'),
        ok(b'{"ApiVersion": "1.5/../../x"}'),
        ok(b"[]"),
        ok(b"null"),
        b"",
    ],
)
def test_an_engine_without_a_version(
    engine: DockerEngine, registry: EngineRegistry, answer: bytes
) -> None:
    """The handshake is checked like any answer, and tried again with the next question."""
    engine.faults["/version"] = answer
    with pytest.raises(RegistryError):
        registry.tags(APP)
    engine.faults.clear()
    assert registry.tags(APP)


@pytest.mark.parametrize(
    ("status", "body", "message"),
    [
        (500, b'{"message": "disk\\n is \\u001b[31mfull"}', r"disk is \[31mfull"),
        (503, b"plain words", "plain words"),
        (403, b'{"message": "authorization denied by plugin"}', "denied by plugin"),
        (400, b'{"message": 7}', "docker engine"),
        (400, b"[]", "docker engine"),
        (500, b"x" * 5000, "x{200}$"),
    ],
)
def test_the_engines_own_errors(
    engine: DockerEngine,
    registry: EngineRegistry,
    status: int,
    body: bytes,
    message: str,
) -> None:
    """Its words are passed on in one line, cut short, with the status."""
    engine.faults["images/json"] = (
        b"HTTP/1.1 %d X\r\nContent-Length: %d\r\n\r\n" % (status, len(body)) + body
    )
    with pytest.raises(RegistryError, match=message) as caught:
        registry.tags(APP)
    assert len(caught.value.message) < 300
    assert caught.value.retryable == (status >= 500)


def drip(piece: bytes, head: bytes = b""):
    """Send a byte, and another, and another: each well within any socket timeout."""

    def fault(handler) -> None:
        handler.wfile.write(head)
        for _ in range(100):
            handler.wfile.write(piece)
            time.sleep(0.05)

    return fault


@pytest.mark.parametrize(
    "fault",
    [
        lambda handler: time.sleep(4),
        drip(b"X-Drip: 1\r\n", b"HTTP/1.1 200 OK\r\n"),
        drip(b" ", b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"),
        drip(b" ", b"HTTP/1.1 200 OK\r\n\r\n"),
    ],
    ids=["silence", "headers", "body", "endless body"],
)
def test_a_slow_engine_is_left_in_time(engine: DockerEngine, fault) -> None:
    """The deadline counts for the whole answer, and nothing of it lives on."""
    engine.faults["images/json"] = fault
    with EngineRegistry(engine.base_url, seconds=0.4) as registry:
        registry.digest(APP, "latest")
        started = time.monotonic()
        with pytest.raises(RegistryError, match=r"within 0\.4 s|does not answer") as caught:
            registry.tags(APP)
        assert time.monotonic() - started < 2
        assert caught.value.retryable
        engine.faults.clear()
        assert registry.tags(APP)


def test_a_slow_handshake_is_left_in_time(engine: DockerEngine) -> None:
    """The deadline holds for the first connection's first answer, too."""
    engine.faults["/version"] = drip(b"X-Drip: 1\r\n", b"HTTP/1.1 200 OK\r\n")
    with EngineRegistry(engine.base_url, seconds=0.4) as registry:
        started = time.monotonic()
        with pytest.raises(RegistryError, match=r"within 0\.4 s"):
            registry.tags(APP)
        assert time.monotonic() - started < 2


def test_an_idle_connection_that_the_engine_closed(
    engine: DockerEngine, registry: EngineRegistry
) -> None:
    """A connection that ends under a question is replaced once, and no more than once."""
    registry.tags(APP)
    left = [1]

    def hang_up(handler) -> None:
        if left[0]:
            left[0] -= 1
            handler.close_connection = True
        else:
            handler._answer(*handler._route())

    engine.faults["images/json"] = hang_up
    assert registry.tags(APP) == ("1.2.0", "latest", "1.1.0")
    left[0] = 2
    with pytest.raises(RegistryError, match="docker engine at"):
        registry.tags(APP)
    assert left == [0]


def test_a_redirect_is_not_followed(engine: DockerEngine, registry: EngineRegistry) -> None:
    """An engine sends nobody elsewhere."""
    place = b"/v1.51/images/my-app:1.1.0/json"
    engine.faults["images/json"] = (
        b"HTTP/1.1 302 Found\r\nLocation: %s\r\nContent-Length: 0\r\n\r\n" % place
    )
    with pytest.raises(RegistryError):
        registry.tags(APP)
    assert not [path for path in engine.requests if "1.1.0" in path]


def test_a_huge_answer_is_cut_off(engine: DockerEngine, registry: EngineRegistry) -> None:
    """An answer over the cap is an error, however it is sent."""
    large = b"[" + b" " * 300_000 + b"]"
    for answer in [ok(large), b"HTTP/1.1 200 OK\r\n\r\n" + large]:
        engine.faults["images/json"] = answer
        with pytest.raises(RegistryError, match="larger than 200000 bytes"):
            registry.tags(APP)


def test_no_engine_there() -> None:
    """A missing socket, a file in its place, and a socket that nobody listens on are told apart."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory, "docker.sock")
        for prepare, words in [
            (None, "no such file"),
            (path.touch, "refused"),
            (lambda: deaf(path), "refused"),
        ]:
            if prepare:
                prepare()
            with (
                EngineRegistry(f"unix://{path}", seconds=1) as registry,
                pytest.raises(RegistryError, match=words) as caught,
            ):
                registry.tags(APP)
            assert "Docker Engine" in caught.value.hint
            assert caught.value.retryable


def deaf(path: Path) -> None:
    path.unlink()
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(path))


@pytest.mark.parametrize(
    "url",
    [
        "tcp://127.0.0.1:2375",
        "ssh://root@host",
        "http://localhost",
        "unix://relative",
        "",
        "npipe:////./x",
    ],
)
def test_only_unix_sockets(url: str) -> None:
    """Nothing is spoken to over a network or through another program."""
    with pytest.raises(UsageError, match="no unix socket"):
        EngineRegistry(url)


def test_questions_that_are_not_for_an_engine(
    registry: EngineRegistry, engine: DockerEngine
) -> None:
    """A registry's repository, and text that is no reference, never reach the engine."""
    with pytest.raises(RegistryError, match="served by a registry"):
        registry.tags(parse_repository("ghcr.io/acme/web"))
    for reference in ["", "../x", "a b", "sha256:short"]:
        with pytest.raises(RegistryError, match="neither a tag nor a digest"):
            registry.digest(APP, reference)
    assert engine.requests == []


def test_a_broken_docker_configuration(registry: EngineRegistry) -> None:
    """The docker package reads its file on every start; when it cannot, we say which and no more."""
    path = Path(os.environ["HOME"], ".docker", "config.json")
    path.parent.mkdir()
    path.write_text('{"auths": {"a.io": {"auth": "canary!"}}}')
    with pytest.raises(RegistryError, match="configuration is broken") as caught:
        registry.tags(APP)
    assert "config.json" in caught.value.hint
    assert "canary" not in str(caught.value)


def test_closing_leaves_nothing(engine: DockerEngine) -> None:
    """No thread and no connection stays; the next question opens them again."""
    before = set(threading.enumerate())
    registry = EngineRegistry(engine.base_url)
    registry.tags(APP)
    registry.close()
    registry.close()
    deadline = time.monotonic() + 2
    while set(threading.enumerate()) - before and time.monotonic() < deadline:
        time.sleep(0.01)
    assert set(threading.enumerate()) <= before
    assert registry.tags(APP)
    registry.close()


def test_the_docker_package_is_imported_with_the_first_question() -> None:
    """Naming an engine costs no import of the docker package."""
    script = (
        "import sys; from imagebot.registry.engine import EngineRegistry;"
        "EngineRegistry(); sys.exit('docker' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
