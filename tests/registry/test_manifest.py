"""What counts as a manifest, an index and a time, and what is refused."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imagebot.errors import RegistryError
from imagebot.registry.labels import MAX_VALUE, created_of, known_labels, parse_time
from imagebot.registry.manifest import (
    MAX_ENTRIES,
    Index,
    Manifest,
    check_digest,
    digest_of,
    read_config,
    read_manifest,
)
from imagebot.registry.mediatypes import (
    DOCKER_CONFIG,
    DOCKER_LIST,
    DOCKER_MANIFEST,
    OCI_CONFIG,
    OCI_INDEX,
    OCI_MANIFEST,
)

DIGEST = "sha256:" + "a" * 64
CONFIG = {"mediaType": OCI_CONFIG, "digest": DIGEST, "size": 10}
LAYER = {"mediaType": "application/vnd.oci.image.layer.v1.tar+gzip", "digest": DIGEST, "size": 90}
CREATED = "org.opencontainers.image.created"


def image(**more: Any) -> dict[str, Any]:
    return {"schemaVersion": 2, "config": CONFIG, "layers": [LAYER], **more}


def index(*platforms: dict[str, Any] | None, **more: Any) -> dict[str, Any]:
    entries = [
        {"mediaType": OCI_MANIFEST, "digest": DIGEST, "size": 1}
        | ({} if platform is None else {"platform": platform})
        for platform in platforms
    ]
    return {"schemaVersion": 2, "manifests": entries, **more}


def read(document: object, content_type: str = "") -> Manifest | Index:
    return read_manifest(json.dumps(document).encode(), content_type, "acme/web: 1.0")


@pytest.mark.parametrize(
    ("document", "served", "kind"),
    [
        (image(), OCI_MANIFEST, OCI_MANIFEST),
        (image(mediaType=OCI_MANIFEST), OCI_MANIFEST + "; charset=utf-8", OCI_MANIFEST),
        (image(mediaType=DOCKER_MANIFEST), DOCKER_MANIFEST, DOCKER_MANIFEST),
        (image(mediaType=DOCKER_MANIFEST), "application/json", DOCKER_MANIFEST),
        (image(), "", OCI_MANIFEST),
        (image(), "text/plain; charset=utf-8", OCI_MANIFEST),
        (index(), OCI_INDEX, OCI_INDEX),
        (index(mediaType=DOCKER_LIST), DOCKER_LIST, DOCKER_LIST),
        (index(mediaType=OCI_INDEX), "application/octet-stream", OCI_INDEX),
        (index(), "", OCI_INDEX),
    ],
)
def test_the_four_kinds_are_read(document: object, served: str, kind: str) -> None:
    """Type from the header, from the body, or from the shape when neither names one."""
    assert read(document, served).media_type == kind


@pytest.mark.parametrize(
    ("document", "served", "words"),
    [
        (image(manifests=[]), OCI_MANIFEST, "both an image and an index"),
        (index(layers=[]), OCI_INDEX, "both an image and an index"),
        ({"schemaVersion": 2}, OCI_MANIFEST, "neither"),
        (image(mediaType=DOCKER_MANIFEST), OCI_MANIFEST, "calls itself otherwise"),
        (image(mediaType=OCI_INDEX), OCI_MANIFEST, "calls itself otherwise"),
        (image(mediaType=7), OCI_MANIFEST, "no text"),
        (image(mediaType=[None]), "", "no text"),
        (image(mediaType=True), "", "no text"),
        (image(mediaType=None), "", "no text"),
        (image(), OCI_INDEX, "does not fit"),
        (index(), OCI_MANIFEST, "does not fit"),
        (image(mediaType=OCI_INDEX), "", "does not fit"),
        (image(), "text/html", "does not fit"),
        (image(), "application/vnd.docker.distribution.manifest.v1+prettyjws", "schema 1"),
        ({"schemaVersion": 1, "layers": []}, "application/json", "schema 1"),
        ([], OCI_MANIFEST, "no JSON object"),
        (image(layers={}), OCI_MANIFEST, "no list"),
        (image(config=None), OCI_MANIFEST, "descriptor"),
        (image(config={"digest": "../../etc/passwd"}), OCI_MANIFEST, "no digest"),
        (image(config={"digest": "sha256:" + "A" * 64}), OCI_MANIFEST, "no digest"),
        (index(manifests=[5]), OCI_INDEX, "descriptor"),
        (index(manifests="x"), OCI_INDEX, "no list"),
        (index(*[{"os": "linux", "architecture": "amd64"}] * (MAX_ENTRIES + 1)), OCI_INDEX, "more than"),
    ],
)  # fmt: skip
def test_what_two_readers_could_read_in_two_ways_is_refused(
    document: object, served: str, words: str
) -> None:
    """Type confusion, schema 1, bad digests and endless indexes are errors."""
    with pytest.raises(RegistryError, match=words):
        read(document, served)


def test_attestations_are_no_images() -> None:
    """R24: `unknown/unknown` and BuildKit's attestation entries are left out."""
    document = index(
        {"os": "linux", "architecture": "amd64"},
        {"os": "linux", "architecture": "arm", "variant": "v7"},
        {"os": "unknown", "architecture": "unknown"},
        None,
    )
    document["manifests"][1]["annotations"] = {"x": "y", "z": 5}
    document["manifests"].append(
        document["manifests"][0]
        | {"annotations": {"vnd.docker.reference.type": "attestation-manifest"}}
    )
    content = read(document)
    assert isinstance(content, Index)
    assert [entry.platform for entry in content.entries] == ["linux/amd64", "linux/arm/v7", ""]


def test_sizes_and_configs_are_read() -> None:
    """The size is config plus layers; what is no container image has no config to read."""
    content = read(image())
    assert isinstance(content, Manifest)
    assert content.config is not None
    assert content.size == 100
    chart = read(image(config=CONFIG | {"mediaType": "application/vnd.cncf.helm.config.v1+json"}))
    assert isinstance(chart, Manifest)
    assert chart.config is None
    odd = read(image(layers=[{"size": -5}, {"size": True}, {"size": "9"}, 7]))
    assert isinstance(odd, Manifest)
    assert odd.size == 10
    docker = read(image(config=CONFIG | {"mediaType": DOCKER_CONFIG}))
    assert isinstance(docker, Manifest)
    assert docker.config is not None


@pytest.mark.parametrize(
    ("document", "platform"),
    [
        ({"os": "linux", "architecture": "amd64"}, "linux/amd64"),
        ({"os": "linux", "architecture": "arm", "variant": "v7"}, "linux/arm/v7"),
        ({"os": "linux"}, ""),
        ({"os": "linux", "architecture": "a/b"}, ""),
        ({"os": "li nux", "architecture": "amd64"}, ""),
        ({"os": "linux", "architecture": "x" * 65}, ""),
        ({"os": 1, "architecture": "amd64"}, ""),
    ],
)
def test_platforms_are_read_from_a_config(document: object, platform: str) -> None:
    """A platform is three short words at most, or nothing."""
    assert read_config(json.dumps(document).encode(), "x").platform == platform


def test_a_config_without_labels_is_a_config() -> None:
    """Null labels, odd values and missing parts do no harm."""
    for inner in (None, 5, {"Labels": None}, {"Labels": [1]}, {}):
        assert read_config(json.dumps({"config": inner, "created": 5}).encode(), "x").labels == {}


@pytest.mark.parametrize("algorithm", ["sha256", "sha384", "sha512"])
def test_digests_are_checked(algorithm: str) -> None:
    """R23: one other byte is another digest."""
    good = f"{algorithm}:{hashlib.new(algorithm, b'x').hexdigest()}"
    assert digest_of(b"x", algorithm) == good
    check_digest(b"x", good, "x")
    with pytest.raises(RegistryError, match="does not have the digest"):
        check_digest(b"y", good, "x")


@pytest.mark.parametrize(
    "digest", ["", "sha256:", "md5:" + "a" * 32, "sha256:../x", "sha256:" + "a" * 63]
)
def test_a_digest_of_no_known_kind_is_refused(digest: str) -> None:
    """What cannot be verified does not count as verified."""
    with pytest.raises(RegistryError, match="no known kind"):
        check_digest(b"x", digest, "x")


OLD, NEW, BASE = "2024-01-01T00:00:00Z", "2025-06-01T12:00:00+02:00", "2020-01-01T00:00:00Z"


@pytest.mark.parametrize(
    ("annotations", "labels", "config", "expected"),
    [
        ({CREATED: NEW}, {CREATED: OLD}, OLD, NEW),
        ({CREATED: OLD}, {}, NEW, OLD),
        ({"org.label-schema.build-date": NEW}, {}, OLD, NEW),
        ({CREATED: "soon", "org.label-schema.build-date": NEW}, {}, OLD, NEW),
        ({}, {CREATED: NEW}, OLD, NEW),
        ({}, {CREATED: OLD}, OLD, OLD),
        ({}, {CREATED: BASE}, OLD, OLD),
        ({}, {"org.label-schema.build-date": BASE}, OLD, OLD),
        ({}, {CREATED: BASE}, "1970-01-01T00:00:00Z", BASE),
        ({}, {CREATED: BASE}, "", BASE),
        ({}, {}, OLD, OLD),
        ({}, {}, "0001-01-01T00:00:00Z", ""),
        ({}, {}, "1970-01-01T00:00:01Z", ""),
        ({}, {}, "1980-01-01T00:00:01Z", ""),
        ({}, {}, "yesterday", ""),
        ({}, {}, "2024-01-01T00:00:00", ""),
        ({}, {}, "", ""),
        ({CREATED: "0001-01-01T00:00:00Z"}, {CREATED: "x"}, OLD, OLD),
    ],
)
def test_the_time_of_an_image(
    annotations: dict[str, str], labels: dict[str, str], config: str, expected: str
) -> None:
    """R25: annotation, then a label that the base image did not leave, then the config."""
    assert created_of(annotations, labels, config) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2024-05-06T07:08:09Z", "2024-05-06T07:08:09+00:00"),
        ("2024-05-06t07:08:09.123456789z", "2024-05-06T07:08:09.123456+00:00"),
        ("2024-05-06 07:08:09.5+05:30", "2024-05-06T07:08:09.500000+05:30"),
        ("2024-05-06T07:08:09-01:00", "2024-05-06T07:08:09-01:00"),
        ("2999-01-01T00:00:00Z", "2999-01-01T00:00:00+00:00"),
    ],
)
def test_times_are_read(text: str, expected: str) -> None:
    """RFC 3339 with nanoseconds and offsets, the future included: that is the policy's business."""
    moment = parse_time(text)
    assert moment is not None
    assert moment.isoformat() == expected


@pytest.mark.parametrize(
    "text",
    ["2024-13-01T00:00:00Z", "2024-02-30T00:00:00Z", "2024-01-01T25:00:00Z", "2024-01-01",
     "2024-01-01T00:00:00+99:99", "٢٠٢٤-01-01T00:00:00Z", "2024-01-01T00:00:60Z", "1704067200",
     "0001-01-01T00:00:00+23:59", "2024-01-01T00:00:00Z\n"],
)  # fmt: skip
def test_what_is_no_time_is_none(text: str) -> None:
    """R25: nonsense is an unknown age, never a crash and never age zero."""
    assert parse_time(text) is None


def test_only_known_labels_are_kept() -> None:
    """Keys outside the list never leave this room; the old names stand in for the new."""
    source = {
        "org.opencontainers.image.source": "https://github.com/acme/web",
        "org.label-schema.vcs-ref": "abc",
        "org.opencontainers.image.revision": "",
        "org.opencontainers.image.authors": "mallory",
        "maintainer": "mallory",
        "binary": "binary:///bin/sh",
    }
    assert known_labels(source) == {
        "org.opencontainers.image.source": "https://github.com/acme/web",
        "org.opencontainers.image.revision": "abc",
    }


def test_a_later_source_wins() -> None:
    """An index's annotations beat the labels of one image in it."""
    title = "org.opencontainers.image.title"
    assert known_labels({title: "a"}, {title: "b"}, {title: " "}) == {title: "b"}


@given(st.text(max_size=700))
def test_label_values_are_one_short_clean_line(text: str) -> None:
    """No control, format, surrogate or line-breaking character gets through, and no long text."""
    title = "org.opencontainers.image.title"
    value = known_labels({title: text}).get(title, "x")
    assert 0 < len(value) <= MAX_VALUE
    assert value.isprintable()
    value.encode()


def test_dangerous_characters_are_taken_out() -> None:
    """Escapes, bidirectional overrides, zero-width and lone surrogates are no part of a value."""
    title = "org.opencontainers.image.title"
    dirty = "a\x1b[31m\u202eb\u200bc\ud800\nd\u2028e\x00"
    assert known_labels({title: dirty}) == {title: "a[31mbc d e"}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.just(DIGEST) | st.just(OCI_INDEX),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(["layers", "manifests", "config", "digest", "size", "mediaType", "platform",
                         "annotations", "os", "architecture", "schemaVersion"]), inner, max_size=4),
    max_leaves=12,
)  # fmt: skip


@settings(max_examples=400)
@given(JSON, st.sampled_from(["", OCI_MANIFEST, OCI_INDEX, DOCKER_LIST, DOCKER_MANIFEST]))
def test_no_json_makes_it_fail(document: object, served: str) -> None:
    """Any JSON is a manifest, an index or a RegistryError; as a config likewise."""
    body = json.dumps(document).encode()
    for reader in (lambda: read_manifest(body, served, "x"), lambda: read_config(body, "x")):
        try:
            reader()
        except RegistryError:
            continue
