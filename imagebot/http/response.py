"""An answer that has arrived whole: bytes and headers. It refuses to know their meaning."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from imagebot.errors import PeerError
from imagebot.http.strictjson import NotJson, parse_json
from imagebot.http.urls import redact


class Headers(Mapping[str, str]):
    """Response headers by name in any case. A header sent several times is joined by commas."""

    __slots__ = ("_values",)

    def __init__(self, pairs: Iterable[tuple[str, str]] = ()) -> None:
        values: dict[str, str] = {}
        for name, value in pairs:
            key = name.lower()
            values[key] = f"{values[key]}, {value}" if key in values else value
        self._values = values

    def __getitem__(self, name: str) -> str:
        return self._values[name.lower()]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return f"Headers({', '.join(self._values)})"


@dataclass(frozen=True, slots=True, repr=False)
class Response:
    """Status, headers, the decoded body, and the URL that answered (after redirects)."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    url: str

    def json(self) -> Any:
        """The body as JSON with one meaning only. Raises PeerError."""
        try:
            return parse_json(self.body)
        except NotJson as error:
            raise PeerError(
                f"{redact(self.url)}: the answer is not JSON: {error}", status=self.status
            ) from None

    def __repr__(self) -> str:
        return f"Response({self.status}, {redact(self.url)}, {len(self.body)} bytes)"
