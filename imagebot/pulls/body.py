"""The text of a pull request, written for the person who must decide on it.

Knows what a reviewer asks: what changes, where, why, how risky, and what to do. It refuses to
know forges and git beyond their limits: links, time and commit are given.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from imagebot.forge.port import Limits
from imagebot.imageref import ImageRef
from imagebot.model import Group, ImageDetails
from imagebot.pulls.decide import Desired
from imagebot.pulls.group import version_summary
from imagebot.pulls.layout import Section, fit
from imagebot.pulls.markdown import code, cut, plain_title, prose
from imagebot.pulls.marker import MAX_TITLE, Marker, around, block, encode, merge_body
from imagebot.pulls.message import group_fingerprint
from imagebot.pulls.table import (
    changes_of,
    changes_table,
    evidence_section,
    places_section,
    verdict,
)

FileUrl = Callable[[str, int], str]
_SHORT_SHA = 12
_MARKER_SHARE = 3
# The marker may grow a little, in a body that is not rendered again, when a request is closed.
_RESERVE = 200


@dataclass(frozen=True, slots=True)
class Context:
    """What surrounds a group in its request.

    `base` is the branch it goes to, `file_url` gives a link to a path and line (from 1, 0 for the
    whole file) or an empty text, `now` is the moment of writing (with a zone). `running` knows
    images as they run now, as far as a registry told; None when none was asked.
    """

    base: str
    limits: Limits
    file_url: FileUrl
    now: datetime | None
    running: Mapping[ImageRef, ImageDetails] | None = None


def desired_state(group: Group, context: Context) -> Desired:
    """What `decide` needs to know of a group whose files are filled in."""
    return Desired(
        fingerprint=group_fingerprint(group),
        title=plain_title(group.title, min(context.limits.title, MAX_TITLE)),
        version=version_summary(group.updates),
        text=text_digest(group, context),
    )


def render_body(
    group: Group, marker: Marker, context: Context, *, commit: str, existing: str = ""
) -> str:
    """The whole body: the bot's block with the marker, and what people wrote in `existing`.

    At most `context.limits.body` characters: rows go first, the marker never.
    """
    html, limit = context.limits.collapsible, context.limits.body
    marker = _fitting(replace(marker, commit=commit), limit // _MARKER_SHARE, html=html)
    before, after = around(existing)
    bare = block("", marker, html=html)
    theirs = sum(len(text) + 2 for text in (before, after) if text)
    room = limit - _RESERVE - theirs - len(bare) - 2
    content = fit(_sections(group, marker, context, commit), room)
    body = merge_body(existing, block(content, marker, html=html))
    if len(body) <= limit:
        return body
    # People's own text leaves no room for the bot's memory, without which nothing works.
    return merge_body(cut(f"{before}\n\n{after}".strip(), limit - len(bare) - 2), bare)


def text_digest(group: Group, context: Context) -> str:
    """A digest of what the body says, without the time and commit it was written for.

    A body is rewritten when this changes, not whenever an image has become a day older. What is
    known of the images that run now is its second half, and missing when a registry did not tell
    of all of them: `decide` keeps a text that knew more.
    """
    timeless = replace(context, now=None, file_url=lambda _path, _line: "")
    wanted = _digest(group, replace(timeless, running=None))
    running = context.running or {}
    asked = (update.old for update in group.updates if update.old.tag or update.old.digest)
    return wanted + (_digest(group, timeless) if all(old in running for old in asked) else "")


def _digest(group: Group, context: Context) -> str:
    sections = _sections(group, Marker(group.key), context, "")
    said = "\n\n".join(section.render(len(section.items)) for section in sections)
    return hashlib.sha256(said.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _sections(group: Group, marker: Marker, context: Context, commit: str) -> list[Section]:
    """Every part of the body, in reading order; `weight` says what gives way first."""
    html = context.limits.collapsible
    changes = changes_of(group.updates, context.running)
    return [
        Section(verdict(changes, group, context.now), weight=9),
        changes_table(changes, context.file_url, html=html),
        evidence_section(changes, context.now, html=html),
        _left_out(group),
        places_section(changes, context.file_url, html=html),
        _superseded(marker),
        Section(_handling(), weight=8),
        Section(_footer(group, context, commit), weight=7),
    ]


def _left_out(group: Group) -> Section:
    items = tuple(f"- {prose(note)}" for note in group.notes)
    return Section("**Left out, and why**\n", items, weight=5) if items else Section("")


def _superseded(marker: Marker) -> Section:
    gone = ", ".join(code(version) for version in reversed(marker.history))
    return Section(f"**Superseded while this request was open:** {gone}" if gone else "", weight=1)


def _handling() -> str:
    return (
        "**Merge** to roll it out; a revert pauses this version. **Close** to refuse: this change "
        "stays refused until a newer version comes. **Push a commit** to take over: imagebot "
        "stops, and never overwrites it; "
        "delete the branch then to start anew. The label `imagebot-hold` freezes the request."
    )


def _footer(group: Group, context: Context, commit: str) -> str:
    at = f" at {code(commit[:_SHORT_SHA])}" if commit else ""
    line = f"imagebot · group {code(group.key)} onto {code(context.base)}{at}"
    return f"<sub>{line}</sub>" if context.limits.collapsible else line


def _fitting(marker: Marker, limit: int, *, html: bool) -> Marker:
    """The marker without its oldest history, as far as its line needs the room."""
    while marker.history and len(encode(marker, html=html)) > limit:
        marker = replace(marker, history=marker.history[1:])
    return marker
