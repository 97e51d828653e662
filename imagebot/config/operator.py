"""The operator's file, `imagebot.operator.yaml`: which repos, with which credentials, how often.

Knows the shape of the file and what cannot be together in it. It refuses to hold a secret: it
names the place of each one, and reads it when asked.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from imagebot.config.fields import (
    Branch,
    Duration,
    EngineUrl,
    Listen,
    PathText,
    Person,
    Text,
    Url,
    WebUrl,
    Zone,
    seconds,
)
from imagebot.config.file import MAX_LIMIT, Globs
from imagebot.config.glob import Glob
from imagebot.config.jsonschema import json_schema
from imagebot.config.secret import Secret, SecretSource
from imagebot.config.settings import Config
from imagebot.config.shape import NOT_EMPTY, Shape, refuse, validate
from imagebot.config.tree import parse

OPERATOR_FILE = "imagebot.operator.yaml"
TITLE = f"imagebot: {OPERATOR_FILE}"


class SecretShape(Shape):
    """Where a secret is: an environment variable or a file. Never the secret itself."""

    env: Text | None = Field(default=None, description="The name of an environment variable.")
    file: PathText | None = Field(default=None, description="The path of a file.")

    @model_validator(mode="before")
    @classmethod
    def _not_inline(cls, given: object) -> object:
        if isinstance(given, str):
            raise refuse(
                "a secret is never written into this file: files are committed, copied and logged",
                "write {env: NAME} or {file: PATH}",
            )
        return given

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        if (self.env is None) == (self.file is None):
            raise refuse("needs exactly one of 'env' and 'file'")
        return self

    @property
    def source(self) -> SecretSource:
        """The place, as a value that can read it."""
        return SecretSource(self.env or "", self.file or "")

    def read(self) -> Secret:
        """The secret. Raises StartError when it is missing or empty."""
        return self.source.read()


class AppShape(Shape):
    """A GitHub App: who the bot is, without a token that never ends."""

    client_id: Text = Field(description="The App's client id.")
    installation_id: Annotated[int, Field(ge=1)] = Field(
        description="The id of its installation on the repository's owner."
    )
    private_key: SecretShape = Field(description="Where its private key (PEM) is.")


class ForgeShape(Shape):
    """Where pull requests are opened, and as whom."""

    kind: Literal["github", "gitlab", "gitea", "local"] = Field(
        description=(
            "What runs there; `gitea` is Forgejo too, `local` keeps pull requests beside a bare "
            "repository and needs no credentials."
        )
    )
    url: WebUrl | None = Field(
        default=None, description="Its web address. Default: the host of the repository's URL."
    )
    project: Text | None = Field(
        default=None, description="`owner/name` there. Default: the path of the repository's URL."
    )
    token: SecretShape | None = Field(default=None, description="Where the access token is.")
    app: AppShape | None = Field(default=None, description="A GitHub App, instead of a token.")

    @model_validator(mode="after")
    def _credentials_fit(self) -> Self:
        if self.kind == "local":
            if self.token or self.app or self.url or self.project:
                raise refuse("a local forge has no url, project, token or app", "remove them")
        elif self.app and self.kind != "github":
            raise refuse("'app' is for GitHub only", "use 'token'")
        elif (self.token is None) == (self.app is None):
            both = "'token' or 'app'" if self.kind == "github" else "'token'"
            raise refuse(f"needs {both}" + (", not both" if self.token else ""))
        return self


class GitShape(Shape):
    """How git proves who it is. Left out: with the forge's token over https."""

    username: Text | None = Field(
        default=None,
        description="The user name beside the password. Default: what the forge expects.",
    )
    password: SecretShape | None = Field(
        default=None, description="Where the password or token is."
    )
    ssh_key: PathText | None = Field(
        default=None, description="The path of a private key, for ssh URLs."
    )
    known_hosts: PathText | None = Field(
        default=None,
        description="The path of the file with the host keys to trust; needed with `sshKey`.",
    )

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if self.ssh_key and (self.password or self.username):
            raise refuse("'sshKey' and 'password' exclude each other", "keep one")
        if (self.ssh_key is None) != (self.known_hosts is None):
            raise refuse(
                "'sshKey' and 'knownHosts' belong together",
                "`ssh-keyscan HOST` prints the host's keys; compare them with published ones",
            )
        return self


class AllowShape(Shape):
    """The most that a repo's own configuration may ask for. It can narrow this, never widen it."""

    paths: Globs = Field(default=("**",), description="Globs on the files that may be changed.")
    images: Globs = Field(
        default=("**",),
        description="Globs on the image repositories, in full, whose registries may be asked.",
    )
    pull_requests: Annotated[int, Field(ge=1, le=MAX_LIMIT)] = Field(
        default=MAX_LIMIT, description="How many of the bot's pull requests may be open at once."
    )


class RepositoryShape(Shape):
    """One git repository to keep current."""

    url: Url = Field(description="Its URL: https or ssh; a path for a local forge.")
    base: Branch | None = Field(
        default=None,
        description="The branch that pull requests go to. Default: the remote's default branch.",
    )
    forge: ForgeShape = Field(description="Where pull requests are opened, and as whom.")
    git: GitShape = Field(default=GitShape(), description="How git proves who it is.")
    config: PathText | None = Field(
        default=None,
        description="A local configuration file to use instead of the repo's `.imagebot.yaml`.",
    )
    allow: AllowShape = Field(
        AllowShape(), description="The most that the repo's own configuration may ask for."
    )


class ProxiesShape(Shape):
    """The way out of the network, for registries and forges."""

    https: WebUrl | None = Field(
        default=None, description="The proxy for https, as `http://host:port`, without a password."
    )
    http: WebUrl | None = Field(default=None, description="The proxy for plain http.")
    no: tuple[Text, ...] = Field(
        default=(), description="Hosts, and domains with all below them, that are asked directly."
    )

    @property
    def mapping(self) -> dict[str, str]:
        """The proxies as the HTTP layer takes them."""
        given = {"https": self.https, "http": self.http, "no": ",".join(self.no)}
        return {name: value for name, value in given.items() if value}


class NetworkShape(Shape):
    """What may be reached, how, and how often."""

    ca_file: PathText | None = Field(
        default=None, description="A PEM file of authorities to trust beside the public ones."
    )
    insecure_hosts: tuple[Text, ...] = Field(
        default=(), description="Hosts (`host` or `host:port`) that may be asked by plain http."
    )
    proxies: ProxiesShape = Field(
        default=ProxiesShape(), description="The way out of the network, for registries and forges."
    )
    request_budget: Annotated[int, Field(ge=1)] = Field(
        default=50_000,
        description="The most requests that one run, or one cycle of `serve`, sends to one host.",
    )
    token_servers: dict[Text, tuple[Text, ...]] = Field(
        default={},
        description=(
            "Token servers to trust with a registry's login, by the registry's `host[:port]`, "
            "beside those that belong to it by name."
        ),
    )


class EngineShape(Shape):
    """A Docker Engine, for images that no registry serves."""

    url: EngineUrl = Field(
        description="Its address: `unix:///var/run/docker.sock` or `https://host:2376`."
    )


class IdentityShape(Shape):
    """The author of the bot's commits."""

    name: Person = Field(default="imagebot", description="The author's name.")
    email: Person = Field(default="imagebot@localhost", description="The author's e-mail address.")


class ServeShape(Shape):
    """What `imagebot serve` does on its own."""

    schedule: Text = Field(
        default="every 10m",
        description="When to run: `every 10m`, `@hourly`, or five cron fields (with `H`).",
    )
    time_zone: Zone = Field(default="UTC", description="The time zone of the schedule.")
    jitter: Duration = Field(
        default="0s", description="A run starts up to this much later, at random: `90s`, `5m`."
    )
    listen: Listen = Field(
        default="127.0.0.1:8080", description="The address of the health checks, `host:port`."
    )

    @property
    def jitter_seconds(self) -> int:
        """The jitter in seconds."""
        return seconds(self.jitter)

    @property
    def address(self) -> tuple[str, int]:
        """Host (without brackets) and port to listen on."""
        host, _, port = self.listen.rpartition(":")
        return host.strip("[]"), int(port)


class Operator(Shape):
    """What imagebot does for `run` and `serve`, told by whoever operates it."""

    version: Literal[1] = Field(description="The version of this format.")
    repositories: Annotated[tuple[RepositoryShape, ...], NOT_EMPTY] = Field(
        description="The git repositories to keep current.", json_schema_extra={"minItems": 1}
    )
    docker_configs: tuple[PathText, ...] = Field(
        default=(), description="Paths of Docker `config.json` files with registry credentials."
    )
    engine: EngineShape | None = Field(
        default=None, description="A Docker Engine to ask for local images."
    )
    network: NetworkShape = Field(
        default=NetworkShape(), description="What may be reached, and how often."
    )
    workdir: PathText | None = Field(
        default=None, description="Folder of clones and state. Default: `~/.local/state/imagebot`."
    )
    state: Url | None = Field(
        default=None,
        description="Database URL of the state (sqlite, postgresql). Default: in the workdir.",
    )
    identity: IdentityShape = Field(
        default=IdentityShape(), description="The author of the bot's commits."
    )
    serve: ServeShape = Field(
        default=ServeShape(), description="What `imagebot serve` does on its own."
    )

    @property
    def folder(self) -> Path:
        """The folder of clones and state."""
        home = os.environ.get("XDG_STATE_HOME") or Path("~/.local/state").expanduser()
        return Path(self.workdir) if self.workdir else Path(home) / "imagebot"

    @property
    def state_url(self) -> str:
        """The database URL of the state."""
        return self.state or f"sqlite:///{self.folder.absolute() / 'state.db'}"

    def secrets(self) -> Iterator[SecretShape]:
        """Every secret that the file names."""
        for repository in self.repositories:
            app = repository.forge.app
            named = (repository.forge.token, app and app.private_key, repository.git.password)
            yield from (secret for secret in named if secret)

    def warnings(self) -> tuple[str, ...]:
        """What is careless about the places of secrets, in words."""
        found = (secret.source.warning() for secret in self.secrets())
        return tuple(dict.fromkeys(warning for warning in found if warning))


def load_operator(path: str, data: bytes) -> Operator:
    """Read the operator's file. Raises ConfigError with all problems.

    Relative paths in it start from the file's own folder. No secret is read here.
    """
    return validate(Operator, parse(path, data), {"folder": str(Path(path).parent)})


def operator_schema() -> dict[str, Any]:
    """The JSON Schema (draft-07) of the operator's file."""
    return json_schema(Operator, TITLE)


def narrowed(config: Config, allow: AllowShape) -> Config:
    """A repo's configuration within what its operator allows."""
    limit = min(config.pull_requests.limit, allow.pull_requests)
    return replace(
        config,
        allowed_paths=tuple(Glob(text) for text in allow.paths),
        allowed_images=tuple(Glob(text) for text in allow.images),
        pull_requests=replace(config.pull_requests, limit=limit),
    )
