"""Where a registry may send us for a token: the table that keeps passwords at home."""

from __future__ import annotations

import pytest

from imagebot.errors import RegistryError
from imagebot.http import parse_url
from imagebot.registry.realm import checked_realm

ALLOWED = [
    ("https://registry-1.docker.io", "https://auth.docker.io/token"),
    ("https://lscr.io", "https://ghcr.io/token"),
    ("https://ghcr.io", "https://ghcr.io/token"),
    ("https://ghcr.io", "https://GHCR.io:443/token"),
    ("https://registry.gitlab.com", "https://gitlab.com/jwt/auth"),
    ("https://docker.elastic.co", "https://docker-auth.elastic.co/auth"),
    ("https://registry.example.co.uk", "https://auth.example.co.uk/token"),
    ("https://registry.corp.example.com:5000", "https://login.corp.example.com/token"),
    ("https://acme.azurecr.io", "https://acme.azurecr.io/oauth2/token"),
    ("https://acme.jfrog.io", "https://acme.jfrog.io/artifactory/api/docker/x/v2/token"),
    ("http://127.0.0.1:5000", "http://127.0.0.1:5000/token"),
    ("http://localhost:5000", "http://localhost:5000/token"),
    ("https://10.0.0.5", "https://10.0.0.5/token"),
    ("http://registry.corp.example.com", "https://login.corp.example.com/token"),
]

REFUSED = [
    ("https://ghcr.io", "https://evil.com/token"),
    ("https://ghcr.io", "http://ghcr.io/token"),
    ("https://ghcr.io", "https://ghcr.io.evil.com/token"),
    ("https://ghcr.io", "https://evil-ghcr.io/token"),
    ("https://ghcr.io", "https://other.io/token"),
    ("https://ghcr.io", "https://127.0.0.1/token"),
    ("https://ghcr.io", "https://localhost/token"),
    ("https://ghcr.io", "https://169.254.169.254/latest"),
    ("https://ghcr.io", "https://[fd00:ec2::254]/latest"),
    ("https://ghcr.io", "https://10.1.2.3/token"),
    ("https://ghcr.io", "https://2130706433/token"),
    ("https://ghcr.io", "file:///etc/passwd"),
    ("https://ghcr.io", "gopher://ghcr.io/"),
    ("https://ghcr.io", ""),
    ("https://ghcr.io", "Artifactory Realm"),
    ("https://ghcr.io", "https://user:pw@ghcr.io/token"),
    ("https://ghcr.io", "https://ghcr.io\\@evil.com/token"),
    ("https://ghcr.io", "https://ghcr.io:8443/token"),
    ("https://registry-1.docker.io", "https://auth.docker.io.evil.com/"),
    ("https://registry-1.docker.io", "http://auth.docker.io/token"),
    ("https://lscr.io", "https://ghcr.io:8443/token"),
    ("https://evil.io", "https://auth.docker.io/token"),
    ("https://registry.co.uk", "https://other.co.uk/token"),
    ("https://registry.com.br", "https://other.com.br/token"),
    ("https://acme.azurecr.io", "https://evil.azurecr.io/token"),
    ("https://acme.jfrog.io", "https://evil.jfrog.io/token"),
    ("https://1.dkr.ecr.eu-west-1.amazonaws.com", "https://evil.ecr.eu-west-1.amazonaws.com/"),
    ("https://registry.acme.github.io", "https://evil.acme.github.io/"),
    ("https://a.b.example.com", "https://auth.example.com/token"),
    ("http://127.0.0.1:5000", "http://127.0.0.1:5001/token"),
    ("http://127.0.0.1:5000", "https://127.0.0.1:5001/token"),
    ("http://127.0.0.1:5000", "http://localhost:5000/token"),
    ("https://10.0.0.5", "https://10.0.0.6/token"),
    ("https://1.2.3.4", "https://5.2.3.4/token"),
    ("http://registry.corp.example.com", "http://login.corp.example.com/token"),
    ("https://registry", "https://auth/token"),
    ("https://registry.local", "https://auth.local/token"),
    ("https://registry.svc.cluster.local", "https://evil.svc.cluster.local/token"),
]


@pytest.mark.parametrize(("registry", "realm"), ALLOWED)
def test_a_related_token_server_is_taken(registry: str, realm: str) -> None:
    """Real pairs of registries and token servers work without any setting."""
    assert checked_realm(parse_url(registry).origin, realm) == parse_url(realm)


@pytest.mark.parametrize(("registry", "realm"), REFUSED)
def test_a_foreign_token_server_is_refused(registry: str, realm: str) -> None:
    """R15: off-origin, plain, internal, look-alike and unreadable realms are errors."""
    with pytest.raises(RegistryError, match="token server"):
        checked_realm(parse_url(registry).origin, realm)


def test_the_operator_may_name_a_token_server() -> None:
    """A pair that the rule refuses can be named, for that registry and that host only."""
    registry = parse_url("https://registry.example.com:5000").origin
    trusted = {"registry.example.com:5000": frozenset({"sso.other.net", "10.0.0.9:8443"})}
    for realm in ["https://sso.other.net/t", "https://10.0.0.9:8443/t"]:
        assert checked_realm(registry, realm, trusted).text == realm
    for realm in ["https://sso.other.net:444/t", "http://sso.other.net/t", "https://x.other.net/t"]:
        with pytest.raises(RegistryError):
            checked_realm(registry, realm, trusted)
    with pytest.raises(RegistryError):
        checked_realm(parse_url("https://ghcr.io").origin, "https://sso.other.net/t", trusted)


def test_the_refusal_does_not_quote_a_secret() -> None:
    """A realm with a password in it is not repeated in the message."""
    with pytest.raises(RegistryError) as caught:
        checked_realm(parse_url("https://ghcr.io").origin, "https://u:canary@ghcr.io/t?k=canary")
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize(
    "host", ["127.0.0.1:8443", "localhost", "10.1.2.3", "169.254.169.254", "[::1]"]
)
def test_an_internal_realm_is_named_as_such(host: str) -> None:
    """Who reads the message learns that the registry tried to reach inside."""
    with pytest.raises(RegistryError, match="internal address"):
        checked_realm(parse_url("https://ghcr.io").origin, f"https://{host}/token")
