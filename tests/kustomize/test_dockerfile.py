"""The image recipe keeps its rules: small, pinned, not root, nothing left behind."""

from __future__ import annotations

import re
from fnmatch import fnmatch
from pathlib import Path

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "Dockerfile").read_text()
LINES = [
    line.strip()
    for line in TEXT.replace("\\\n", " ").splitlines()
    if line.strip() and not line.lstrip().startswith("#")
]
FINAL = LINES[max(n for n, line in enumerate(LINES) if line.startswith("FROM")) :]


def instructions(name: str, lines: list[str] = LINES) -> list[str]:
    return [line.removeprefix(name).strip() for line in lines if line.startswith(f"{name} ")]


def test_every_base_image_is_pinned() -> None:
    """Both stages start from the same version of Python, named by version, never by `latest`."""
    bases = [base.split()[0] for base in instructions("FROM")]
    assert len(bases) == 2
    assert len(set(bases)) == 1
    assert re.fullmatch(r"python:3\.\d+(\.\d+)?-slim-[a-z]+(@sha256:[0-9a-f]{64})?", bases[0])
    assert "latest" not in TEXT


def test_the_container_is_not_root() -> None:
    """The last word on the user is a number other than 0, as Kubernetes wants to check it."""
    assert instructions("USER", FINAL) == ["65532:65532"]
    tail = FINAL[FINAL.index("USER 65532:65532") :]
    assert not [line for line in tail if line.startswith(("RUN", "COPY", "ADD"))]


def test_tini_reaps_and_passes_signals_on() -> None:
    """Git and ssh leave no zombies, and SIGTERM reaches imagebot: no shell in between."""
    assert instructions("ENTRYPOINT") == ['["tini", "--", "imagebot"]']
    assert instructions("CMD") == ['["--help"]']


def test_packages_are_constrained_and_leave_no_cache() -> None:
    """Pip installs what constraints.txt says; pip and apt leave nothing behind."""
    installs = [
        run for run in instructions("RUN") if "pip" in run and "install" in run and "apt" not in run
    ]
    assert len(installs) == 1
    assert "--no-cache-dir" in installs[0]
    assert "-c constraints.txt" in installs[0]
    assert "compileall" in installs[0]
    (apt,) = [run for run in instructions("RUN") if "apt-get" in run]
    assert "--no-install-recommends" in apt
    assert "rm -rf /var/lib/apt/lists/*" in apt
    for package in ("ca-certificates", "git", "openssh-client", "tini", "tzdata"):
        assert f" {package} " in f"{apt} "


def test_nothing_is_fetched_past_the_package_managers() -> None:
    """No ADD, no curl, no secret in a build argument or environment variable."""
    assert not instructions("ADD")
    assert not instructions("ARG")
    assert not re.search(r"curl|wget|TOKEN|PASSWORD|SECRET", TEXT)
    assert not [copy for copy in instructions("COPY") if copy.startswith(". ")]


def test_the_build_sees_only_what_it_copies() -> None:
    """The context is an allow-list: no .git, no tests, no local files; and all copied exist."""
    rules = (ROOT / ".dockerignore").read_text().split()
    assert rules[0] == "*"
    allowed = [rule[1:] for rule in rules if rule.startswith("!")]
    copied = [
        source.removeprefix("./")
        for copy in instructions("COPY")
        if not copy.startswith("--from")
        for source in copy.split()[:-1]
    ]
    assert sorted(copied) == sorted(allowed)
    assert all((ROOT / source).exists() for source in copied)
    assert not any(fnmatch(".git", rule) for rule in allowed)


def test_the_user_of_the_image_is_the_user_of_the_pods() -> None:
    """The manifests run the image as the user that it was made for."""
    for file in ("base/imagebot/cronjob.yaml", "components/imagebot-daemon/deployment.yaml"):
        assert "runAsUser: 65532" in (ROOT / "kustomize" / file).read_text()
