"""A bare HTTP client for tests that speak to a registry: no retries, no redirects, no environment."""

from __future__ import annotations

from types import TracebackType
from typing import Any, Self

import requests

from imagebot.registry.server_rules import digest_of


class RegistryHTTP:
    """Requests below one base URL, as a client with nothing but the specification writes them."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.session = requests.Session()
        self.session.trust_env = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        self.session.close()

    def __call__(self, method: str, path: str, **options: Any) -> requests.Response:
        url = path if path.startswith("http") else self.url + path
        return self.session.request(method, url, allow_redirects=False, timeout=10, **options)

    def push_blob(self, name: str, data: bytes) -> str:
        """POST then PUT, the way every client can."""
        digest = digest_of(data)
        started = self("POST", f"/v2/{name}/blobs/uploads/")
        assert started.status_code == 202
        done = self("PUT", started.headers["Location"], params={"digest": digest}, data=data)
        assert done.status_code == 201, done.text
        return digest


def error_code(response: requests.Response) -> str:
    """The one error code of an error document."""
    assert response.headers["Content-Type"] == "application/json"
    (error,) = response.json()["errors"]
    assert error["message"]
    return str(error["code"])
