"""The embedded registry and its images, judged by a real client: skopeo."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests

from imagebot.registry.images import ImageOptions
from imagebot.registry.mediatypes import MANIFESTS
from imagebot.registry.server import EmbeddedRegistry
from tests.support.registryhttp import RegistryHTTP

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(
        shutil.which("skopeo") is None, reason="skopeo is not installed (apt-get install skopeo)"
    ),
]

Skopeo = Callable[..., str]


@pytest.fixture
def skopeo(tmp_path: Path) -> Skopeo:
    policy = tmp_path / "policy.json"
    policy.write_text('{"default": [{"type": "insecureAcceptAnything"}]}')

    def run(*arguments: object) -> str:
        done = subprocess.run(
            ["skopeo", "--policy", str(policy), *map(str, arguments)],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


@pytest.fixture
def registry() -> Iterator[EmbeddedRegistry]:
    with EmbeddedRegistry(page_size=10) as running:
        yield running


def test_listing_tags_over_pages(registry: EmbeddedRegistry, skopeo: Skopeo) -> None:
    """Skopeo follows our Link headers and finds every tag."""
    tags = [f"1.{minor}.0" for minor in range(35)]
    for tag in tags:
        registry.put_image("acme/web", tag)
    found = json.loads(
        skopeo("list-tags", "--tls-verify=false", f"docker://{registry.host}/acme/web")
    )
    assert found["Tags"] == sorted(tags)


def test_inspecting_an_image(registry: EmbeddedRegistry, skopeo: Skopeo) -> None:
    """Skopeo reads digest, creation time, platform and labels of the platform it asks for."""
    digest = registry.put_image(
        "acme/web",
        "1.2.0",
        platforms=["linux/amd64", "linux/arm64/v8"],
        created="2026-11-20T08:30:00Z",
        labels={"org.opencontainers.image.revision": "abc123"},
        attestation=True,
    )
    place = f"docker://{registry.host}/acme/web:1.2.0"
    raw = skopeo("inspect", "--tls-verify=false", "--raw", place)
    found = json.loads(
        skopeo(
            "--override-arch",
            "arm64",
            "--override-variant",
            "v8",
            "inspect",
            "--tls-verify=false",
            place,
        )
    )
    assert found["Digest"] == digest
    assert found["Created"] == "2026-11-20T08:30:00Z"
    assert found["Architecture"] == "arm64"
    assert found["Labels"] == {"org.opencontainers.image.revision": "abc123"}
    assert [e["platform"]["architecture"] for e in json.loads(raw)["manifests"]] == [
        "amd64",
        "arm64",
        "unknown",
        "unknown",
    ]


@pytest.mark.parametrize("flavour", ["oci", "docker"])
def test_a_round_trip_keeps_every_digest(
    registry: EmbeddedRegistry, skopeo: Skopeo, tmp_path: Path, flavour: str
) -> None:
    """Registry to directory and back into another repository: the same bytes, the same digest."""
    digest = registry.put_image(
        "acme/web",
        "1.0",
        platforms=["linux/amd64", "linux/arm64"],
        flavour=flavour,
        payload=b"x" * 3000,
    )
    there = f"dir:{tmp_path}/copy"
    skopeo(
        "copy", "--all", "--src-tls-verify=false", f"docker://{registry.host}/acme/web:1.0", there
    )
    skopeo(
        "copy",
        "--all",
        "--dest-tls-verify=false",
        there,
        f"docker://{registry.host}/other/name:back",
    )
    assert registry.store.manifest("other/name", "back").digest == digest


def test_an_oci_layout_round_trip(
    registry: EmbeddedRegistry, skopeo: Skopeo, tmp_path: Path
) -> None:
    """An OCI image goes to an OCI layout and back with its digest unchanged."""
    digest = registry.put_image("acme/web", "1.0", platforms=["linux/amd64", "linux/arm64"])
    layout = f"oci:{tmp_path}/layout:1.0"
    skopeo(
        "copy", "--all", "--src-tls-verify=false", f"docker://{registry.host}/acme/web:1.0", layout
    )
    with EmbeddedRegistry() as fresh:
        skopeo(
            "copy",
            "--all",
            "--dest-tls-verify=false",
            layout,
            f"docker://{fresh.host}/acme/web:1.0",
        )
        assert fresh.store.manifest("acme/web", "1.0").digest == digest


def test_copying_between_repositories_and_deleting(
    registry: EmbeddedRegistry, skopeo: Skopeo
) -> None:
    """Skopeo copies within the registry (blobs are there already) and deletes by digest."""
    digest = registry.put_image("acme/web", "1.0")
    source, target = (f"docker://{registry.host}/{name}:1.0" for name in ("acme/web", "copy/of-it"))
    skopeo("copy", "--all", "--src-tls-verify=false", "--dest-tls-verify=false", source, target)
    assert registry.store.manifest("copy/of-it", "1.0").digest == digest
    skopeo("delete", "--tls-verify=false", target)
    assert registry.store.tags("copy/of-it", 10) == ([], False)
    assert registry.store.manifest("acme/web", "1.0").digest == digest


@pytest.fixture
def distribution(tmp_path: Path) -> Iterator[str]:
    """CNCF Distribution, the registry that most others are measured by."""
    program = shutil.which("docker-registry")
    if program is None:
        pytest.skip("docker-registry is not installed (apt-get install docker-registry)")
    with socket.create_server(("127.0.0.1", 0)) as free:
        host = f"127.0.0.1:{free.getsockname()[1]}"
    config = tmp_path / "config.yml"
    config.write_text(
        f"version: 0.1\nstorage: {{inmemory: {{}}}}\nhttp: {{addr: '{host}'}}\nlog: {{level: error}}\n"
    )
    with subprocess.Popen([program, "serve", config], stderr=subprocess.DEVNULL) as process:
        try:
            deadline = time.monotonic() + 20
            with RegistryHTTP(f"http://{host}") as http:
                while True:
                    try:
                        assert http("GET", "/v2/").status_code == 200
                        break
                    except requests.ConnectionError:
                        assert time.monotonic() < deadline
                        time.sleep(0.05)
            yield host
        finally:
            process.terminate()


@pytest.mark.parametrize(
    "options",
    [
        {"platforms": ["linux/amd64", "linux/arm64"], "attestation": True},
        {"platforms": ["linux/amd64", "linux/arm64"], "flavour": "docker"},
        {"index": False},
        {"index": False, "flavour": "docker"},
    ],
)
def test_distribution_takes_our_images(
    registry: EmbeddedRegistry, skopeo: Skopeo, distribution: str, options: ImageOptions
) -> None:
    """Every kind of image passes the checks of CNCF Distribution, there and back unchanged."""
    digest = registry.put_image("acme/web", "1.0", **options)
    plain = ("--all", "--src-tls-verify=false", "--dest-tls-verify=false")
    there = f"docker://{distribution}/acme/web:1.0"
    skopeo("copy", *plain, f"docker://{registry.host}/acme/web:1.0", there)
    with EmbeddedRegistry() as fresh:
        skopeo("copy", *plain, there, f"docker://{fresh.host}/acme/web:1.0")
        assert fresh.store.manifest("acme/web", "1.0").digest == digest
    with RegistryHTTP(f"http://{distribution}") as http:
        theirs = http("GET", "/v2/acme/web/manifests/1.0", headers={"Accept": ", ".join(MANIFESTS)})
        ours = registry.store.manifest("acme/web", "1.0")
        assert (theirs.content, theirs.headers["Content-Type"]) == (ours.body, ours.media_type)
