"""What a forge may say no with that its caller answers in another way than by giving up."""

from __future__ import annotations

from imagebot.errors import ForgeError


class NoCommits(ForgeError):
    """The base branch has every commit of the head branch, so there is nothing to request."""
