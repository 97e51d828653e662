"""JSON calls to a forge's web API, shared by the adapters that speak REST.

Knows credentials, the pace of writes, rate limits, pages and what an error must say. Refuses to
know any forge's paths, fields or meaning of a status.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode, urlsplit

from imagebot.errors import ForgeError, PeerError
from imagebot.forge.credential import Credential, Pace
from imagebot.forge.pages import next_link
from imagebot.forge.ratelimit import Wait, wait_asked
from imagebot.forge.told import sanitise, told_by
from imagebot.http import Clock, HttpClient, Response, parse_url

PAGE_CAP = 200
"""Pages of one list; a longer list is refused, never cut."""

MAX_SLEEP = 60.0
"""Seconds that one call sleeps for rate limits; beyond that the error says when to come back."""

_SUCCESS = range(200, 300)
_SERVER_FAULT = range(500, 600)

Json = Mapping[str, Any]
Following = Callable[[Response, str, int], str]
"""From a page's reply, its URL and its number of items: the URL of the next page, or ''."""


class Rest:
    """One forge's API under one base URL, with one credential.

    `hints` says, by status, what a person can do about a refusal. Every call raises ForgeError
    with the forge's status, or 0 when no reply came. Safe in several threads.
    """

    def __init__(
        self,
        *,
        name: str,
        api: str,
        http: HttpClient,
        clock: Clock,
        credential: Credential,
        pace: Pace,
        headers: Mapping[str, str] | None = None,
        hints: Mapping[int, str] | None = None,
    ) -> None:
        self.clock = clock
        self._name = name
        self._api = api.rstrip("/")
        self._http = http
        self._credential = credential
        self._pace = pace
        self._headers = {"Accept": "application/json", **(headers or {})}
        self._hints = hints or {}

    def get(self, path: str) -> Any:
        """The JSON at `path`."""
        return self._json("GET", path, self._ask("GET", self._url(path)))

    def find(self, path: str) -> Any | None:
        """The JSON at `path`, or None when the forge says in JSON that there is nothing.

        Any other 404 is a proxy's, or means that this server has no such call: it raises.
        """
        response = self._ask("GET", self._url(path), passing=HTTPStatus.NOT_FOUND)
        if response.status != HTTPStatus.NOT_FOUND:
            return self._json("GET", path, response)
        if not response.body.lstrip().startswith(b"{"):
            raise self._refusal("GET", self._url(path), response)
        return None

    def write(self, method: str, path: str, body: Json) -> Any:
        """Send JSON and give the JSON of the reply. Nothing is sent again after a lost reply."""
        data = json.dumps(body, ensure_ascii=False).encode()
        return self._json(method, path, self._ask(method, self._url(path), data))

    def pages(self, path: str, query: Mapping[str, str], following: Following) -> list[Json]:
        """Every item of a list, or ForgeError: part of a list is never returned."""
        url = self._url(path, query)
        items: list[Json] = []
        for _ in range(PAGE_CAP):
            response = self._ask("GET", url)
            batch = self._json("GET", path, response)
            if not isinstance(batch, list):
                raise self.strange("GET", path, "a list was due", response.status)
            items += [item for item in batch if isinstance(item, dict)]
            url = following(response, url, len(batch))
            if not url:
                return items
        raise self.strange("GET", path, f"the list has more than {PAGE_CAP} pages")

    def linked(self, response: Response, url: str, _: int) -> str:
        """The next page by the `Link` header, refused when it leads to another origin."""
        target = next_link(response.headers.get("link", ""))
        if not target:
            return ""
        here = parse_url(url)
        try:
            there = here.join(target)
        except ValueError as error:
            raise self.strange("GET", here.path, f"its next page is broken: {error}") from None
        if there.origin != here.origin:
            raise self.strange("GET", here.path, "its next page is on another host")
        return there.text

    def strange(self, method: str, path: str, what: str, status: int = 200) -> ForgeError:
        """An error for a reply that arrived well and makes no sense."""
        return ForgeError(f"{self._name}: {method} {path}: {what}", status=status)

    def _url(self, path: str, query: Mapping[str, str] | None = None) -> str:
        return self._api + path + (f"?{urlencode(query)}" if query else "")

    def _ask(
        self, method: str, url: str, body: bytes | None = None, *, passing: int = 0
    ) -> Response:
        renewed, slept = False, 0.0
        while True:
            response = self._send(method, url, body)
            if response.status in _SUCCESS or response.status == passing:
                return response
            if response.status == HTTPStatus.UNAUTHORIZED and not renewed:
                renewed = True
                if self._credential.renew():
                    continue
            now = self.clock.now()
            wait = wait_asked(response.status, response.headers, response.body, now)
            if wait is None:
                raise self._refusal(method, url, response)
            if wait.unknown or slept + wait.seconds > MAX_SLEEP:
                raise self._deferral(method, url, response, wait)
            # A request refused for its rate was not carried out, so it may be sent again.
            self.clock.sleep(wait.seconds)
            slept += max(wait.seconds, 1.0)

    def _send(self, method: str, url: str, body: bytes | None) -> Response:
        secret = self._credential.headers()
        kind = {} if body is None else {"Content-Type": "application/json"}
        headers = {**self._headers, **kind}
        try:
            with nullcontext() if method == "GET" else self._pace.turn():
                return self._http.request(
                    method, url, headers=headers, secret_headers=secret, body=body
                )
        except PeerError as error:
            raise ForgeError(
                f"{self._name}: {self._clean(error.message)}",
                hint=error.hint,
                retryable=error.retryable,
                status=error.status,
                not_before=error.not_before,
            ) from error

    def _json(self, method: str, path: str, response: Response) -> Any:
        try:
            return response.json()
        except PeerError as error:
            what = f"answered {response.status} with something that is not JSON"
            raise self.strange(method, path, what, response.status) from error

    def _refusal(self, method: str, url: str, response: Response) -> ForgeError:
        status = response.status
        return ForgeError(
            self._answered(method, url, response),
            hint=self._hints.get(status, ""),
            retryable=status in _SERVER_FAULT or status == HTTPStatus.REQUEST_TIMEOUT,
            status=status,
        )

    def _deferral(self, method: str, url: str, response: Response, wait: Wait) -> ForgeError:
        return ForgeError(
            self._answered(method, url, response),
            hint="the forge limits the rate of requests; a later run goes on",
            retryable=True,
            status=response.status,
            not_before=self._http.defer(url, wait.seconds),
        )

    def _answered(self, method: str, url: str, response: Response) -> str:
        told = self._clean(told_by(response.body))
        head = f"{self._name}: {method} {urlsplit(url).path} answered {response.status}"
        return f"{head}: {told}" if told else head

    def _clean(self, text: str) -> str:
        return sanitise(text, self._credential.secrets())
