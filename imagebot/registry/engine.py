"""Images that no registry serves: what a Docker Engine on this machine has, built or pulled.

Knows what an engine's tags and digests mean for a `docker-daemon:` repository. It refuses to
know how the engine is spoken to, and it never changes anything there.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from imagebot.errors import InvalidReference, RegistryError, UsageError
from imagebot.imageref import Repository, is_digest, is_tag, parse, parse_repository
from imagebot.model import ImageDetails
from imagebot.registry.labels import created_of, known_labels

if TYPE_CHECKING:
    from imagebot.registry.engine_client import EngineClient

SECONDS = 10.0
CAP = 32 << 20
_NOT_FOUND = 404
_UNIX = "unix://"


class EngineRegistry:
    """A Registry of the images in one Docker Engine, for repositories with `engine` set.

    `base_url` is a unix socket, `seconds` the time one answer may take, `cap` its most bytes.
    Only unix sockets are spoken to: an engine on TCP without TLS is root for its whole network.

    The digest of an image is the one under which a registry serves it, when the engine knows
    exactly one for this repository (it was pulled or pushed under that name), so that a pin
    `name@digest` works for everybody. An image that was only built has none; then it is the
    image's own id: it changes whenever the image does, which is all that a cluster fed by
    `kind load` or `minikube image load` needs, but nobody can pull by it.
    """

    def __init__(
        self,
        base_url: str = "unix:///var/run/docker.sock",
        *,
        seconds: float = SECONDS,
        cap: int = CAP,
    ) -> None:
        if not base_url.startswith(f"{_UNIX}/"):
            hint = "unix:///var/run/docker.sock"
            raise UsageError(f"{base_url!r} is no unix socket of a Docker Engine", hint=hint)
        self._socket_path = base_url.removeprefix(_UNIX)
        self._seconds = seconds
        self._cap = cap
        self._lock = threading.Lock()
        self._connected: EngineClient | None = None

    def tags(self, repository: Repository) -> tuple[str, ...]:
        """Every tag of exactly this repository, in the engine's order: newest image first.

        An engine knows repositories by their images only, so one without images is missing.
        """
        wanted = _name(repository)
        listed = self._client().images(wanted.familiar)
        found = dict.fromkeys(tag for image in listed for tag in _tags(image, wanted))
        if not found:
            raise RegistryError(
                f"the docker engine has no image of {wanted.familiar}",
                hint=f"docker build -t {wanted.familiar}:<tag> .",
                status=_NOT_FOUND,
            )
        return tuple(found)

    def digest(self, repository: Repository, reference: str) -> str:
        """The digest of a tag, or of an id or digest that this repository has."""
        wanted = _name(repository)
        return _digest(self._image(wanted, reference), wanted)

    def details(self, repository: Repository, reference: str) -> ImageDetails:
        """Digest, platform, creation time and labels of a tag, id or digest."""
        wanted = _name(repository)
        image = self._image(wanted, reference)
        labels = _texts(_mapping(image.get("Config")).get("Labels"))
        size = image.get("Size")
        return ImageDetails(
            digest=_digest(image, wanted),
            media_type=_text(_mapping(image.get("Descriptor")).get("mediaType")),
            created=created_of({}, labels, _text(image.get("Created"))),
            platforms=_platforms(image),
            labels=known_labels(labels),
            size=size if isinstance(size, int) and size > 0 else 0,
        )

    def close(self) -> None:
        """Close every connection. The next question opens them again."""
        with self._lock:
            client, self._connected = self._connected, None
        if client is not None:
            client.close()

    def __enter__(self) -> Self:
        """Nothing is opened before the first question."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close."""
        self.close()

    def _client(self) -> EngineClient:
        with self._lock:
            if self._connected is None:
                # Imported here: it imports the docker package.
                from imagebot.registry.engine_client import EngineClient

                self._connected = EngineClient(
                    self._socket_path, seconds=self._seconds, cap=self._cap
                )
            return self._connected

    def _image(self, wanted: Repository, reference: str) -> dict[str, Any]:
        """The image that a tag, digest or id names, proven to be of this repository."""
        if is_tag(reference):
            image = self._client().image(f"{wanted.familiar}:{reference}")
            if reference not in _tags(image, wanted):
                raise _untrue(wanted, reference)
            return image
        if not is_digest(reference):
            raise RegistryError(f"{reference!r} is neither a tag nor a digest")
        try:
            image = self._client().image(f"{wanted.familiar}@{reference}")
        except RegistryError as error:
            if error.status != _NOT_FOUND:
                raise
            image = self._client().image(reference)
        known = {_id(image), *_digests(image, wanted)}
        mine = next(_tags(image, wanted), "") or next(_digests(image, wanted), "")
        if reference not in known or not mine:
            raise _untrue(wanted, reference)
        return image


def _name(repository: Repository) -> Repository:
    """The repository as the engine means it: `my-app` is `docker.io/library/my-app` there."""
    if not repository.engine:
        raise RegistryError(f"{repository} is served by a registry, not by a docker engine")
    return parse_repository(repository.path)


def _tags(image: Mapping[str, Any], wanted: Repository) -> Iterator[str]:
    for text in _listed(image, "RepoTags"):
        try:
            found = parse(text)
        except InvalidReference:
            # `<none>:<none>` marks an image without a name.
            continue
        if found.repository == wanted and found.tag:
            yield found.tag


def _digests(image: Mapping[str, Any], wanted: Repository) -> Iterator[str]:
    for text in _listed(image, "RepoDigests"):
        try:
            found = parse(text)
        except InvalidReference:
            continue
        if found.repository == wanted and found.digest:
            yield found.digest


def _digest(image: Mapping[str, Any], wanted: Repository) -> str:
    served = set(_digests(image, wanted))
    return served.pop() if len(served) == 1 else _id(image)


def _id(image: Mapping[str, Any]) -> str:
    found = image.get("Id")
    if not isinstance(found, str) or not is_digest(found):
        raise RegistryError("the docker engine describes an image without an id")
    return found


def _platforms(image: Mapping[str, Any]) -> tuple[str, ...]:
    parts = [_text(image.get(key)) for key in ("Os", "Architecture", "Variant")]
    return ("/".join(filter(None, parts)),) if parts[0] and parts[1] else ()


def _untrue(wanted: Repository, reference: str) -> RegistryError:
    return RegistryError(
        f"the docker engine answered with another image than {wanted.familiar} {reference}"
    )


def _listed(image: Mapping[str, Any], key: str) -> list[str]:
    found = image.get(key) or []
    if not isinstance(found, list) or not all(isinstance(each, str) for each in found):
        raise RegistryError(f"the docker engine's {key} is no list of names")
    return found


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _mapping(value: object) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _texts(value: object) -> dict[str, str]:
    return {k: v for k, v in _mapping(value).items() if isinstance(v, str)}
