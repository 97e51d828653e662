"""Images made from nothing: valid by the image specification, and the same every time."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagebot.registry import mediatypes as media
from imagebot.registry.images import Image, ImageOptions, Part, make_image, push_image
from imagebot.registry.server_store import Store

PLATFORMS = st.lists(
    st.sampled_from(["linux/amd64", "linux/arm64", "linux/arm/v7", "windows/amd64"]),
    min_size=1,
    unique=True,
)


def parts(image: Image) -> dict[str, Part]:
    return {part.digest: part for part in (*image.blobs, *image.manifests)}


def test_the_digest_is_written_in_stone() -> None:
    """The same arguments give this digest on every machine and with every compressor."""
    image = make_image(
        platforms=["linux/amd64", "linux/arm/v7"],
        created="2026-01-02T03:04:05Z",
        labels={"b": "2", "a": "1"},
        payload=b"hello",
        attestation=True,
    )
    assert image.digest == "sha256:09fb7aa98f8b70e89d02c44f55c272f25216d3070003d9260e99500ae90f59f8"


@given(PLATFORMS, st.binary(max_size=2000), st.sampled_from(["oci", "docker"]))
def test_everything_an_index_names_is_there(
    platforms: list[str], payload: bytes, flavour: str
) -> None:
    """Digests, sizes, media types and platforms agree from the index down to the layer's file."""
    image = make_image(platforms=platforms, payload=payload, flavour=flavour)
    known = parts(image)
    index = json.loads(image.manifests[-1].body)
    assert index["mediaType"] == (media.DOCKER_LIST if flavour == "docker" else media.OCI_INDEX)
    named = [
        "/".join(
            filter(
                None,
                (e["platform"]["os"], e["platform"]["architecture"], e["platform"].get("variant")),
            )
        )
        for e in index["manifests"]
    ]
    assert named == platforms
    for entry in index["manifests"]:
        manifest = json.loads(known[entry["digest"]].body)
        config = json.loads(known[manifest["config"]["digest"]].body)
        (layer,) = manifest["layers"]
        for found in (entry, manifest["config"], layer):
            assert len(known[found["digest"]].body) == found["size"]
            assert known[found["digest"]].media_type == found["mediaType"]
        plain = gzip.decompress(known[layer["digest"]].body)
        assert config["rootfs"]["diff_ids"] == [f"sha256:{hashlib.sha256(plain).hexdigest()}"]
        with tarfile.open(fileobj=io.BytesIO(plain)) as archive:
            (member,) = archive.getmembers()
            assert member.mtime == 0
            assert archive.extractfile(member).read() == payload
        assert {k: config[k] for k in entry["platform"]} == entry["platform"]


def test_what_is_not_given_is_not_there() -> None:
    """No creation time, no variant: the configuration leaves them out and invents nothing."""
    config = json.loads(make_image().blobs[1].body)
    assert "created" not in config
    assert "variant" not in config
    dated = json.loads(make_image(created="2026-01-02T03:04:05Z").blobs[1].body)
    assert dated["created"] == dated["history"][0]["created"] == "2026-01-02T03:04:05Z"


def test_attestations_point_at_their_images() -> None:
    """As BuildKit does it: one entry of platform unknown/unknown for each image, with its digest."""
    image = make_image(platforms=["linux/amd64", "linux/arm64"], attestation=True)
    first, second, *entries = json.loads(image.manifests[-1].body)["manifests"]
    for subject, entry in zip([first, second], entries, strict=True):
        assert entry["platform"] == {"architecture": "unknown", "os": "unknown"}
        assert entry["annotations"] == {
            "vnd.docker.reference.type": "attestation-manifest",
            "vnd.docker.reference.digest": subject["digest"],
        }
        (statement,) = json.loads(parts(image)[entry["digest"]].body)["layers"]
        assert statement["mediaType"] == media.IN_TOTO


@pytest.mark.parametrize(
    ("options", "media_type"),
    [
        ({}, media.OCI_INDEX),
        ({"index": False}, media.OCI_MANIFEST),
        ({"flavour": "docker"}, media.DOCKER_LIST),
        ({"flavour": "docker", "index": False}, media.DOCKER_MANIFEST),
    ],
)
def test_pushing_takes_every_check_of_the_store(options: ImageOptions, media_type: str) -> None:
    """All four media types pass the store's rules, and the tag names the top's digest."""
    store = Store()
    digest = push_image(store, "acme/web", "1.0", annotations={"a": "b"}, **options)
    found = store.manifest("acme/web", "1.0")
    assert (found.digest, found.media_type) == (digest, media_type)


@pytest.mark.parametrize(
    "options",
    [
        {"platforms": []},
        {"platforms": ["linux/amd64", "linux/arm64"], "index": False},
        {"attestation": True, "flavour": "docker"},
        {"attestation": True, "index": False},
    ],
)
def test_options_that_fit_no_image(options: ImageOptions) -> None:
    """What no registry could serve is refused when it is asked for."""
    with pytest.raises(ValueError, match=r"platform|attestations"):
        make_image(**options)
