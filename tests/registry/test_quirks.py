"""Every row of the table of registries, and that nothing is matched by accident."""

from __future__ import annotations

import pytest

from imagebot.registry.quirks import ANY, QUIRKS, quirk_for

ROWS = [
    ("docker.io", "Docker Hub", None),
    ("index.docker.io", "Docker Hub", None),
    ("registry-1.docker.io", "Docker Hub", None),
    ("ghcr.io", "GitHub", 1000),
    ("123456789012.dkr.ecr.eu-west-1.amazonaws.com", "Amazon ECR", 1000),
    ("123456789012.dkr.ecr-fips.us-gov-west-1.amazonaws.com", "Amazon ECR", 1000),
    ("123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn", "Amazon ECR", 1000),
    ("123456789012.dkr-ecr.eu-west-1.on.aws", "Amazon ECR", 1000),
    ("public.ecr.aws", "Amazon ECR Public", 1000),
    ("gcr.io", "Google", 10_000),
    ("eu.gcr.io", "Google", 10_000),
    ("europe-west1-docker.pkg.dev", "Google", 10_000),
    ("acme.azurecr.io", "Azure", 1000),
    ("acme.azurecr.cn", "Azure", 1000),
    ("quay.io", "Quay", 100),
    ("registry.gitlab.com", "GitLab", 1000),
    ("acme.jfrog.io", "Artifactory", 1000),
    ("harbor.corp.example.com:8443", "Harbor", 1000),
    ("demo.goharbor.io", "Harbor", 1000),
    ("registry.k8s.io", "any", 1000),
    ("localhost:5000", "any", 1000),
    ("evil-docker.io", "any", 1000),
    ("ghcr.io.evil.com", "any", 1000),
    ("ghcr.io:8443", "any", 1000),
    ("xgcr.io", "any", 1000),
    ("a.b.azurecr.io", "any", 1000),
    ("quay.io.example.com", "any", 1000),
]


@pytest.mark.parametrize(("host", "name", "page_size"), ROWS)
def test_a_host_has_its_row(host: str, name: str, page_size: int | None) -> None:
    """A registry is known by its whole host name, never by a part of it."""
    quirk = quirk_for(host)
    assert (quirk.name, quirk.page_size) == (name, page_size)


def test_every_row_is_tested_and_says_why_it_is_there() -> None:
    """No row without a case above and a note."""
    assert {name for _, name, _ in ROWS} == {quirk.name for quirk in (*QUIRKS, ANY)}
    assert all(quirk.note for quirk in (*QUIRKS, ANY))
