"""What a run shares is wired as the operator's file says, and says at once what is wrong with it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from imagebot.config.operator import load_operator
from imagebot.cycle import Runner
from imagebot.demo.stage import make_repository
from imagebot.errors import PeerError
from imagebot.model import Cycle
from imagebot.wiring import Paces, Services
from tests.support.misbehaving import Misbehaving, Seen, Wire
from tests.support.names import resolve_to_loopback

OPERATOR = "version: 1\nrepositories: [{url: '/x.git', forge: {kind: local}}]\n"
USES = "images:\n- {{name: web, newName: '{0}/a/web', newTag: '1.0'}}\n- {{name: api, newName: '{0}/a/api', newTag: '1.0'}}\n"


@contextmanager
def stage(folder: Path, extra: str) -> Iterator[tuple[Services, Misbehaving]]:
    """A repository with two images of a registry that counts what it is asked."""

    def handle(seen: Seen, wire: Wire) -> None:
        name = seen.path.removeprefix("/v2/").removesuffix("/tags/list")
        wire.json({"name": name, "tags": ["1.0"]})

    with Misbehaving(handle) as registry:
        files = {"kustomization.yaml": USES.format(registry.netloc).encode()}
        make_repository(folder / "deploy.git", files)
        text = (
            f"version: 1\nworkdir: {folder / 'work'}\n{extra}\n"
            f"repositories: [{{url: '{folder / 'deploy.git'}', forge: {{kind: local}}}}]\n"
        )
        operator = load_operator(str(folder / "operator.yaml"), text.encode())
        with Services(operator, environment={}) as services:
            yield services, registry


def cycle(services: Services) -> Cycle:
    assert services.operator is not None
    return Runner(services, services.operator).one(services.operator.repositories[0])


@pytest.mark.parametrize("content", [None, "no certificates"])
def test_a_wrong_file_of_authorities_is_named_before_anything_is_fetched(
    tmp_path: Path, content: str | None
) -> None:
    """The message has the key and the path; the repository was not even cloned."""
    path = tmp_path / "authorities.pem"
    if content is not None:
        path.write_text(content)
    with stage(tmp_path, f"network: {{caFile: '{path}'}}") as (services, registry):
        seen = cycle(services)
        assert seen.problem.startswith(f"`network.caFile`: {path}")
        assert seen.exit_code == 4
        assert registry.seen == []
    assert not list((tmp_path / "work").glob("deploy-*"))


def test_a_broken_credential_file_ends_the_run_as_wrong_configuration(tmp_path: Path) -> None:
    """It is told once, with its place and exit code 2, not once an image as an undecided one."""
    path = tmp_path / "config.json"
    path.write_text("{bad")
    with stage(tmp_path, f"dockerConfigs: ['{path}']") as (services, registry):
        seen = cycle(services)
        assert seen.problem.count(str(path)) == 1
        assert seen.exit_code == 2
        assert registry.seen == []
        path.write_text("{}")
    with stage(tmp_path, f"dockerConfigs: ['{path}']") as (services, registry):
        assert not cycle(services).failed
        assert len(registry.seen) == 2


def test_requests_go_through_the_proxy_of_the_operator(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`network.proxies` is what the HTTP layer uses, and `no` goes around it."""
    resolve_to_loopback(monkeypatch, "near.example")

    def handle(seen: Seen, wire: Wire) -> None:
        wire.json([seen.target])

    with Misbehaving(handle) as proxy:
        text = (
            f"{OPERATOR}workdir: {tmp_path}\nnetwork:\n"
            "  insecureHosts: [far.example, near.example]\n"
            f"  proxies: {{http: '{proxy.url}', no: [near.example]}}\n"
        )
        with Services(load_operator("o.yaml", text.encode()), environment={}) as services:
            assert services.http.request("GET", "http://far.example/a").json() == [
                "http://far.example/a"
            ]
            with pytest.raises(PeerError):
                services.http.request("GET", "http://near.example:1/b")
        assert [seen.target for seen in proxy.seen] == ["http://far.example/a"]


def test_cycles_beside_each_other_share_the_gap_between_writes() -> None:
    """One login of one forge has one pace, whoever made the services; other logins have others."""
    paces = Paces()
    one, other = Services(None, paces=paces), Services(None, paces=paces)
    pace = one.paces.of("https://github.com", "token")
    assert other.paces.of("https://github.com", "token") is pace
    assert other.paces.of("https://github.com", "another") is not pace
    assert other.paces.of("https://git.example", "token") is not pace


def test_git_stops_when_the_services_are_cancelled(tmp_path: Path) -> None:
    """A daemon that is over its time to drain does not wait for a transfer."""
    with stage(tmp_path, "") as (services, _):
        services.cancelled = lambda: True
        assert "shutting down" in cycle(services).problem
