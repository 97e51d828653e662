"""Writes that stay single when a reply is lost.

A POST whose reply never came may or may not have been carried out. Knows how to find out by
asking again; refuses to know which forge it asks.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import TypeVar

from imagebot.errors import DuplicatePullRequest, ForgeError
from imagebot.forge.port import PullRequest
from imagebot.http import Clock

DELAYS = (1.0, 2.0, 4.0)
"""Seconds before each look at what a lost write did."""

_CARRIED_OUT_BY_NOBODY = frozenset(range(300, 500)) - {HTTPStatus.REQUEST_TIMEOUT}

T = TypeVar("T")


def reply_lost(error: ForgeError) -> bool:
    """Whether the write that raised this may have been carried out all the same.

    True without a reply, for a success that cannot be read, and for a server's own failure.
    """
    return error.status not in _CARRIED_OUT_BY_NOBODY


def create_once(
    post: Callable[[], PullRequest], find: Callable[[], PullRequest | None], clock: Clock
) -> PullRequest:
    """Create by `post`; when its reply is lost, look by `find` before the only other `post`.

    The forge itself refuses a second open request for one head and base, so the other `post`
    cannot make a second request even while every list is stale.
    """
    try:
        return post()
    except ForgeError as error:
        if not reply_lost(error):
            raise
        lost = error
    found, answered = _look(find, clock)
    if found is not None:
        return found
    if not answered:
        raise lost
    try:
        return post()
    except ForgeError as error:
        if not (reply_lost(error) or isinstance(error, DuplicatePullRequest)):
            raise
        found, _ = _look(find, clock)
        if found is None:
            raise
        return found


def comment_once(
    post: Callable[[], object], texts: Callable[[], Iterable[str]], text: str, clock: Clock
) -> None:
    """Comment by `post`; after a lost reply only when no comment has this very text."""
    try:
        post()
    except ForgeError as error:
        if not reply_lost(error):
            raise
    else:
        return
    clock.sleep(DELAYS[0])
    if _plain(text) not in {_plain(known) for known in texts()}:
        post()


def repeat(call: Callable[[], T], clock: Clock) -> T:
    """Do a write whose repetition changes nothing; when its reply is lost, up to twice more."""
    for delay in DELAYS[:2]:
        try:
            return call()
        except ForgeError as error:
            if not reply_lost(error):
                raise
            clock.sleep(delay)
    return call()


def _look(find: Callable[[], PullRequest | None], clock: Clock) -> tuple[PullRequest | None, bool]:
    """What `find` gives within three looks, and whether the forge answered any of them."""
    answered = False
    for delay in DELAYS:
        clock.sleep(delay)
        try:
            found = find()
        except ForgeError as error:
            if not reply_lost(error):
                raise
            continue
        if found is not None:
            return found, True
        answered = True
    return None, answered


def _plain(text: str) -> str:
    # Forges store line ends their own way.
    return text.replace("\r\n", "\n").strip()
