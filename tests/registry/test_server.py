"""The embedded registry against the four categories of the OCI distribution conformance suite."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from imagebot.errors import RegistryError, UsageError
from imagebot.registry import mediatypes as media
from imagebot.registry.images import ImageOptions, make_image
from imagebot.registry.server import EmbeddedRegistry
from imagebot.registry.server_rules import digest_of
from tests.support.registryhttp import RegistryHTTP, error_code

NAME = "acme/team-a/web"
ABSENT = "sha256:" + "0" * 64


@pytest.fixture
def registry() -> Iterator[EmbeddedRegistry]:
    with EmbeddedRegistry(page_size=5) as running:
        yield running


@pytest.fixture
def http(registry: EmbeddedRegistry) -> Iterator[RegistryHTTP]:
    with RegistryHTTP(registry.url) as client:
        yield client


def put(
    http: RegistryHTTP,
    reference: str,
    document: object,
    media_type: str = media.OCI_MANIFEST,
    name: str = NAME,
):
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    return http(
        "PUT", f"/v2/{name}/manifests/{reference}", data=body, headers={"Content-Type": media_type}
    )


def manifest(http: RegistryHTTP, **more: object) -> dict[str, object]:
    """A manifest whose configuration is a blob of the repository."""
    config = b"{}"
    descriptor = {
        "mediaType": media.OCI_CONFIG,
        "digest": http.push_blob(NAME, config),
        "size": len(config),
    }
    return {
        "schemaVersion": 2,
        "mediaType": media.OCI_MANIFEST,
        "config": descriptor,
        "layers": [],
        **more,
    }


# Pull


def test_the_base_endpoint_says_that_this_is_a_registry(http: RegistryHTTP) -> None:
    """GET /v2/ answers 200 with the version header that older clients look for."""
    found = http("GET", "/v2/")
    assert found.status_code == 200
    assert found.headers["Docker-Distribution-API-Version"] == "registry/2.0"


@pytest.mark.parametrize("kind", ["tag", "digest", "encoded"])
def test_a_manifest_is_served_as_it_was_pushed(
    registry: EmbeddedRegistry, http: RegistryHTTP, kind: str
) -> None:
    """By tag or digest, HEAD and GET give the exact bytes' digest, length and media type."""
    digest = registry.put_image(NAME, "1.0")
    reference = {"tag": "1.0", "digest": digest, "encoded": digest.replace(":", "%3A")}[kind]
    head = http("HEAD", f"/v2/{NAME}/manifests/{reference}")
    got = http("GET", f"/v2/{NAME}/manifests/{reference}")
    assert (head.status_code, got.status_code) == (200, 200)
    assert head.content == b""
    assert digest_of(got.content) == digest == got.headers["Docker-Content-Digest"]
    assert int(head.headers["Content-Length"]) == len(got.content)
    assert got.headers["Content-Type"] == head.headers["Content-Type"] == media.OCI_INDEX


def test_every_part_of_an_index_can_be_pulled(
    registry: EmbeddedRegistry, http: RegistryHTTP
) -> None:
    """From the index, a client finds each manifest, configuration and layer by its digest."""
    registry.put_image(NAME, "1.0", platforms=["linux/amd64", "linux/arm/v7"], attestation=True)
    index = http("GET", f"/v2/{NAME}/manifests/1.0").json()
    assert len(index["manifests"]) == 4
    for entry in index["manifests"]:
        child = http("GET", f"/v2/{NAME}/manifests/{entry['digest']}")
        assert digest_of(child.content) == entry["digest"]
        for part in [child.json()["config"], *child.json()["layers"]]:
            blob = http("GET", f"/v2/{NAME}/blobs/{part['digest']}")
            assert digest_of(blob.content) == part["digest"]
            assert len(blob.content) == part["size"]


@pytest.mark.parametrize(
    ("method", "path", "answer"),
    [
        ("GET", f"/v2/{NAME}/manifests/absent", (404, "MANIFEST_UNKNOWN")),
        ("GET", f"/v2/{NAME}/manifests/.not-a-tag", (404, "MANIFEST_UNKNOWN")),
        ("GET", f"/v2/{NAME}/manifests/{ABSENT}", (404, "MANIFEST_UNKNOWN")),
        ("GET", f"/v2/{NAME}/blobs/{ABSENT}", (404, "BLOB_UNKNOWN")),
        ("GET", f"/v2/{NAME}/blobs/sha256:abc", (400, "DIGEST_INVALID")),
        ("GET", "/v2/no/such/manifests/latest", (404, "NAME_UNKNOWN")),
        ("GET", "/v2/no/such/tags/list", (404, "NAME_UNKNOWN")),
        ("GET", "/v2/UPPER/case/tags/list", (400, "NAME_INVALID")),
        ("GET", "/v2/a/%2e%2e/b/tags/list", (400, "NAME_INVALID")),
        ("GET", f"/v2/{NAME}/tags/list?n=many", (400, "PAGINATION_NUMBER_INVALID")),
        ("GET", f"/v2/{NAME}/tags/list?n=-1", (400, "PAGINATION_NUMBER_INVALID")),
        ("GET", f"/v2/{NAME}/referrers/latest", (400, "DIGEST_INVALID")),
        ("GET", f"/v2/{NAME}/blobs/uploads/none", (404, "BLOB_UPLOAD_UNKNOWN")),
        ("PATCH", f"/v2/{NAME}/blobs/uploads/none", (404, "BLOB_UPLOAD_UNKNOWN")),
        ("GET", f"/v2/{NAME}/blobs/uploads/", (405, "UNSUPPORTED")),
        ("POST", f"/v2/{NAME}/blobs/uploads/none", (405, "UNSUPPORTED")),
        ("POST", f"/v2/{NAME}/manifests/latest", (405, "UNSUPPORTED")),
        ("PUT", f"/v2/{NAME}/referrers/{ABSENT}", (405, "UNSUPPORTED")),
        ("PUT", f"/v2/{NAME}/blobs/{ABSENT}", (405, "UNSUPPORTED")),
        ("POST", "/v2/BAD/blobs/uploads/", (400, "NAME_INVALID")),
        ("GET", "/", (404, "UNSUPPORTED")),
        ("GET", "/v2/manifests/latest", (404, "UNSUPPORTED")),
        ("DELETE", f"/v2/{NAME}/manifests/absent", (404, "MANIFEST_UNKNOWN")),
        ("DELETE", f"/v2/{NAME}/blobs/{ABSENT}", (404, "BLOB_UNKNOWN")),
        ("DELETE", f"/v2/{NAME}/blobs/uploads/none", (404, "BLOB_UPLOAD_UNKNOWN")),
    ],
)
def test_errors_have_the_specifications_codes(
    registry: EmbeddedRegistry, http: RegistryHTTP, method: str, path: str, answer: tuple[int, str]
) -> None:
    """What cannot be done is said with the status and the code that clients decide on."""
    registry.put_image(NAME, "1.0")
    found = http(method, path)
    assert (found.status_code, error_code(found)) == answer


def test_a_head_for_something_absent_has_no_body(
    registry: EmbeddedRegistry, http: RegistryHTTP
) -> None:
    """The next request on the same connection is not read from an error document."""
    registry.put_image(NAME, "1.0")
    assert http("HEAD", f"/v2/{NAME}/manifests/absent").status_code == 404
    assert http("HEAD", f"/v2/{NAME}/manifests/1.0").status_code == 200


@pytest.mark.parametrize(
    ("wanted", "status", "body"),
    [
        ("bytes=2-4", 206, b"234"),
        ("bytes=7-", 206, b"789"),
        ("bytes=8-100", 206, b"89"),
        ("bytes=10-", 416, b""),
        ("bytes=0-1,3-4", 200, b"0123456789"),
    ],
)
def test_a_range_of_a_blob(http: RegistryHTTP, wanted: str, status: int, body: bytes) -> None:
    """A broken download resumes; a range nobody supports gets the whole blob."""
    digest = http.push_blob(NAME, b"0123456789")
    found = http("GET", f"/v2/{NAME}/blobs/{digest}", headers={"Range": wanted})
    assert (found.status_code, found.content) == (status, body)


def test_an_unchanged_manifest_is_not_sent_again(
    registry: EmbeddedRegistry, http: RegistryHTTP
) -> None:
    """If-None-Match with the served ETag gives 304 until the tag moves."""
    registry.put_image(NAME, "1.0")
    etag = http("GET", f"/v2/{NAME}/manifests/1.0").headers["Etag"]
    path = f"/v2/{NAME}/manifests/1.0"
    assert http("GET", path, headers={"If-None-Match": etag}).status_code == 304
    registry.put_image(NAME, "1.0", payload=b"other")
    assert http("GET", path, headers={"If-None-Match": etag}).status_code == 200


# Push


def test_a_blob_in_one_request(http: RegistryHTTP) -> None:
    """POST with a digest and the content is a whole upload."""
    digest = digest_of(b"one")
    done = http("POST", f"/v2/{NAME}/blobs/uploads/", params={"digest": digest}, data=b"one")
    assert done.status_code == 201
    assert done.headers["Docker-Content-Digest"] == digest
    assert http("GET", done.headers["Location"]).content == b"one"


def test_a_blob_in_chunks(http: RegistryHTTP) -> None:
    """Chunks in order build the blob; the session tells how far it is, and ends."""
    place = http("POST", f"/v2/{NAME}/blobs/uploads/").headers["Location"]
    first = http("PATCH", place, data=b"abc", headers={"Content-Range": "0-2"})
    assert (first.status_code, first.headers["Range"]) == (202, "0-2")
    second = http("PATCH", first.headers["Location"], data=iter([b"de", b"f"]))  # chunked transfer
    assert (second.status_code, second.headers["Range"]) == (202, "0-5")
    status = http("GET", place)
    assert (status.status_code, status.headers["Range"]) == (204, "0-5")
    digest = digest_of(b"abcdefg")
    done = http(
        "PUT", place, params={"digest": digest}, data=b"g", headers={"Content-Range": "6-6"}
    )
    assert done.status_code == 201
    assert http("GET", done.headers["Location"]).content == b"abcdefg"
    assert error_code(http("GET", place)) == "BLOB_UPLOAD_UNKNOWN"


@pytest.mark.parametrize("stated", ["4-6", "0-2", "3-4", "x", "3-"])
def test_a_chunk_out_of_order_is_refused_and_can_be_mended(http: RegistryHTTP, stated: str) -> None:
    """416 says where the upload stands, and the right chunk is still taken."""
    place = http("POST", f"/v2/{NAME}/blobs/uploads/").headers["Location"]
    http("PATCH", place, data=b"abc", headers={"Content-Range": "0-2"})
    bad = http("PATCH", place, data=b"def", headers={"Content-Range": stated})
    assert (bad.status_code, bad.headers["Range"], bad.headers["Location"]) == (416, "0-2", place)
    assert http("PATCH", place, data=b"def", headers={"Content-Range": "3-5"}).status_code == 202


@pytest.mark.parametrize(
    "digest", [ABSENT, "sha256:abc", "md5:d41d8cd98f00b204e9800998ecf8427e", ""]
)
def test_a_blob_with_a_wrong_digest_is_not_kept(http: RegistryHTTP, digest: str) -> None:
    """Neither way of uploading takes content that is not what its digest says."""
    place = http("POST", f"/v2/{NAME}/blobs/uploads/").headers["Location"]
    for bad in [
        http("PUT", place, params={"digest": digest}, data=b"data"),
        http("POST", f"/v2/{NAME}/blobs/uploads/", params={"digest": digest}, data=b"data"),
    ]:
        assert (bad.status_code, error_code(bad)) == (400, "DIGEST_INVALID")
    assert http("HEAD", f"/v2/{NAME}/blobs/{digest_of(b'data')}").status_code == 404


def test_other_digest_algorithms(http: RegistryHTTP) -> None:
    """SHA-512, the specification's second algorithm, names blobs and manifests as well."""
    digest = digest_of(b"data", "sha512")
    done = http("POST", f"/v2/{NAME}/blobs/uploads/", params={"digest": digest}, data=b"data")
    assert done.status_code == 201
    body = json.dumps(manifest(http)).encode()
    reference = digest_of(body, "sha512")
    assert put(http, reference, body).headers["Docker-Content-Digest"] == reference
    assert http("GET", f"/v2/{NAME}/manifests/{reference}").content == body


def test_a_cancelled_upload_is_over(http: RegistryHTTP) -> None:
    """DELETE ends the session and leaves no repository behind."""
    place = http("POST", "/v2/never/used/blobs/uploads/").headers["Location"]
    assert http("DELETE", place).status_code == 204
    assert http("PATCH", place, data=b"x").status_code == 404
    assert error_code(http("GET", "/v2/never/used/tags/list")) == "NAME_UNKNOWN"


def test_an_upload_belongs_to_its_repository(http: RegistryHTTP) -> None:
    """A session id of one repository opens nothing in another."""
    place = http("POST", f"/v2/{NAME}/blobs/uploads/").headers["Location"]
    assert http("PATCH", place.replace(NAME, "evil/repo"), data=b"x").status_code == 404


def test_mounting_a_blob(http: RegistryHTTP) -> None:
    """A blob of another repository is taken over; an unknown one falls back to an upload."""
    digest = http.push_blob("source/repo", b"shared")
    target = "/v2/target/repo/blobs/uploads/"
    assert http("HEAD", f"/v2/target/repo/blobs/{digest}").status_code == 404
    mounted = http("POST", target, params={"mount": digest, "from": "source/repo"})
    assert mounted.status_code == 201
    assert http("GET", mounted.headers["Location"]).content == b"shared"
    for source, blob in [("source/repo", ABSENT), ("no/such", digest)]:
        assert http("POST", target, params={"mount": blob, "from": source}).status_code == 202


def test_pushing_a_manifest(http: RegistryHTTP) -> None:
    """201 says where the manifest is, a tag moves with a second push, the old digest stays."""
    first = put(http, "latest", manifest(http))
    assert first.status_code == 201
    assert http("GET", first.headers["Location"]).status_code == 200
    second = put(http, "latest", manifest(http, annotations={"a": "b"}))
    digests = [r.headers["Docker-Content-Digest"] for r in (first, second)]
    assert (
        http("HEAD", f"/v2/{NAME}/manifests/latest").headers["Docker-Content-Digest"] == digests[1]
    )
    assert http("HEAD", f"/v2/{NAME}/manifests/{digests[0]}").status_code == 200


@pytest.mark.parametrize(
    ("change", "media_type", "reference", "code"),
    [
        ({"schemaVersion": 1}, media.OCI_MANIFEST, "t", "MANIFEST_INVALID"),
        ({"config": None}, media.OCI_MANIFEST, "t", "MANIFEST_INVALID"),
        ({"layers": "x"}, media.OCI_MANIFEST, "t", "MANIFEST_INVALID"),
        (
            {"layers": [{"mediaType": "x", "digest": "../../etc"}]},
            media.OCI_MANIFEST,
            "t",
            "MANIFEST_INVALID",
        ),
        ({"manifests": []}, media.OCI_MANIFEST, "t", "MANIFEST_INVALID"),
        ({"annotations": {"a": 1}}, media.OCI_MANIFEST, "t", "MANIFEST_INVALID"),
        ({"mediaType": media.DOCKER_MANIFEST}, media.OCI_MANIFEST, "t", "MANIFEST_INVALID"),
        ({}, media.OCI_INDEX, "t", "MANIFEST_INVALID"),
        ({}, "text/html", "t", "MANIFEST_INVALID"),
        ({}, media.OCI_MANIFEST, "-bad", "MANIFEST_INVALID"),
        ({}, media.OCI_MANIFEST, "x" * 129, "MANIFEST_INVALID"),
        ({}, media.OCI_MANIFEST, ABSENT, "DIGEST_INVALID"),
        ({}, media.OCI_MANIFEST, "sha256:12", "DIGEST_INVALID"),
        (
            {"layers": [{"mediaType": "x", "digest": ABSENT}]},
            media.OCI_MANIFEST,
            "t",
            "MANIFEST_BLOB_UNKNOWN",
        ),
    ],
)
def test_a_manifest_that_is_wrong_is_not_kept(
    http: RegistryHTTP, change: dict[str, object], media_type: str, reference: str, code: str
) -> None:
    """Shape, media type, reference and everything it points at are checked before it counts."""
    bad = put(http, reference, {**manifest(http), **change}, media_type)
    assert bad.status_code == (404 if code == "MANIFEST_BLOB_UNKNOWN" else 400)
    assert error_code(bad) == code
    assert http("GET", f"/v2/{NAME}/tags/list").json()["tags"] == []


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b"[" * 100_000, b'{"schemaVersion": 2}'])
def test_garbage_is_no_manifest(http: RegistryHTTP, body: bytes) -> None:
    """Bytes that are no manifest get an answer, not a broken connection."""
    assert error_code(put(http, "t", body)) == "MANIFEST_INVALID"


def test_an_index_needs_its_children(http: RegistryHTTP) -> None:
    """An index is taken when its manifests are there, and names the missing one otherwise."""
    index = {
        "schemaVersion": 2,
        "mediaType": media.OCI_INDEX,
        "manifests": [{"mediaType": media.OCI_MANIFEST, "digest": ABSENT, "size": 1}],
    }
    bad = put(http, "t", index, media.OCI_INDEX)
    assert (bad.status_code, bad.json()["errors"][0]["detail"]) == (404, ABSENT)


@pytest.mark.parametrize(
    "options",
    [
        {"flavour": flavour, "index": index}
        for flavour in ("oci", "docker")
        for index in (True, False)
    ],
)
def test_all_four_media_types_over_the_wire(http: RegistryHTTP, options: ImageOptions) -> None:
    """An image of either family, with and without an index, is pushed and served under its type."""
    image = make_image(**options)
    for blob in image.blobs:
        http.push_blob(NAME, blob.body)
    for part in image.manifests:
        assert put(http, part.digest, part.body, part.media_type).status_code == 201
    top = image.manifests[-1]
    assert put(http, "t", top.body, f"{top.media_type}; charset=utf-8").status_code == 201
    assert http("GET", f"/v2/{NAME}/manifests/t").headers["Content-Type"] == top.media_type


# Content discovery


def test_tags_come_page_by_page(registry: EmbeddedRegistry, http: RegistryHTTP) -> None:
    """Following Link gives every tag once, in byte order, with no page above the limits."""
    tags = [
        "v1",
        "v10",
        "v2",
        "V3",
        "_x",
        "1.0.0",
        "a-b",
        "a.b",
        "latest",
        "z" * 128,
        "+".replace("+", "p"),
    ]
    for tag in tags:
        registry.put_image(NAME, tag)
    for asked in ["", "?n=1", "?n=2", "?n=5", "?n=11", "?n=1000"]:
        found, path, pages = [], f"/v2/{NAME}/tags/list{asked}", 0
        while path:
            page = http("GET", path)
            assert page.json()["name"] == NAME
            assert len(page.json()["tags"]) <= 5
            found += page.json()["tags"]
            path = page.links.get("next", {}).get("url", "")
            pages += 1
        assert found == sorted(tags)
        assert pages == {"?n=1": 11, "?n=2": 6}.get(asked, 3)


def test_the_parameters_of_a_tag_list(registry: EmbeddedRegistry, http: RegistryHTTP) -> None:
    """`last` starts behind a tag, present or not; `n=0` gives nothing and no next page."""
    for tag in ["a", "b", "d"]:
        registry.put_image(NAME, tag)

    def listed(query: str) -> list[str]:
        return http("GET", f"/v2/{NAME}/tags/list?{query}").json()["tags"]

    assert listed("last=b") == ["d"]
    assert listed("last=c") == ["d"]
    assert listed("last=d") == []
    assert listed("n=2&last=a") == ["b", "d"]
    assert listed("n=0") == []
    assert "next" not in http("GET", f"/v2/{NAME}/tags/list?n=0").links
    assert "next" not in http("GET", f"/v2/{NAME}/tags/list?n=3").links


def test_referrers(http: RegistryHTTP) -> None:
    """Manifests with a subject are found from it, filtered by type, even before it exists."""
    subject = {"mediaType": media.OCI_MANIFEST, "digest": ABSENT, "size": 7}
    signature = put(
        http,
        "sig",
        manifest(http, subject=subject, artifactType="x/signature", annotations={"k": "v"}),
    )
    assert signature.headers["OCI-Subject"] == ABSENT
    put(http, "sbom", manifest(http, subject=subject))
    put(http, "other", manifest(http))
    everything = http("GET", f"/v2/{NAME}/referrers/{ABSENT}")
    assert everything.headers["Content-Type"] == media.OCI_INDEX
    assert {e["artifactType"] for e in everything.json()["manifests"]} == {
        "x/signature",
        media.OCI_CONFIG,
    }
    one = http("GET", f"/v2/{NAME}/referrers/{ABSENT}?artifactType=x/signature")
    assert one.headers["OCI-Filters-Applied"] == "artifactType"
    (entry,) = one.json()["manifests"]
    assert entry["digest"] == signature.headers["Docker-Content-Digest"]
    assert entry["annotations"] == {"k": "v"}
    assert http("GET", "/v2/no/such/referrers/" + ABSENT).json()["manifests"] == []


# Content management


def test_deleting_a_tag_and_a_manifest(registry: EmbeddedRegistry, http: RegistryHTTP) -> None:
    """A tag goes alone; a digest goes with every tag that named it."""
    digest = registry.put_image(NAME, "a")
    for tag in ["b", "c"]:
        registry.put_image(NAME, tag)
    path = f"/v2/{NAME}/manifests/"
    assert http("DELETE", path + "a").status_code == 202
    assert http("GET", path + "a").status_code == 404
    assert http("GET", path + digest).status_code == 200
    assert http("DELETE", path + digest).status_code == 202
    assert http("GET", path + "b").status_code == 404
    assert http("DELETE", path + digest).status_code == 404
    assert http("GET", f"/v2/{NAME}/tags/list").json()["tags"] == []


def test_deleting_a_blob_leaves_other_repositories_theirs(http: RegistryHTTP) -> None:
    """What two repositories share goes only when the last of them drops it."""
    digest = http.push_blob("a", b"shared")
    http.push_blob("b", b"shared")
    assert http("DELETE", f"/v2/a/blobs/{digest}").status_code == 202
    assert http("GET", f"/v2/a/blobs/{digest}").status_code == 404
    assert http("GET", f"/v2/b/blobs/{digest}").content == b"shared"


# The process around it


def test_the_log_of_requests(registry: EmbeddedRegistry, http: RegistryHTTP) -> None:
    """Tests and benchmarks can read what was asked, in order."""
    http("GET", "/v2/")
    http("HEAD", "/v2/a/manifests/b")
    http("GET", "/v2/a/tags/list?n=3")
    assert registry.requests == [
        ("GET", "/v2/"),
        ("HEAD", "/v2/a/manifests/b"),
        ("GET", "/v2/a/tags/list?n=3"),
    ]


def test_names_that_look_like_endpoints(registry: EmbeddedRegistry, http: RegistryHTTP) -> None:
    """A repository may be called like a part of the API."""
    for name in ["manifests/blobs", "tags/list", "v2", "blobs/uploads/x", "a/manifests/b/blobs/c"]:
        registry.put_image(name, "1")
        assert http("GET", f"/v2/{name}/tags/list").json() == {"name": name, "tags": ["1"]}
        assert http("HEAD", f"/v2/{name}/manifests/1").status_code == 200


@pytest.mark.parametrize("address", ["0.0.0.0", "192.0.2.1", "::"])
def test_it_listens_on_this_machine_only(address: str) -> None:
    """A registry without accounts is never offered to a network."""
    with pytest.raises(UsageError, match="loopback"):
        EmbeddedRegistry(address=address)


def test_content_survives_in_a_directory(tmp_path) -> None:
    """Images, tags and deletions are there again in the next process."""
    with EmbeddedRegistry(directory=tmp_path) as first:
        kept = first.put_image("acme/web", "1.0", platforms=["linux/amd64", "linux/arm64"])
        gone = first.put_image("acme/web", "2.0", payload=b"x")
        first.put_image("acme/web/nested", "3.0")
        first.store.delete_manifest("acme/web", gone)
    with EmbeddedRegistry(directory=tmp_path) as second, RegistryHTTP(second.url) as http:
        assert http("GET", "/v2/acme/web/tags/list").json()["tags"] == ["1.0"]
        assert http("GET", "/v2/acme/web/nested/tags/list").json()["tags"] == ["3.0"]
        found = http("GET", "/v2/acme/web/manifests/1.0")
        assert digest_of(found.content) == kept
        for entry in found.json()["manifests"]:
            assert http("HEAD", f"/v2/acme/web/manifests/{entry['digest']}").status_code == 200
        assert http("GET", f"/v2/acme/web/manifests/{gone}").status_code == 404


def test_a_damaged_directory_is_refused(tmp_path) -> None:
    """A file that does not have its digest, or lists that are none, stop the start with a reason."""
    digest = EmbeddedRegistry(directory=tmp_path).put_image("acme/web", "1.0")
    path = tmp_path / "blobs" / "sha256" / digest.removeprefix("sha256:")
    content = path.read_bytes()
    path.write_bytes(b"{}")
    with pytest.raises(RegistryError, match="does not have this digest"):
        EmbeddedRegistry(directory=tmp_path)
    path.unlink()
    with pytest.raises(RegistryError, match="lost the manifest"):
        EmbeddedRegistry(directory=tmp_path)
    path.write_bytes(content)
    EmbeddedRegistry(directory=tmp_path)
    (tmp_path / "repositories" / "acme" / "web" / "_repository.json").write_text("{")
    with pytest.raises(RegistryError, match="no registry's lists"):
        EmbeddedRegistry(directory=tmp_path)
