"""The operator's file: what it may say, where its secrets are, and what it never holds."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from imagebot.config.operator import Operator, load_operator
from imagebot.config.secret import Secret, SecretSource
from imagebot.errors import ConfigError, StartError

CANARY = "s3cr3t-c4n4ry"

FULL = b"""
version: 1
repositories:
  - url: https://github.com/acme/gitops.git
    base: main
    forge: {kind: github, url: https://github.com, project: acme/gitops, token: {env: GITHUB_TOKEN}}
    config: acme.yaml
    allow: {paths: ["apps/**"], images: ["ghcr.io/acme/*"], pullRequests: 5}
  - url: git@gitlab.example.com:acme/gitops.git
    forge: {kind: gitlab, token: {file: /run/secrets/gitlab}}
    git: {sshKey: keys/id, knownHosts: ~/known_hosts}
  - url: https://github.com/acme/other.git
    forge:
      kind: github
      app: {clientId: Iv1.a, installationId: 42, privateKey: {file: app.pem}}
    git: {username: bot, password: {env: GIT_PASSWORD}}
  - url: /srv/git/demo.git
    forge: {kind: local}
dockerConfigs: [/run/secrets/docker/config.json]
engine: {url: unix:///var/run/docker.sock}
network: {caFile: ca.pem, insecureHosts: ["registry.local:5000"], requestBudget: 1000, proxies: {https: "http://proxy:3128", no: [a.example, .b.example]}}
workdir: /var/lib/imagebot
state: postgresql://db/imagebot
identity: {name: Image Bot, email: bot@acme.example}
serve: {schedule: "*/15 * * * *", timeZone: Europe/Berlin, jitter: 90s, listen: "0.0.0.0:8080"}
"""


def problems(text: str) -> list[str]:
    with pytest.raises(ConfigError) as raised:
        load_operator("etc/op.yaml", text.encode())
    return [str(problem) for problem in raised.value.problems]


def repository(body: str) -> str:
    return f"version: 1\nrepositories:\n  - {{{body}}}"


def test_a_whole_file_is_read() -> None:
    """Every key arrives, and relative paths start from the file's own folder."""
    operator = load_operator("/etc/imagebot/op.yaml", FULL)
    first, second, third, fourth = operator.repositories
    assert first.config == "/etc/imagebot/acme.yaml"
    assert first.forge.token
    assert first.forge.token.source == SecretSource(env="GITHUB_TOKEN")
    assert first.allow.pull_requests == 5
    assert second.git.ssh_key == "/etc/imagebot/keys/id"
    assert second.git.known_hosts == str(Path("~/known_hosts").expanduser())
    assert third.forge.app
    assert (third.forge.app.client_id, third.forge.app.installation_id) == ("Iv1.a", 42)
    assert fourth.forge.kind == "local"
    assert operator.network.ca_file == "/etc/imagebot/ca.pem"
    assert operator.network.proxies.mapping == {
        "https": "http://proxy:3128",
        "no": "a.example,.b.example",
    }
    assert operator.state_url == "postgresql://db/imagebot"
    assert operator.serve.jitter_seconds == 90
    assert operator.serve.address == ("0.0.0.0", 8080)
    assert len(list(operator.secrets())) == 4


def test_the_defaults_keep_to_the_home_folder(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a workdir, clones and state are where XDG puts them."""
    text = repository("url: /a.git, forge: {kind: local}").encode()
    operator = load_operator("o.yaml", text)
    assert operator.folder == Path("~/.local/state/imagebot").expanduser()
    monkeypatch.setenv("XDG_STATE_HOME", "/xdg")
    assert operator.state_url == "sqlite:////xdg/imagebot/state.db"
    assert operator.serve.address == ("127.0.0.1", 8080)


FORGE = "forge: {kind: local}"
MISTAKES = [
    ("version: 1", "1:1: 'repositories' is missing"),
    ("version: 1\nrepositories: []", "repositories: must not be an empty list"),
    (
        repository(f"url: 'https://u:p@h/a', {FORGE}"),
        "3:11: repositories[0].url: a password in a URL",
    ),
    (
        f"network: {{proxies: {{https: 'http://u:p@proxy:1'}}}}\n{repository(f'url: a, {FORGE}')}",
        "network.proxies.https: a password in a URL",
    ),
    (
        f"network: {{proxies: {{https: 'socks5://proxy:1'}}}}\n{repository(f'url: a, {FORGE}')}",
        "network.proxies.https: must be an https URL",
    ),
    (repository(f"url: '-oProxyCommand=x', {FORGE}"), "repositories[0].url: a URL is not empty"),
    (repository(f'url: "https://h/a\\nb", {FORGE}'), "repositories[0].url: a URL is not empty"),
    (repository(f"url: a, base: '-x', {FORGE}"), "repositories[0].base: '-x' is no branch name"),
    (repository(f"url: a, base: a..b, {FORGE}"), "repositories[0].base: 'a..b' is no branch name"),
    (
        repository("url: a, forge: {kind: gitub, token: {env: A}}"),
        "forge.kind: must be 'github', 'gitlab', 'gitea' or 'local' (did you mean 'github'?)",
    ),
    (repository("url: a, forge: {kind: gitlab}"), "3:21: repositories[0].forge: needs 'token'"),
    (repository("url: a, forge: {kind: github}"), "repositories[0].forge: needs 'token' or 'app'"),
    (
        repository("url: a, forge: {kind: local, token: {env: A}}"),
        "a local forge has no url, project, token or app",
    ),
    (
        repository(
            "url: a, forge: {kind: gitlab, app: {clientId: a, installationId: 1, privateKey: {env: A}}}"
        ),
        "'app' is for GitHub only",
    ),
    (
        repository(
            "url: a, forge: {kind: github, token: {env: A}, app: {clientId: a, installationId: 1, privateKey: {env: A}}}"
        ),
        "needs 'token' or 'app', not both",
    ),
    (
        repository("url: a, forge: {kind: gitea, url: 'ftp://x', token: {env: A}}"),
        "forge.url: must be an https URL",
    ),
    (
        repository("url: a, forge: {kind: gitea, token: {env: A, file: b}}"),
        "forge.token: needs exactly one of 'env' and 'file'",
    ),
    (
        repository("url: a, forge: {kind: gitea, token: {}}"),
        "forge.token: needs exactly one of 'env' and 'file'",
    ),
    (
        repository("url: a, forge: {kind: gitea, token: {evn: A}}"),
        "forge.token: unknown key 'evn' (did you mean 'env'?)",
    ),
    (
        repository(f"url: a, git: {{sshKey: a}}, {FORGE}"),
        "'sshKey' and 'knownHosts' belong together",
    ),
    (
        repository(f"url: a, git: {{sshKey: a, knownHosts: b, password: {{env: A}}}}, {FORGE}"),
        "'sshKey' and 'password' exclude each other",
    ),
    (
        repository(f"url: a, allow: {{images: ['/x']}}, {FORGE}"),
        "allow.images[0]: patterns have no leading '/'",
    ),
    (
        repository(f"url: a, {FORGE}") + "\nstate: 'postgresql://u:p@h/d'",
        "4:8: state: a password in a URL",
    ),
    (
        repository(f"url: a, {FORGE}") + "\nengine: {url: 'tcp://x'}",
        "engine.url: 'tcp://x' is not allowed here (unix:///var/run/docker.sock",
    ),
    (
        repository(f"url: a, {FORGE}") + "\nidentity: {name: 'a <b>'}",
        "identity.name: 'a <b>' is not allowed here",
    ),
    (
        repository(f"url: a, {FORGE}") + "\nserve: {timeZone: Mars/Olympus}",
        "serve.timeZone: 'Mars/Olympus' is no time zone",
    ),
    (
        repository(f"url: a, {FORGE}") + "\nserve: {jitter: soon}",
        "serve.jitter: 'soon' is no duration",
    ),
    (
        repository(f"url: a, {FORGE}") + "\nserve: {listen: ':80'}",
        "serve.listen: ':80' is no address",
    ),
    (
        repository(f"url: a, {FORGE}") + "\nserve: {listen: 'a:70000'}",
        "serve.listen: 'a:70000' is no address",
    ),
    (
        repository(f"url: a, {FORGE}") + "\nnetwork: {requestBudget: 0}",
        "network.requestBudget: must be at least 1",
    ),
]


@pytest.mark.parametrize(("text", "said"), MISTAKES)
def test_a_mistake_is_told_with_its_place(text: str, said: str) -> None:
    """Each mistake gives one problem with its place and plain words."""
    found = problems(text)
    assert len(found) == 1
    assert said in found[0]
    assert found[0].startswith("etc/op.yaml:")


def test_an_inline_secret_is_refused_and_not_repeated() -> None:
    """A token written into the file is an error that says why, and does not show the token."""
    found = problems(
        "version: 1\nrepositories:\n"
        f"  - {{url: a, forge: {{kind: gitlab, token: {CANARY}}}}}\n"
        f"  - {{url: a, forge: {{kind: local}}, git: {{password: {CANARY}}}}}\n"
        f"  - {{url: 'https://u:{CANARY}@h', forge: {{kind: local}}}}\n"
    )
    assert len(found) == 3
    assert "a secret is never written into this file" in found[0]
    assert "{env: NAME} or {file: PATH}" in found[0]
    assert CANARY not in "".join(found)


def test_an_ipv6_address_can_be_listened_on() -> None:
    """Brackets are for the file, not for the socket."""
    text = repository(f"url: a, {FORGE}") + "\nserve: {listen: '[::1]:9000'}"
    assert load_operator("o", text.encode()).serve.address == ("::1", 9000)


@pytest.mark.parametrize(
    ("written", "secret"),
    [
        ("token", "token"),
        ("token\n", "token"),
        ("token\r\n", "token"),
        ("a\n\n", "a\n"),
        (" t ", " t "),
    ],
)
def test_one_newline_at_the_end_is_no_part_of_a_secret(
    tmp_path: Path, written: str, secret: str
) -> None:
    """Editors and `echo` add one newline; everything else is the secret."""
    file = tmp_path / "token"
    file.write_bytes(written.encode())
    assert SecretSource(file=str(file)).read().reveal() == secret


def test_a_secret_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """An environment variable is read when it is asked for."""
    monkeypatch.setenv("BOT_TOKEN", CANARY + "\n")
    assert SecretSource(env="BOT_TOKEN").read() == Secret(CANARY)


@pytest.mark.parametrize("content", [b"", b"\n", b"  \n", b"\xff\xfe", b"x" * 70_000])
def test_a_useless_secret_file_is_an_error_that_names_it(tmp_path: Path, content: bytes) -> None:
    """Empty, binary and absurdly long files are told by path, never by content."""
    file = tmp_path / "token"
    file.write_bytes(content)
    with pytest.raises(StartError, match="token"):
        SecretSource(file=str(file)).read()


def test_a_missing_secret_is_an_error_that_names_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The name of the variable or file is what people need to see."""
    with pytest.raises(StartError, match="environment variable NOPE is not set"):
        SecretSource(env="NOPE").read()
    monkeypatch.setenv("NOPE", "")
    with pytest.raises(StartError, match="environment variable NOPE holds an empty secret"):
        SecretSource(env="NOPE").read()
    with pytest.raises(StartError, match="No such file"):
        SecretSource(file=str(tmp_path / "none")).read()
    with pytest.raises(StartError, match="Is a directory"):
        SecretSource(file=str(tmp_path)).read()


def test_a_file_that_everybody_reads_is_warned_of(tmp_path: Path) -> None:
    """A careless mode is a warning, once per file; a careful one is none."""
    wide, narrow = tmp_path / "wide", tmp_path / "narrow"
    for file, mode in ((wide, 0o644), (narrow, 0o440)):
        file.write_text(CANARY)
        file.chmod(mode)
    text = "version: 1\nrepositories:\n" + "".join(
        f"  - {{url: a, forge: {{kind: gitlab, token: {{file: {file}}}}}}}\n"
        for file in (wide, wide, narrow)
    )
    (warning,) = load_operator("o", text.encode()).warnings()
    assert str(wide) in warning
    assert "0644" in warning


def test_a_secret_does_not_show_itself() -> None:
    """No way of printing, formatting or copying a secret shows it."""
    secret = Secret(CANARY)
    shown = [
        repr(secret),
        str(secret),
        f"{secret}",
        f"{secret!r:>40}",
        f"{[secret]}",
        "{}".format(secret),  # noqa: UP032 - the old way must not show it either
    ]
    assert CANARY not in "".join(shown)
    with pytest.raises(TypeError):
        pickle.dumps(secret)
    assert secret == Secret(CANARY)
    assert secret != Secret("other")
    assert len({secret, Secret(CANARY)}) == 1
    assert not hasattr(secret, "__dict__")


def test_the_operator_shows_places_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """Printing the whole configuration after reading its secrets shows none."""
    monkeypatch.setenv("GITHUB_TOKEN", CANARY)
    operator = load_operator("o", FULL)
    assert isinstance(operator, Operator)
    token = operator.repositories[0].forge.token
    assert token
    assert token.read().reveal() == CANARY
    assert CANARY not in repr(operator)
