"""Debian's docker-registry as the judge: plain, behind nginx with Basic, and with token login."""

from __future__ import annotations

import base64
import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from imagebot.errors import RegistryError
from imagebot.http import HttpClient, SystemClock
from imagebot.imageref import parse_repository
from imagebot.registry.auth import Authenticator, Credential
from imagebot.registry.distribution import DistributionRegistry
from tests.support.certificates import Authority
from tests.support.dockerregistry import OCI_MANIFEST, Pusher, docker_registry, need, nginx
from tests.support.misbehaving import Misbehaving
from tests.support.names import resolve_to_loopback
from tests.support.tokenserver import TokenServer, jwt_signer

pytestmark = pytest.mark.e2e

PASSWORD = "canary-real-pw"
LOGIN = Credential(username="ann", password=PASSWORD)
SOURCE = "org.opencontainers.image.source"


@contextmanager
def client(
    credential: Credential | None = None,
    token_servers: dict[str, frozenset[str]] | None = None,
    **options: object,
) -> Iterator[DistributionRegistry]:
    with HttpClient(user_agent="imagebot-tests", **options) as http:  # type: ignore[arg-type]
        authenticator = Authenticator(SystemClock().now, token_servers=token_servers)
        yield DistributionRegistry(http, lambda repository: credential, authenticator)


def test_every_tag_is_listed(tmp_path: Path) -> None:
    """All tags of a real registry, in its order, with and without a page size."""
    with docker_registry(tmp_path) as netloc, client() as registry:
        names = [f"1.{minor}.{patch}" for minor in range(15) for patch in range(5)]
        Pusher(netloc, "acme/web").image(*names)
        repository = parse_repository(f"{netloc}/acme/web")
        assert registry.tags(repository) == tuple(sorted(names))


def test_details_and_digests(tmp_path: Path) -> None:
    """Digest, platforms, time, labels and size of what was pushed, single and several platforms."""
    with docker_registry(tmp_path) as netloc, client() as registry:
        push = Pusher(netloc, "acme/web")
        single = push.image(
            "1.0", created="2024-05-01T10:00:00Z", labels={SOURCE: "https://example.com/web"}
        )
        arm = push.image(arch="arm64", created="2024-06-01T10:00:00Z")
        top = push.index(
            [
                single | {"platform": {"os": "linux", "architecture": "amd64"}},
                arm | {"platform": {"os": "linux", "architecture": "arm64", "variant": "v8"}},
            ],
            "2.0",
        )
        repository = parse_repository(f"{netloc}/acme/web")
        first = registry.details(repository, "1.0")
        assert (first.digest, first.media_type) == (single["digest"], OCI_MANIFEST)
        assert (first.platforms, first.created) == (("linux/amd64",), "2024-05-01T10:00:00Z")
        assert first.labels == {SOURCE: "https://example.com/web"}
        second = registry.details(repository, "2.0")
        assert second.platforms == ("linux/amd64", "linux/arm64/v8")
        assert second.created == "2024-06-01T10:00:00Z"
        for reference, digest in [("1.0", single["digest"]), ("2.0", top["digest"])]:
            assert registry.digest(repository, reference) == digest
            assert registry.digest(repository, digest) == digest


def test_skopeo_sees_the_same(tmp_path: Path) -> None:
    """An independent client agrees on tags and digest."""
    need("skopeo")
    with docker_registry(tmp_path) as netloc, client() as registry:
        Pusher(netloc, "acme/web").image("1.0", "1.1")
        repository = parse_repository(f"{netloc}/acme/web")
        listed = subprocess.run(
            ["skopeo", "list-tags", "--tls-verify=false", f"docker://{repository}"],
            capture_output=True, check=True, timeout=30,
        )  # fmt: skip
        assert tuple(json.loads(listed.stdout)["Tags"]) == registry.tags(repository)
        inspected = subprocess.run(
            ["skopeo", "inspect", "--tls-verify=false", "--format", "{{.Digest}}", f"docker://{repository}:1.1"],
            capture_output=True, check=True, timeout=30,
        )  # fmt: skip
        assert inspected.stdout.decode().strip() == registry.digest(repository, "1.1")


def test_what_is_missing_is_an_error(tmp_path: Path) -> None:
    """R12: an unknown repository and an unknown tag are errors, not empty lists."""
    with docker_registry(tmp_path) as netloc, client() as registry:
        Pusher(netloc, "acme/web").image("1.0")
        with pytest.raises(RegistryError, match="NAME_UNKNOWN") as caught:
            registry.tags(parse_repository(f"{netloc}/acme/nothing"))
        assert caught.value.status == 404
        with pytest.raises(RegistryError, match="knows no such"):
            registry.digest(parse_repository(f"{netloc}/acme/web"), "9.9")
        with pytest.raises(RegistryError, match="MANIFEST_UNKNOWN"):
            registry.details(parse_repository(f"{netloc}/acme/web"), "9.9")


def test_behind_nginx_with_basic_login(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Basic over TLS: the right password works, a wrong or missing one is a refused login."""
    need("htpasswd")
    users = tmp_path / "users"
    subprocess.run(["htpasswd", "-bc", users, "ann", PASSWORD], check=True, capture_output=True)
    resolve_to_loopback(monkeypatch, "registry.example.com")
    authority = Authority(tmp_path)
    pair = authority.issue("registry.example.com")
    with docker_registry(tmp_path) as inner:
        Pusher(inner, "acme/web").image("1.0")
        locations = f"""
            location /v2/ {{
              auth_basic "Registry Realm"; auth_basic_user_file {users};
              proxy_pass http://{inner}; proxy_set_header Host $http_host;
            }}"""
        with nginx(tmp_path, locations, pair) as netloc:
            port = netloc.rpartition(":")[2]
            repository = parse_repository(f"registry.example.com:{port}/acme/web")
            with client(LOGIN, ca_bundle=str(authority.bundle)) as registry:
                assert registry.tags(repository) == ("1.0",)
                assert registry.details(repository, "1.0").platforms == ("linux/amd64",)
            for login in (None, Credential(username="ann", password="wrong")):
                with (
                    client(login, ca_bundle=str(authority.bundle)) as registry,
                    pytest.raises(RegistryError, match="login"),
                ):
                    registry.tags(repository)


@contextmanager
def token_registry(folder: Path, tokens: TokenServer, realm: str) -> Iterator[str]:
    """A registry that lets in whoever brings a token signed by the test's key."""
    authority = Authority(folder)
    pair = authority.issue("token.example.com", stem="signer")
    tokens.signer = jwt_signer(pair, "imagebot-issuer")
    settings = {
        "realm": realm,
        "service": "imagebot-registry",
        "issuer": "imagebot-issuer",
        "rootcertbundle": str(authority.bundle),
    }
    with docker_registry(folder, token=settings) as netloc:
        yield netloc


def bearer(tokens: TokenServer, scope: str) -> str:
    assert tokens.signer is not None
    return "Bearer " + tokens.signer("pusher", "imagebot-registry", scope)


def test_with_token_login_on_the_same_origin(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A real token-guarded registry and its token server behind one nginx, as most are run."""
    tokens = TokenServer(users={"ann": PASSWORD}, anonymous=False)
    resolve_to_loopback(monkeypatch, "registry.example.com")
    front_folder = tmp_path / "front"
    front_folder.mkdir()
    front = Authority(front_folder)
    pair = front.issue("registry.example.com")
    with (
        Misbehaving(tokens) as server,
        token_registry(tmp_path, tokens, "https://replaced.example.com/token") as inner,
    ):
        scope = "repository:acme/web:pull,push"
        Pusher(inner, "acme/web", bearer(tokens, scope)).image("1.0", "1.1")
        # The realm holds nginx's port, which is known only once nginx runs: nginx fills it in.
        locations = f"""
            location /token {{ proxy_pass {server.url}; }}
            location /v2/ {{
              proxy_pass http://{inner}; proxy_set_header Host $http_host;
              proxy_hide_header WWW-Authenticate;
              add_header WWW-Authenticate
                'Bearer realm="https://$http_host/token",service="imagebot-registry"' always;
            }}"""
        with nginx(tmp_path, locations, pair) as netloc:
            port = netloc.rpartition(":")[2]
            repository = parse_repository(f"registry.example.com:{port}/acme/web")
            with client(LOGIN, ca_bundle=str(front.bundle)) as registry:
                assert registry.tags(repository) == ("1.0", "1.1")
                assert registry.details(repository, "1.1").platforms == ("linux/amd64",)
                assert len(tokens.seen) == 1
            with (
                client(ca_bundle=str(front.bundle)) as registry,
                pytest.raises(RegistryError, match="token server answers 401"),
            ):
                registry.tags(repository)


def test_with_a_token_server_elsewhere(tmp_path: Path) -> None:
    """A token server on another port is refused until the operator names it; scopes are enforced."""
    tokens = TokenServer(users={"ann": PASSWORD}, anonymous=False)
    with (
        Misbehaving(tokens) as server,
        token_registry(tmp_path, tokens, f"{server.url}/token") as netloc,
    ):
        scope = "repository:acme/web:pull,push"
        Pusher(netloc, "acme/web", bearer(tokens, scope)).image("1.0")
        repository = parse_repository(f"{netloc}/acme/web")
        with client(LOGIN) as registry:
            with pytest.raises(RegistryError, match=r"token server .* is refused"):
                registry.tags(repository)
            assert server.seen == []
        with client(LOGIN, {netloc: frozenset({server.netloc})}) as registry:
            assert registry.tags(repository) == ("1.0",)
            [seen] = server.seen
            password = base64.b64encode(f"ann:{PASSWORD}".encode()).decode()
            assert seen.headers["authorization"] == f"Basic {password}"
        foreign = Credential(registry_token=bearer(tokens, "repository:acme/other:pull")[7:])
        with client(foreign) as registry, pytest.raises(RegistryError) as caught:
            registry.tags(repository)
        assert caught.value.status == 401
