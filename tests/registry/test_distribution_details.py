"""Digests and details over real sockets: what is verified, what is read, and where secrets stay."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from imagebot.errors import RegistryError
from imagebot.http import HttpClient
from imagebot.imageref import Repository, parse_repository
from imagebot.registry.auth import Authenticator, Credential
from imagebot.registry.distribution import DistributionRegistry
from imagebot.registry.mediatypes import (
    DOCKER_LIST,
    DOCKER_MANIFEST,
    OCI_CONFIG,
    OCI_INDEX,
    OCI_MANIFEST,
)
from tests.support.misbehaving import Handler, Misbehaving, Seen, Wire, status
from tests.support.skipclock import SkipClock

SECRET = "canary-registry-token"
SOURCE = "org.opencontainers.image.source"
CREATED = "org.opencontainers.image.created"


class Shelf:
    """Content by digest and by tag, served as a registry serves it; `broken` answers otherwise."""

    def __init__(self) -> None:
        self.content: dict[str, tuple[str, bytes]] = {}
        self.broken: dict[str, Handler] = {}
        self.headers: dict[str, str | None] = {}
        self.blob_redirect = ""

    def put(self, document: Any, media_type: str, *tags: str) -> dict[str, Any]:
        body = json.dumps(document).encode()
        digest = "sha256:" + hashlib.sha256(body).hexdigest()
        for name in (digest, *tags):
            self.content[name] = (media_type, body)
        return {"mediaType": media_type, "digest": digest, "size": len(body)}

    def image(
        self,
        *tags: str,
        arch: str = "amd64",
        created: str = "2024-01-01T00:00:00Z",
        labels: dict[str, str] | None = None,
        media_type: str = OCI_MANIFEST,
        **more: Any,
    ) -> dict[str, Any]:
        config = self.put(
            {"os": "linux", "architecture": arch, "created": created, "config": {"Labels": labels}},
            OCI_CONFIG,
        )
        layer = {"mediaType": "x", "digest": "sha256:" + "0" * 64, "size": 1000}
        document = {"schemaVersion": 2, "config": config, "layers": [layer], **more}
        return self.put(document, media_type, *tags)

    def __call__(self, seen: Seen, wire: Wire) -> None:
        name = seen.path.rpartition("/")[2]
        if name in self.broken:
            self.broken[name](seen, wire)
        elif name not in self.content:
            wire.json({"errors": [{"code": "MANIFEST_UNKNOWN"}]}, 404)
        elif "/blobs/" in seen.path and self.blob_redirect:
            wire.reply(307, b"", {"Location": f"{self.blob_redirect}/{name}?X-Sig=abc"})
        else:
            media_type, body = self.content[name]
            digest = "sha256:" + hashlib.sha256(body).hexdigest()
            headers: dict[str, str | None] = {
                "Content-Type": media_type, "Docker-Content-Digest": digest, **self.headers,
            }  # fmt: skip
            kept = {key: value for key, value in headers.items() if value is not None}
            if seen.method == "HEAD":
                lines = "".join(f"{key}: {value}\r\n" for key, value in kept.items())
                wire.send(f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n{lines}\r\n".encode())
            else:
                wire.reply(200, body, kept)


@contextmanager
def serve(shelf: Handler) -> Iterator[tuple[Misbehaving, DistributionRegistry, Repository]]:
    clock = SkipClock()
    login = Credential(registry_token=SECRET)
    with Misbehaving(shelf) as server, HttpClient(user_agent="t", clock=clock) as http:
        client = DistributionRegistry(http, lambda repository: login, Authenticator(clock.now))
        yield server, client, parse_repository(f"{server.netloc}/acme/web")


def test_a_digest_costs_one_head() -> None:
    """HEAD is free on Docker Hub: no GET when the header is there."""
    shelf = Shelf()
    digest = shelf.image("1.0")["digest"]
    with serve(shelf) as (server, client, repo):
        assert client.digest(repo, "1.0") == digest
        assert client.digest(repo, digest) == digest
        assert [seen.method for seen in server.seen] == ["HEAD", "HEAD"]
        for kind in (OCI_INDEX, OCI_MANIFEST, DOCKER_LIST, DOCKER_MANIFEST):
            assert kind in server.seen[0].headers["accept"]


@pytest.mark.parametrize("code", [400, 405, 406, 501, None])
def test_without_head_the_manifest_is_hashed(code: int | None) -> None:
    """R23: no HEAD, or no digest in its answer: GET and SHA-256."""
    shelf = Shelf()
    digest = shelf.image("1.0")["digest"]
    shelf.headers["Docker-Content-Digest"] = None

    def handle(seen: Seen, wire: Wire) -> None:
        if seen.method == "HEAD" and code is not None:
            wire.send(f"HTTP/1.1 {code} X\r\nContent-Length: 0\r\n\r\n".encode())
        else:
            shelf(seen, wire)

    with serve(handle) as (server, client, repo):
        assert client.digest(repo, "1.0") == digest
        assert [seen.method for seen in server.seen] == ["HEAD", "GET"]


@pytest.mark.parametrize("code", [401, 403, 404, 429, 500])
def test_a_failed_head_is_no_reason_for_a_get(code: int) -> None:
    """A throttled or refused HEAD is the answer; a GET would cost the pull limit."""
    with serve(status(code)) as (server, client, repo):
        with pytest.raises(RegistryError) as caught:
            client.digest(repo, "1.0")
        assert caught.value.status == code
        assert {seen.method for seen in server.seen} == {"HEAD"}


@pytest.mark.parametrize(
    "header", ["latest", "sha256:../../x", "sha256:" + "a" * 63, "SHA256:" + "a" * 64]
)
def test_a_digest_that_is_none_is_refused(header: str) -> None:
    """CVE-2024-3727: what is no digest never goes into a file or a URL."""
    shelf = Shelf()
    shelf.image("1.0")
    shelf.headers["Docker-Content-Digest"] = header
    with serve(shelf) as (_, client, repo):
        with pytest.raises(RegistryError, match="no digest"):
            client.digest(repo, "1.0")
        with pytest.raises(RegistryError, match="no digest"):
            client.details(repo, "1.0")


def test_another_digest_than_asked_for_is_refused() -> None:
    """R23: a pinned digest must come back as itself, by HEAD and by GET."""
    shelf = Shelf()
    digest = shelf.image("1.0")["digest"]
    other = "sha256:" + "b" * 64
    shelf.headers["Docker-Content-Digest"] = other
    with serve(shelf) as (_, client, repo):
        with pytest.raises(RegistryError, match="asked for"):
            client.digest(repo, digest)
        with pytest.raises(RegistryError, match="asked for"):
            client.details(repo, digest)
        with pytest.raises(RegistryError, match="does not have the digest"):
            client.details(repo, "1.0")
    shelf.headers["Docker-Content-Digest"] = None
    shelf.content[digest] = (OCI_MANIFEST, b'{"schemaVersion": 2, "layers": []}')
    refused = pytest.raises(RegistryError, match="does not have the digest")
    with serve(shelf) as (_, client, repo), refused:
        client.details(repo, digest)


@pytest.mark.parametrize(
    "reference", ["", "../x", "a/b", "a?b", "sha256:x", "-x", "x" * 129, "a b"]
)
def test_what_is_no_reference_is_never_put_into_a_url(reference: str) -> None:
    """A tag with a slash or a question mark makes no request."""
    with serve(status(200)) as (server, client, repo):
        with pytest.raises(RegistryError, match="no tag and no digest"):
            client.digest(repo, reference)
        with pytest.raises(RegistryError, match="no tag and no digest"):
            client.details(repo, reference)
        assert server.seen == []


def test_an_image_for_one_platform() -> None:
    """Manifest and config: two requests, every field filled."""
    shelf = Shelf()
    entry = shelf.image("1.0", labels={SOURCE: "https://example.com/web", "other": "x"})
    with serve(shelf) as (server, client, repo):
        details = client.details(repo, "1.0")
        assert details.digest == entry["digest"]
        assert details.media_type == OCI_MANIFEST
        assert details.created == "2024-01-01T00:00:00Z"
        assert details.platforms == ("linux/amd64",)
        assert details.labels == {SOURCE: "https://example.com/web"}
        assert details.size > 1000
        assert len(server.seen) == 2


def entry_for(shelf: Shelf, arch: str, **more: Any) -> dict[str, Any]:
    return shelf.image(arch=arch, **more) | {"platform": {"os": "linux", "architecture": arch}}


def test_an_index_without_annotations_takes_the_newest_of_its_images() -> None:
    """The time of several platforms is the newest one's; attestations are left out."""
    shelf = Shelf()
    arm = entry_for(shelf, "arm64", created="2024-03-01T00:00:00Z", labels={SOURCE: "arm"})
    amd = entry_for(shelf, "amd64", created="2024-02-01T00:00:00Z", labels={SOURCE: "amd"})
    attestation = shelf.image() | {"platform": {"os": "unknown", "architecture": "unknown"}}
    top = shelf.put({"schemaVersion": 2, "manifests": [arm, amd, attestation]}, OCI_INDEX, "1.0")
    with serve(shelf) as (server, client, repo):
        details = client.details(repo, "1.0")
        assert details.digest == top["digest"]
        assert details.platforms == ("linux/arm64", "linux/amd64")
        assert details.created == "2024-03-01T00:00:00Z"
        assert details.labels == {SOURCE: "amd"}
        assert len(server.seen) == 5


def test_annotations_save_requests() -> None:
    """An index whose annotations say enough is read with one request."""
    shelf = Shelf()
    amd = entry_for(shelf, "amd64") | {
        "annotations": {CREATED: "2024-05-01T00:00:00Z", SOURCE: "entry"}
    }
    arm = entry_for(shelf, "arm64") | {"annotations": {CREATED: "2024-06-01T00:00:00Z"}}
    shelf.put({"schemaVersion": 2, "manifests": [amd, arm]}, OCI_INDEX, "1.0")
    shelf.put(
        {
            "schemaVersion": 2,
            "manifests": [amd, arm],
            "annotations": {CREATED: "2024-07-01T00:00:00Z", SOURCE: "index"},
        },
        OCI_INDEX,
        "2.0",
    )
    with serve(shelf) as (server, client, repo):
        first, second = client.details(repo, "1.0"), client.details(repo, "2.0")
        assert (first.created, first.labels[SOURCE]) == ("2024-06-01T00:00:00Z", "entry")
        assert (second.created, second.labels[SOURCE]) == ("2024-07-01T00:00:00Z", "index")
        assert len(server.seen) == 2


def test_labels_are_fetched_when_an_index_has_a_time_only() -> None:
    """A reviewer gets the source link at the price of one image, not of all."""
    shelf = Shelf()
    amd = entry_for(shelf, "amd64", labels={SOURCE: "amd"})
    arm = entry_for(shelf, "arm64")
    when = {CREATED: "2024-07-01T00:00:00Z"}
    shelf.put({"schemaVersion": 2, "manifests": [arm, amd], "annotations": when}, OCI_INDEX, "1.0")
    with serve(shelf) as (server, client, repo):
        details = client.details(repo, "1.0")
        assert (details.created, details.labels[SOURCE]) == (when[CREATED], "amd")
        assert len(server.seen) == 3


def test_a_missing_platform_is_read_from_the_image() -> None:
    """R24: an entry without a platform tells it in its config."""
    shelf = Shelf()
    entry = shelf.image(arch="s390x")
    shelf.put({"schemaVersion": 2, "manifests": [entry]}, DOCKER_LIST, "1.0")
    with serve(shelf) as (_, client, repo):
        assert client.details(repo, "1.0").platforms == ("linux/s390x",)


def test_a_nested_index_is_opened() -> None:
    """R24: indexes in indexes count as one flat list, two levels deep."""
    shelf = Shelf()
    inner = shelf.put({"schemaVersion": 2, "manifests": [entry_for(shelf, "amd64")]}, OCI_INDEX)
    middle = shelf.put(
        {"schemaVersion": 2, "manifests": [inner, entry_for(shelf, "arm64")]}, OCI_INDEX
    )
    shelf.put({"schemaVersion": 2, "manifests": [middle]}, OCI_INDEX, "deep")
    deeper = shelf.put({"schemaVersion": 2, "manifests": [middle]}, OCI_INDEX)
    shelf.put({"schemaVersion": 2, "manifests": [deeper]}, OCI_INDEX, "too-deep")
    with serve(shelf) as (_, client, repo):
        assert client.details(repo, "deep").platforms == ("linux/amd64", "linux/arm64")
        with pytest.raises(RegistryError, match="nested too deep"):
            client.details(repo, "too-deep")


def test_an_index_of_nothing_is_an_error() -> None:
    """R24: no images, or attestations only, cannot run anywhere."""
    shelf = Shelf()
    attestation = shelf.image() | {"platform": {"os": "unknown", "architecture": "unknown"}}
    shelf.put({"schemaVersion": 2, "manifests": []}, OCI_INDEX, "empty")
    shelf.put({"schemaVersion": 2, "manifests": [attestation]}, OCI_INDEX, "proofs")
    with serve(shelf) as (_, client, repo):
        for tag in ("empty", "proofs"):
            with pytest.raises(RegistryError, match="holds no image"):
                client.details(repo, tag)


@pytest.mark.parametrize("fault", [status(429), status(500), status(404), lambda s, w: w.reset()])
def test_one_unreadable_platform_fails_the_whole(fault: Handler) -> None:
    """R22, law 1: the rest of an index is never taken for all of it."""
    shelf = Shelf()
    amd, arm = entry_for(shelf, "amd64"), entry_for(shelf, "arm64")
    shelf.put({"schemaVersion": 2, "manifests": [amd, arm]}, OCI_INDEX, "1.0")
    shelf.broken[arm["digest"]] = fault
    with serve(shelf) as (_, client, repo), pytest.raises(RegistryError):
        client.details(repo, "1.0")


def test_a_config_with_another_digest_is_refused() -> None:
    """R23: a blob is what its digest says, wherever it came from."""
    shelf = Shelf()
    shelf.image("1.0")
    config = next(name for name, (kind, _) in shelf.content.items() if kind == OCI_CONFIG)
    shelf.content[config] = (OCI_CONFIG, b'{"os": "linux", "architecture": "evil"}')
    with serve(shelf) as (_, client, repo), pytest.raises(RegistryError, match="digest"):
        client.details(repo, "1.0")


def test_a_blob_may_come_from_elsewhere_without_the_login() -> None:
    """CVE-2026-49349: a redirect to a CDN is followed, and the CDN gets no Authorization."""
    shelf, cdn_shelf = Shelf(), Shelf()
    shelf.image("1.0")
    cdn_shelf.content = shelf.content
    with Misbehaving(cdn_shelf) as cdn:
        shelf.blob_redirect = cdn.url
        with serve(shelf) as (server, client, repo):
            assert client.details(repo, "1.0").platforms == ("linux/amd64",)
            assert len(cdn.seen) == 1
            assert SECRET in server.everything
            assert SECRET not in cdn.everything
            assert "authorization" not in cdn.everything.lower()


def test_the_urls_of_a_descriptor_are_never_asked() -> None:
    """ContainerDrip: a manifest cannot name hosts for us to visit."""
    with Misbehaving(status(200)) as evil:
        shelf = Shelf()
        config = shelf.put({"os": "linux", "architecture": "amd64"}, OCI_CONFIG)
        config["urls"] = [evil.url]
        layer = {"mediaType": "x", "digest": "sha256:" + "0" * 64, "size": 1, "urls": [evil.url]}
        shelf.put({"schemaVersion": 2, "config": config, "layers": [layer]}, OCI_MANIFEST, "1.0")
        with serve(shelf) as (_, client, repo):
            client.details(repo, "1.0")
            assert evil.seen == []


def test_a_type_that_lies_is_refused() -> None:
    """Type confusion: header and body must agree."""
    shelf = Shelf()
    shelf.image("1.0", mediaType=OCI_INDEX)
    with serve(shelf) as (_, client, repo), pytest.raises(RegistryError, match="otherwise"):
        client.details(repo, "1.0")


def test_a_manifest_over_the_cap_is_an_error() -> None:
    """R28: 4 MiB are enough for every honest manifest."""
    refused = pytest.raises(RegistryError, match="larger than 4194304")
    with serve(lambda s, w: w.reply(200, b" " * 5_000_000)) as (_, client, repo), refused:
        client.details(repo, "1.0")


def test_a_chart_has_no_platform() -> None:
    """What is no container image is described without reading its config."""
    shelf = Shelf()
    config = {
        "mediaType": "application/vnd.cncf.helm.config.v1+json",
        "digest": "sha256:" + "1" * 64,
    }
    shelf.put(
        {
            "schemaVersion": 2,
            "config": config,
            "layers": [],
            "annotations": {CREATED: "2024-07-01T00:00:00Z"},
        },
        OCI_MANIFEST,
        "1.0",
    )
    with serve(shelf) as (server, client, repo):
        details = client.details(repo, "1.0")
        assert (details.platforms, details.created) == ((), "2024-07-01T00:00:00Z")
        assert len(server.seen) == 1
