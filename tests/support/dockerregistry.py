"""Debian's docker-registry (CNCF Distribution), alone or behind nginx, on loopback; and a pusher.

Everything lives in a folder of the test. A test that needs a program that is not installed is
skipped with the name of the program.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.support.certificates import Pair

OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
OCI_LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"


def need(*programs: str) -> None:
    """Skip the test when one of these is not installed."""
    for program in programs:
        if _found(program) is None:
            pytest.skip(f"{program} is not installed")


def _found(program: str) -> str | None:
    # Debian puts nginx where only root's PATH looks.
    return shutil.which(program, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@contextlib.contextmanager
def running(argv: list[str], port: int, folder: Path) -> Iterator[None]:
    """A program from its first accepted connection to its end."""
    log = folder / f"{Path(argv[0]).name}-{port}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(argv, stdout=output, stderr=output, cwd=folder)
        try:
            end = time.monotonic() + 15
            while True:
                with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                    break
                if process.poll() is not None or time.monotonic() > end:
                    pytest.fail(f"{argv[0]} did not start:\n{log.read_text()[-2000:]}")
                time.sleep(0.02)
            yield
        finally:
            process.terminate()
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@contextlib.contextmanager
def docker_registry(folder: Path, *, token: Mapping[str, str] | None = None) -> Iterator[str]:
    """A registry; gives its `host:port`. `token` are the settings of its token authentication."""
    need("docker-registry")
    port = free_port()
    config: dict[str, Any] = {
        "version": "0.1",
        "log": {"level": "warn", "accesslog": {"disabled": True}},
        "storage": {"inmemory": {}},
        "http": {"addr": f"127.0.0.1:{port}", "secret": "imagebot-tests"},
    }
    if token is not None:
        config["auth"] = {"token": dict(token)}
    path = folder / f"registry-{port}.json"
    # JSON is YAML: no second library is needed to write the configuration.
    path.write_text(json.dumps(config))
    with running(["docker-registry", "serve", str(path)], port, folder):
        yield f"127.0.0.1:{port}"


@contextlib.contextmanager
def nginx(folder: Path, locations: str, pair: Pair | None = None) -> Iterator[str]:
    """Nginx with these location blocks; gives its `host:port`. With a certificate it speaks TLS."""
    need("nginx")
    port = free_port()
    tls = f"ssl_certificate {pair.certificate}; ssl_certificate_key {pair.key};" if pair else ""
    scratch = "\n".join(
        f"{kind}_temp_path {folder}/{kind};"
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    # Started by root, its workers would become somebody who cannot read the test's folder.
    user = "user root;" if os.geteuid() == 0 else ""
    path = folder / f"nginx-{port}.conf"
    path.write_text(
        f"""
        {user} daemon off; pid {folder}/nginx-{port}.pid; error_log stderr warn; worker_processes 1;
        events {{ worker_connections 128; }}
        http {{
          access_log off; client_max_body_size 0; {scratch}
          server {{ listen 127.0.0.1:{port}{" ssl" if pair else ""}; {tls}
            {locations}
          }}
        }}
        """
    )
    with running(
        [_found("nginx") or "nginx", "-e", "stderr", "-c", str(path), "-p", str(folder)],
        port,
        folder,
    ):
        yield f"127.0.0.1:{port}"


@dataclass(frozen=True)
class Pusher:
    """Fills a repository over the registry's own API, with an Authorization header if needed."""

    netloc: str
    path: str
    authorization: str = ""

    def blob(self, data: bytes, media_type: str) -> dict[str, Any]:
        digest = "sha256:" + hashlib.sha256(data).hexdigest()
        location = self._send("POST", f"http://{self.netloc}/v2/{self.path}/blobs/uploads/", b"")
        location = location if "://" in location else f"http://{self.netloc}{location}"
        joint = "&" if "?" in location else "?"
        self._send("PUT", f"{location}{joint}digest={digest}", data)
        return {"mediaType": media_type, "digest": digest, "size": len(data)}

    def manifest(self, document: Mapping[str, Any], tag: str) -> dict[str, Any]:
        body = json.dumps(document).encode()
        digest = "sha256:" + hashlib.sha256(body).hexdigest()
        kind = document["mediaType"]
        url = f"http://{self.netloc}/v2/{self.path}/manifests/{tag or digest}"
        self._send("PUT", url, body, kind)
        return {"mediaType": kind, "digest": digest, "size": len(body)}

    def image(
        self,
        *tags: str,
        arch: str = "amd64",
        created: str = "",
        labels: Mapping[str, str] | None = None,
    ) -> dict[str, Any]:
        """A small image under some tags (or under its digest alone)."""
        config = {
            "os": "linux",
            "architecture": arch,
            "config": {"Labels": dict(labels or {})},
            "rootfs": {"type": "layers", "diff_ids": []},
        }
        if created:
            config["created"] = created
        document = {
            "schemaVersion": 2,
            "mediaType": OCI_MANIFEST,
            "config": self.blob(json.dumps(config).encode(), OCI_CONFIG),
            "layers": [self.blob(f"layer of {arch}".encode(), OCI_LAYER)],
        }
        return [self.manifest(document, tag) for tag in tags or ("",)].pop()

    def index(self, entries: list[dict[str, Any]], tag: str) -> dict[str, Any]:
        return self.manifest(
            {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries}, tag
        )

    def _send(self, method: str, url: str, body: bytes, content_type: str = "") -> str:
        headers = {"Content-Type": content_type or "application/octet-stream"}
        if self.authorization:
            headers["Authorization"] = self.authorization
        request = urllib.request.Request(url, body, headers, method=method)  # noqa: S310 - loopback
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=10) as answer:
            return str(answer.headers.get("Location", ""))
