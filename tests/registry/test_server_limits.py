"""The embedded registry under load, at its limits, and with peers that misbehave."""

from __future__ import annotations

import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from imagebot.registry import mediatypes as media
from imagebot.registry.server import EmbeddedRegistry
from imagebot.registry.server_rules import Limits, Refused, digest_of
from imagebot.registry.server_store import Store
from imagebot.registry.server_uploads import MAX_SESSIONS, Uploads
from tests.support.registryhttp import RegistryHTTP, error_code


def talk(registry: EmbeddedRegistry, sent: bytes) -> bytes:
    """Send bytes as they are, close the writing side, and read all there is."""
    host, port = registry.host.split(":")
    with socket.create_connection((host, int(port)), timeout=5) as connection:
        connection.sendall(sent)
        connection.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: connection.recv(65536), b""))


def test_sixteen_clients_at_once() -> None:
    """Pushes and reads from 16 threads lose nothing and mix nothing up."""
    with EmbeddedRegistry(page_size=7) as registry:

        def work(number: int) -> list[str]:
            with RegistryHTTP(registry.url) as http:
                digests = []
                for turn in range(6):
                    data = f"{number}-{turn}".encode()
                    digests.append(http.push_blob("shared/repo", data))
                    registry.put_image("shared/repo", f"t{number}-{turn}", payload=data)
                    found = http("GET", f"/v2/shared/repo/blobs/{digests[-1]}")
                    assert found.content == data
                return digests

        with ThreadPoolExecutor(16) as pool:
            found = [digest for digests in pool.map(work, range(16)) for digest in digests]
        assert len(set(found)) == 96
        tags, more = registry.store.tags("shared/repo", 1000)
        assert (len(tags), more) == (96, False)


def test_what_is_too_large_is_refused_before_it_is_read() -> None:
    """Each cap answers 413: one blob, one manifest, a chunked body, chunks together, everything."""
    limits = Limits(manifest=200, blob=1000, total=2500)
    with EmbeddedRegistry(limits=limits) as registry, RegistryHTTP(registry.url) as http:
        uploads = "/v2/a/blobs/uploads/"
        large = b"x" * 1001
        assert (
            http("POST", uploads, params={"digest": digest_of(large)}, data=large).status_code
            == 413
        )
        assert (
            http(
                "POST", uploads, params={"digest": digest_of(large)}, data=iter([large])
            ).status_code
            == 413
        )
        place = http("POST", uploads).headers["Location"]
        assert http("PATCH", place, data=b"x" * 900).status_code == 202
        assert http("PATCH", place, data=b"x" * 900).status_code == 413
        body = b"{" + b" " * 200 + b"}"
        bad = http("PUT", "/v2/a/manifests/t", data=body, headers={"Content-Type": media.OCI_INDEX})
        assert (bad.status_code, error_code(bad)) == (413, "SIZE_INVALID")
        http.push_blob("a", b"1" * 800)
        http.push_blob("a", b"1" * 800)
        assert (
            http(
                "POST", uploads, params={"digest": digest_of(b"2" * 801)}, data=b"2" * 801
            ).status_code
            == 413
        )
        assert http("DELETE", place).status_code == 204
        http.push_blob("a", b"2" * 801)


def test_uploads_without_end() -> None:
    """Sessions that nobody finishes run into a limit, and ending one makes room."""
    uploads = Uploads(Store())
    sessions = [uploads.start("a") for _ in range(MAX_SESSIONS)]
    with pytest.raises(Refused, match="too many uploads") as caught:
        uploads.start("a")
    assert (caught.value.status, caught.value.code) == (429, "TOOMANYREQUESTS")
    uploads.cancel("a", sessions[0])
    assert uploads.size("a", uploads.start("a")) == 0


def test_a_huge_content_length_costs_nothing() -> None:
    """A stated terabyte is answered at once, and the connection is closed."""
    with EmbeddedRegistry() as registry:
        started = time.monotonic()
        found = talk(
            registry,
            b"PUT /v2/a/manifests/t HTTP/1.1\r\nHost: x\r\nContent-Length: 1099511627776\r\n\r\n",
        )
        assert found.startswith(b"HTTP/1.1 413 ")
        assert b"Connection: close" in found
        assert time.monotonic() - started < 2


@pytest.mark.parametrize(
    "sent",
    [
        b"PUT /v2/a/manifests/t HTTP/1.1\r\nHost: x\r\nContent-Length: -5\r\n\r\n",
        b"PUT /v2/a/manifests/t HTTP/1.1\r\nHost: x\r\nContent-Length: ten\r\n\r\n",
        b"PUT /v2/a/manifests/t HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nshort",
        b"PUT /v2/a/manifests/t HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"PUT /v2/a/manifests/t HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n-5\r\nab\r\n",
        b"PUT /v2/a/manifests/t HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
        b"GARBAGE\r\n\r\n",
    ],
)
def test_a_malformed_request_is_answered_and_ends_the_connection(sent: bytes) -> None:
    """No byte of a broken body is taken for a next request, and the server goes on."""
    with EmbeddedRegistry() as registry:
        found = talk(registry, sent + b"GET /v2/ HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b" 400 " in found.split(b"\r\n")[0] or b"Error code: 400" in found
        assert b"registry/2.0" not in found
        with RegistryHTTP(registry.url) as http:
            assert http("GET", "/v2/").status_code == 200


def test_requests_share_a_connection() -> None:
    """Two requests written at once are both answered, in order."""
    with EmbeddedRegistry() as registry:
        one = b"GET /v2/ HTTP/1.1\r\nHost: x\r\n\r\n"
        assert talk(registry, one + one).count(b"registry/2.0") == 2


def test_stopping_ends_open_connections() -> None:
    """`stop` leaves no thread and no socket, although a client keeps its connection open."""
    before = set(threading.enumerate())
    registry = EmbeddedRegistry()
    registry.start()
    with RegistryHTTP(registry.url) as http:
        http("GET", "/v2/")
        started = time.monotonic()
        registry.stop()
        assert time.monotonic() - started < 2
    assert set(threading.enumerate()) == before
    registry.stop()


def test_it_is_fast_enough_to_be_no_part_of_a_measurement() -> None:
    """Small reads on one connection are answered in well under a millisecond each."""
    with EmbeddedRegistry() as registry:
        registry.put_image("a/b", "1.0", platforms=["linux/amd64", "linux/arm64"])
        host, port = registry.host.split(":")
        request = b"GET /v2/a/b/manifests/1.0 HTTP/1.1\r\nHost: x\r\nAccept: */*\r\n\r\n"
        with socket.create_connection((host, int(port))) as connection:
            started = time.process_time()
            for _ in range(500):
                connection.sendall(request)
                assert connection.recv(65536).startswith(b"HTTP/1.1 200 ")
            # CPU time of client and server together: another process's load does not count.
            assert time.process_time() - started < 500 / 1500
