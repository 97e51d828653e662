"""Which credential a repository gets, and above all which it never gets."""

from __future__ import annotations

import base64
import json
import logging
import os
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from imagebot.errors import ConfigError, RegistryError
from imagebot.imageref import InvalidReference, Repository, parse_repository
from imagebot.registry.auth import Credential
from imagebot.registry.credential_file import Key, read_text
from imagebot.registry.credentials import Credentials

SECRET = "canary-s3cret"


def b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def auths(*keys: str) -> dict[str, object]:
    """A configuration in which each key's user is the key itself."""
    return {"auths": {key: {"username": f"user {key}", "password": SECRET} for key in keys}}


def read(document: object, env: dict[str, str] | None = None, **options) -> Credentials:
    content = json.dumps(document).encode()
    return Credentials(list(read_text(content, "config.json")), env=env or {}, **options)


def chosen(credentials: Credentials, repository: str) -> str | None:
    """The key whose entry was chosen."""
    found = credentials.lookup(parse_repository(repository))
    return found.username.removeprefix("user ") if found else None


@pytest.fixture
def helper(tmp_path: Path):
    """Installs a credential helper made of a shell script; gives the environment to run it in."""
    programs = tmp_path / "bin"
    programs.mkdir()
    env = {"PATH": f"{programs}:{os.environ['PATH']}", "CALLS": str(tmp_path / "calls")}

    def install(name: str, script: str) -> dict[str, str]:
        path = programs / f"docker-credential-{name}"
        path.write_text(f'#!/bin/sh\nread server\necho "$1 $server" >> "$CALLS"\n{script}\n')
        path.chmod(0o700)
        return env

    return install


def calls(env: dict[str, str]) -> list[str]:
    path = Path(env["CALLS"])
    return path.read_text().splitlines() if path.exists() else []


# Matching


@pytest.mark.parametrize(
    ("keys", "repository", "expected"),
    [
        (["ghcr.io"], "ghcr.io/acme/web", "ghcr.io"),
        (["https://ghcr.io"], "ghcr.io/acme/web", "https://ghcr.io"),
        (["https://ghcr.io/v2/"], "ghcr.io/acme/web", "https://ghcr.io/v2/"),
        (["ghcr.io/v1/"], "ghcr.io/acme/web", "ghcr.io/v1/"),
        (["ghcr.io/v1"], "ghcr.io/acme/web", None),
        (["ghcr.io/v1"], "ghcr.io/v1/web", "ghcr.io/v1"),
        (["http://localhost:5000"], "localhost:5000/x", "http://localhost:5000"),
        # Longest path, whole segments
        (["ghcr.io", "ghcr.io/team-a", "ghcr.io/team-b"], "ghcr.io/team-a/web", "ghcr.io/team-a"),
        (["ghcr.io/team-a/web", "ghcr.io/team-a"], "ghcr.io/team-a/web", "ghcr.io/team-a/web"),
        (["ghcr.io/team-a/web", "ghcr.io/team-a"], "ghcr.io/team-a/web2", "ghcr.io/team-a"),
        (["ghcr.io/team-a", "ghcr.io/team-b"], "ghcr.io/team-c/web", None),
        (["ghcr.io/victim"], "ghcr.io/victim-evil", None),
        (["ghcr.io/victim"], "ghcr.io/vic", None),
        (["ghcr.io/a/b"], "ghcr.io/a", None),
        (["ghcr.io//a/"], "ghcr.io/a/b", "ghcr.io//a/"),
        # Hosts and ports are exact
        (["ghcr.io"], "ghcr.io:443/acme/web", None),
        (["ghcr.io:443"], "ghcr.io/acme/web", None),
        (["registry.acme.io:5000"], "registry.acme.io:5001/web", None),
        (["ghcr.io"], "eghcr.io/acme/web", None),
        (["ghcr.io"], "ghcr.io.evil.com/acme/web", None),
        (["GHCR.io"], "ghcr.io/acme/web", None),
        (["user@ghcr.io"], "ghcr.io/acme/web", None),
        (["https://ghcr.io@evil.com"], "evil.com/acme/web", None),
        (["[::1]:5000"], "[::1]:5000/web", "[::1]:5000"),
        # Docker Hub's names
        (["https://index.docker.io/v1/"], "nginx", "https://index.docker.io/v1/"),
        (["docker.io"], "grafana/grafana", "docker.io"),
        (["index.docker.io"], "registry-1.docker.io/library/nginx", "index.docker.io"),
        (["registry-1.docker.io"], "docker.io/nginx", "registry-1.docker.io"),
        (["https://index.docker.io/v1/", "docker.io/library"], "nginx", "docker.io/library"),
        (["docker.io/acme"], "nginx", None),
        (["hub.docker.com"], "nginx", None),
        (["https://index.docker.io/v1/access-token"], "nginx", None),
        # The kubelet's patterns
        (
            ["*.dkr.ecr.eu-west-1.amazonaws.com"],
            "123.dkr.ecr.eu-west-1.amazonaws.com/web",
            "*.dkr.ecr.eu-west-1.amazonaws.com",
        ),
        (["*.dkr.ecr.eu-west-1.amazonaws.com"], "1.2.dkr.ecr.eu-west-1.amazonaws.com/web", None),
        (
            ["*.dkr.ecr.*.amazonaws.com"],
            "123.dkr.ecr.us-east-1.amazonaws.com/web",
            "*.dkr.ecr.*.amazonaws.com",
        ),
        (["*.amazonaws.com"], "amazonaws.com/web", None),
        (["*.acme.io:5000"], "a.acme.io/web", None),
        (["*.acme.io:5000"], "a.acme.io:5000/web", "*.acme.io:5000"),
        (["*.acme.io/team"], "a.acme.io/team/web", "*.acme.io/team"),
        (["*.acme.io/team"], "a.acme.io/teams/web", None),
        (["r?[0-9].acme.io"], "rx7.acme.io/web", "r?[0-9].acme.io"),
        (["r[^0-9].acme.io"], "r7.acme.io/web", None),
        (["*.acme.io", "a.acme.io"], "a.acme.io/web", "a.acme.io"),
        (["*"], "ghcr.io/acme/web", None),
    ],
)
def test_which_entry_is_chosen(keys: list[str], repository: str, expected: str | None) -> None:
    """Exact host and port, whole path segments, the longest of them; never a neighbour."""
    assert chosen(read(auths(*keys)), repository) == expected


HOSTS = st.from_regex(r"[a-z]{1,6}(\.[a-z]{1,4}){1,2}(:[1-9][0-9]{1,3})?", fullmatch=True)
PATHS = st.lists(st.from_regex(r"[a-z0-9]{1,5}(-[a-z0-9]{1,3})?", fullmatch=True), max_size=3)
SUFFIXES = st.sampled_from(
    ["-evil", "evil", ".evil.com", ":444", "0", "/", "@x", "%2f", "..", "_a"]
)


@given(HOSTS, PATHS, PATHS, SUFFIXES, st.integers(0, 60))
def test_a_sibling_never_gets_the_credential(
    host: str, path: list[str], tail: list[str], suffix: str, at: int
) -> None:
    """Any change of host, port or a protected path segment, and any userinfo, ends the match."""
    key = "/".join([host, *path])
    changed = key[: at % (len(key) + 1)] + suffix + key[at % (len(key) + 1) :]
    assume(changed.strip("/") != key)
    try:
        repository = parse_repository("/".join([changed, *tail, "x"]))
    except InvalidReference:
        return  # no such repository, so nothing to log in to
    protected = tuple(path)
    same_host = repository.host == host
    same_path = tuple(repository.path.split("/"))[: len(protected)] == protected
    found = chosen(read(auths(key)), str(repository))
    assert (found is not None) == (same_host and same_path)


@given(HOSTS, PATHS.filter(bool), st.data())
def test_the_longest_path_wins_in_any_order(
    host: str, path: list[str], data: st.DataObject
) -> None:
    """The order of a file's entries never decides."""
    keys = ["/".join([host, *path[:length]]) for length in range(len(path) + 1)]
    shuffled = data.draw(st.permutations(keys))
    assert chosen(read(auths(*shuffled)), "/".join([host, *path, "x"])) == keys[-1]


@given(st.text(max_size=40))
def test_any_key_is_read_without_a_crash(text: str) -> None:
    """A key is text that someone typed: it fits or it does not."""
    key = Key.parse(text)
    assert key is None or key.fits(Repository("ghcr.io", "acme/web")) in {True, False}


# Forms of an entry


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"auth": b64("foo:bar")}, Credential("foo", "bar")),
        ({"auth": b64("foo:bar").rstrip("=")}, Credential("foo", "bar")),
        ({"auth": b64("foo:b:a:r")}, Credential("foo", "b:a:r")),
        ({"auth": b64("föö:bär")}, Credential("föö", "bär")),
        ({"username": "foo", "password": "bar"}, Credential("foo", "bar")),
        ({"auth": b64("foo:bar"), "username": "x", "password": "y"}, Credential("foo", "bar")),
        ({"identitytoken": "idt"}, Credential(identity_token="idt")),
        ({"auth": b64("0000:"), "identitytoken": "idt"}, Credential("0000", "", "idt")),
        ({"registrytoken": "rt"}, Credential(registry_token="rt")),
        ({}, None),
        ({"email": "a@b.c"}, None),
    ],
)
def test_every_form_of_an_entry(fields: dict[str, str], expected: Credential | None) -> None:
    """`auth`, user and password, identity token and registry token are all understood."""
    credentials = read({"auths": {"ghcr.io": fields}})
    assert credentials.lookup(parse_repository("ghcr.io/acme/web")) == expected


@pytest.mark.parametrize(
    "fields",
    [
        {"auth": SECRET},
        {"auth": "!!!"},
        {"auth": b64("no colon")},
        {"auth": base64.b64encode(b"\xff\xfe:x").decode()},
        {"auth": 7},
        {"password": [SECRET]},
    ],
)
def test_a_broken_entry_is_an_error_of_its_host_alone(fields: dict[str, object]) -> None:
    """The message names host and file, shows no secret, and other hosts go on."""
    credentials = read({"auths": {"bad.io": fields, **auths("good.io")["auths"]}})
    with pytest.raises(RegistryError) as caught:
        credentials.lookup(parse_repository("bad.io/web"))
    assert "bad.io" in str(caught.value)
    assert "config.json" in str(caught.value)
    assert SECRET not in repr(caught.value) + str(caught.value)
    assert chosen(credentials, "good.io/web") == "good.io"


def test_the_legacy_file_is_a_bare_mapping() -> None:
    """kubernetes.io/dockercfg and ~/.dockercfg have no `auths` around their hosts."""
    assert chosen(read(auths("ghcr.io")["auths"]), "ghcr.io/x") == "ghcr.io"
    assert chosen(read({"psFormat": "x", "HttpHeaders": {"User-Agent": "x"}}), "ghcr.io/x") is None


def test_an_engines_image_has_no_credential() -> None:
    """No registry, no login, whatever the path looks like."""
    assert chosen(read(auths("my-app", "docker.io")), "docker-daemon:my-app") is None


# Where files are


def write(path: Path, *keys: str, mode: int = 0o600) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(auths(*keys)))
    path.chmod(mode)
    return path


def test_every_place_is_read_in_order(tmp_path: Path) -> None:
    """Given files, REGISTRY_AUTH_FILE, XDG, DOCKER_AUTH_CONFIG, docker's own: the first wins."""
    places = [
        write(tmp_path / "secret" / ".dockerconfigjson", "a/1"),
        write(tmp_path / "auth.json", "a/1"),
        write(tmp_path / "run" / "containers" / "auth.json", "a/1"),
        write(tmp_path / "docker" / "config.json", "a/1"),
    ]
    hosts = ["one.io", "two.io", "three.io", "five.io"]
    for number, path in enumerate(places):
        write(path, *hosts[number:], "all.io/" + str(number))
    env = {
        "REGISTRY_AUTH_FILE": str(places[1]),
        "XDG_RUNTIME_DIR": str(tmp_path / "run"),
        "DOCKER_AUTH_CONFIG": json.dumps(auths("four.io", "five.io")),
        "DOCKER_CONFIG": str(tmp_path / "docker"),
    }
    credentials = Credentials.from_environment(env, files=[places[0]])
    entries = {
        (e.key.host, e.source) for e in credentials._fitting(Repository("five.io", "x")) if e.key
    }
    assert len(entries) == 5
    assert credentials._fitting(Repository("five.io", "x"))[0].source == str(places[0])
    for host in [*hosts, "four.io"]:
        assert chosen(credentials, f"{host}/x") == host
    assert chosen(credentials, "all.io/3/x") == "all.io/3"


@pytest.mark.parametrize(
    ("name", "content"),
    [(".docker/config.json", auths("ghcr.io")), (".dockercfg", auths("ghcr.io")["auths"])],
)
def test_the_home_directory(tmp_path: Path, name: str, content: object) -> None:
    """Without DOCKER_CONFIG, docker's file in the home directory counts, the older one after it."""
    path = write(tmp_path / name)
    path.write_text(json.dumps(content))
    assert chosen(Credentials.from_environment({"HOME": str(tmp_path)}), "ghcr.io/x") == "ghcr.io"
    elsewhere = {"HOME": str(tmp_path), "DOCKER_CONFIG": str(tmp_path / "none")}
    assert chosen(Credentials.from_environment(elsewhere), "ghcr.io/x") is None


def test_nothing_there_is_nothing_wrong() -> None:
    """No file, no variable: every registry is read without a credential."""
    assert chosen(Credentials.from_environment({}), "ghcr.io/acme/web") is None


def test_every_broken_file_is_named_at_once(tmp_path: Path) -> None:
    """One error lists each file with what is wrong and where, without a word of its content."""
    broken = {
        "cut.json": (f'{{"auths": {{"ghcr.io": {{"auth": "{SECRET}"}}', "no JSON"),
        "list.json": (f'["{SECRET}"]', "no object"),
        "auths.json": (f'{{"auths": "{SECRET}"}}', "no object"),
        "entry.json": (f'{{"auths": {{"ghcr.io": "{SECRET}"}}}}', "no object"),
        "latin.json": (b'{"a": "\xe4"}', "UTF-8"),
        "deep.json": ("[" * 100_000, "no JSON"),
        "huge.json": (" " * (1 << 20) + SECRET, "larger than"),
    }
    files = []
    for name, (content, _) in broken.items():
        files.append(tmp_path / name)
        files[-1].write_bytes(content if isinstance(content, bytes) else content.encode())
    os.mkfifo(tmp_path / "fifo")
    files += [tmp_path / "absent.json", tmp_path, tmp_path / "fifo"]
    with pytest.raises(ConfigError) as caught:
        Credentials.from_environment({}, files=files)
    lines = str(caught.value).splitlines()
    expected = [
        *(why for _, why in broken.values()),
        "no such file",
        "is a directory",
        "no regular file",
    ]
    assert len(lines) == len(expected)
    for path, line, why in zip(files, lines, expected, strict=True):
        assert line.startswith(str(path))
        assert why in line
    assert "cut.json:1:" in lines[0]
    assert SECRET not in str(caught.value) + repr(caught.value)


def test_secrets_open_to_every_user_are_refused(tmp_path: Path) -> None:
    """A world-readable file with secrets stops the start, with the command that mends it."""
    path = write(tmp_path / ".docker" / "config.json", "ghcr.io", mode=0o644)
    env = {"HOME": str(tmp_path)}
    with pytest.raises(ConfigError, match="chmod 600"):
        Credentials.from_environment(env)
    path.chmod(0o640)
    assert chosen(Credentials.from_environment(env), "ghcr.io/x") == "ghcr.io"


def test_what_may_be_open_to_every_user(tmp_path: Path) -> None:
    """Files given by name (pull secrets are mounted 0644), and files that only name helpers."""
    mounted = write(tmp_path / "mounted" / ".dockerconfigjson", "ghcr.io", mode=0o644)
    plain = write(tmp_path / ".docker" / "config.json", mode=0o644)
    plain.write_text('{"credHelpers": {"a.io": "x"}}')
    credentials = Credentials.from_environment({"HOME": str(tmp_path)}, files=[mounted])
    assert chosen(credentials, "ghcr.io/x") == "ghcr.io"


def test_no_secret_is_ever_shown(caplog: pytest.LogCaptureFixture) -> None:
    """Neither `repr` nor logs of anything on the way hold a secret."""
    caplog.set_level(logging.DEBUG)
    document = {
        "auths": {
            "a.io": {"auth": b64(f"u:{SECRET}"), "identitytoken": SECRET, "registrytoken": SECRET}
        }
    }
    entries = list(read_text(json.dumps(document).encode(), "config.json"))
    credentials = Credentials(entries, env={"TOKEN": SECRET})
    found = credentials.lookup(parse_repository("a.io/x"))
    shown = f"{entries!r} {credentials!r} {credentials._helpers!r} {found!r} {caplog.text}"
    assert SECRET not in shown
    assert b64(f"u:{SECRET}") not in shown


# Helpers


ANSWER = 'echo \'{"ServerURL":"x","Username":"helped","Secret":"' + SECRET + "\"}'"


def test_a_helper_answers_for_its_host(helper) -> None:
    """`credHelpers` first; the program gets the verb and the host, Hub's by its own address."""
    env = helper("ecr", ANSWER)
    credentials = read({"credHelpers": {"ecr.aws": "ecr", "docker.io": "ecr"}}, env)
    assert credentials.lookup(parse_repository("ecr.aws/web")) == Credential("helped", SECRET)
    assert credentials.lookup(parse_repository("nginx")) == Credential("helped", SECRET)
    assert credentials.lookup(parse_repository("other.io/web")) is None
    assert calls(env) == ["get ecr.aws", "get https://index.docker.io/v1/"]


def test_a_store_answers_for_every_host(helper) -> None:
    """`credsStore` is asked for whatever no helper and no longer path is meant for."""
    env = helper("store", ANSWER)
    helper("own", ANSWER.replace("helped", "own"))
    credentials = read(
        {"credsStore": "store", "credHelpers": {"own.io": "own"}, **auths("a.io", "a.io/team")}, env
    )
    assert chosen(credentials, "own.io/x") == "own"
    assert chosen(credentials, "any.io/x") == "helped"
    assert chosen(credentials, "a.io/x") == "helped"
    assert chosen(credentials, "a.io/team/x") == "a.io/team"


def test_a_token_user_means_an_identity_token(helper) -> None:
    """`<token>` is the protocol's way to say so."""
    env = helper("acr", ANSWER.replace("helped", "<token>"))
    found = read({"credHelpers": {"a.io": "acr"}}, env).lookup(parse_repository("a.io/x"))
    assert found == Credential(identity_token=SECRET)


@pytest.mark.parametrize(
    "script",
    [
        "echo 'credentials not found in native keychain'; exit 1",
        'echo \'{"ServerURL":"","Username":"","Secret":""}\'',
    ],
)
def test_a_helper_without_the_credential(helper, script: str) -> None:
    """Then the file's own entry for the host counts, and without one there is no credential."""
    env = helper("empty", script)
    credentials = read({"credsStore": "empty", **auths("a.io")}, env)
    assert chosen(credentials, "a.io/x") == "a.io"
    assert chosen(credentials, "b.io/x") is None


@pytest.mark.parametrize(
    "script",
    [
        f"echo 'locked: {SECRET}'; exit 1",
        f"echo {SECRET} >&2; exit 3",
        f"echo '{SECRET}'",
        'echo \'{"Username":"u"}\'',
        'echo \'{"Username":1,"Secret":2}\'',
        "echo '[]'",
        "printf '\\377'",
        """printf '{"Username":"u","Secret":"'; head -c 2000000 /dev/zero | tr '\\0' x; echo '"}'""",
        "kill -9 $$",
    ],
)
def test_a_broken_helper_is_an_error_of_its_host_alone(helper, script: str) -> None:
    """No other entry stands in for it, its words are not quoted, and other hosts go on."""
    env = helper("broken", script)
    credentials = read({"credHelpers": {"a.io": "broken"}, **auths("a.io", "b.io")}, env)
    with pytest.raises(RegistryError, match=r"a\.io: docker-credential-broken failed") as caught:
        credentials.lookup(parse_repository("a.io/x"))
    assert SECRET not in str(caught.value) + repr(caught.value.__cause__) + repr(
        caught.value.__context__
    )
    assert chosen(credentials, "b.io/x") == "b.io"


@pytest.mark.parametrize(
    "script", ["sleep 30", "sleep 30 & echo x; wait", f"{ANSWER}; sleep 30 &", "exec sleep 30 >&-"]
)
def test_a_late_helper_is_ended_with_all_it_started(helper, script: str, tmp_path: Path) -> None:
    """The time limit holds, the error says so and may be retried, and no process stays."""
    env = helper("slow", f'echo $$ > "{tmp_path}/pid"\n{script}')
    credentials = read({"credHelpers": {"a.io": "slow"}}, env, helper_seconds=0.3)
    started = time.monotonic()
    with pytest.raises(RegistryError, match=r"took longer than 0\.3 s") as caught:
        credentials.lookup(parse_repository("a.io/x"))
    assert caught.value.retryable
    assert time.monotonic() - started < 5
    group = int((tmp_path / "pid").read_text())
    listed = subprocess.run(
        ["ps", "-o", "stat=", "-g", str(group)], capture_output=True, text=True, check=False
    )
    alive = [state for state in listed.stdout.split() if not state.startswith("Z")]
    assert alive == []


def test_a_helper_that_reads_nothing(helper, tmp_path: Path) -> None:
    """A program that closes its input at once is no crash of ours."""
    env = helper("deaf", "")
    (tmp_path / "bin" / "docker-credential-deaf").write_text("#!/bin/sh\nexec <&-\n" + ANSWER)
    assert chosen(read({"credHelpers": {"a.io": "deaf"}}, env), "a.io/x") == "helped"


def test_a_missing_helper_with_an_entry_in_its_place(caplog: pytest.LogCaptureFixture) -> None:
    """The same host's entry is used, and one warning says so; without one it is an error."""
    credentials = read(
        {"credHelpers": {"a.io": "gone", "b.io": "gone"}, **auths("a.io", "c.io")},
        {"PATH": "/none"},
    )
    for _ in range(3):
        assert chosen(credentials, "a.io/x") == "a.io"
    assert [r.levelname for r in caplog.records] == ["WARNING"]
    assert "docker-credential-gone is not installed" in caplog.text
    with pytest.raises(RegistryError, match="docker-credential-gone is not installed"):
        credentials.lookup(parse_repository("b.io/x"))
    assert chosen(credentials, "c.io/x") == "c.io"


def test_a_missing_store_hurts_only_hosts_that_were_logged_in(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A public registry is read without a credential; a host the store should know is an error."""
    credentials = read({"credsStore": "gone", "auths": {"a.io": {}}}, {"PATH": "/none"})
    assert chosen(credentials, "public.io/x") is None
    assert "docker-credential-gone is not installed" in caplog.text
    with pytest.raises(RegistryError, match="not installed"):
        credentials.lookup(parse_repository("a.io/x"))


@pytest.mark.parametrize(
    "name", ["../../bin/sh", "a/b", "-rf", "", "a b", "x" * 65, None, 7, ["ecr"]]
)
def test_a_helpers_name_is_no_path(helper, name: object) -> None:
    """Only a plain name becomes part of a program's name."""
    env = helper("7", "exit 1")
    credentials = read({"credHelpers": {"a.io": name}}, env)
    with pytest.raises(RegistryError, match=r"no program's name|not installed|failed"):
        credentials.lookup(parse_repository("a.io/x"))


def test_a_helper_is_asked_once_for_all_threads_until_its_answer_ages(helper) -> None:
    """A hundred repositories of a registry cost one process; five minutes later one more."""
    env = helper("ecr", f"sleep 0.1; {ANSWER}")
    now = [1000.0]
    credentials = read({"credHelpers": {"a.io": "ecr"}}, env, monotonic=lambda: now[0])
    barrier = threading.Barrier(8)

    def ask(number: int) -> Credential | None:
        barrier.wait()
        return credentials.lookup(parse_repository(f"a.io/app-{number}"))

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(ask, range(8))) == {Credential("helped", SECRET)}
    assert len(calls(env)) == 1
    now[0] += 299
    chosen(credentials, "a.io/x")
    assert len(calls(env)) == 1
    now[0] += 2
    chosen(credentials, "a.io/x")
    assert len(calls(env)) == 2


def test_the_docker_package_is_imported_for_helpers_only(tmp_path: Path) -> None:
    """Reading files and matching entries costs no import of the docker package."""
    path = write(tmp_path / "c.json", "ghcr.io")
    script = (
        "import sys; from pathlib import Path; from imagebot.imageref import parse_repository;"
        "from imagebot.registry.credentials import Credentials;"
        f"c = Credentials.from_environment({{}}, files=[Path({str(path)!r})]);"
        "assert c.lookup(parse_repository('ghcr.io/x'));"
        "sys.exit('docker' in sys.modules)"
    )
    assert (
        subprocess.run([sys.executable, "-c", script], check=False, cwd=Path.cwd()).returncode == 0
    )
