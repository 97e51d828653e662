"""Untrusted text made harmless: for Markdown, for titles, for commit messages, on one line.

Knows what forges do with text: mentions, issue links, quick actions, autolinks, HTML, CI words.
It refuses to know where the text comes from: every string is treated as hostile.
"""

from __future__ import annotations

import re
import unicodedata
from urllib.parse import quote

ZERO_WIDTH = "\u200b"
MAX_TEXT = 400

_SPACES = re.compile(r"\s+")
_BACKTICKS = re.compile(r"`+")
_BACKSLASHED = re.compile(r"[\\`*_{}\[\]()#!]")
_ENTITIES = {ord("&"): "&amp;", ord("<"): "&lt;", ord(">"): "&gt;"}
# A forge turns these, glued to a word, into mentions, issues, labels, milestones and snippets.
_REFERENCE = re.compile(
    r"([@#!$%^&])(?=\w)|(~)|(:)(?=//)|\b(www)(?=\.)|\b(GH-)(?=\d)", re.IGNORECASE
)
_LIST_START = re.compile(r"^(\d+)?([-+.)])")
_TITLE_EXTRAS = frozenset(" ._-/:+,()=\u2192\u2026")
_DRAFT = re.compile(r"\s*(?:wip|draft)\b", re.IGNORECASE)
_LINK_SCHEME = re.compile(r"https?://[^/?#]", re.IGNORECASE)
_URL_SAFE = ":/?#@!$&*+,;=%~"
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)
_ISSUE = re.compile(r"#(?=\w)|\bGH-(?=\d)", re.IGNORECASE)
_STARS = re.compile(r"\*{3,}")
_NO_CI = str.maketrans({"[": "(", "]": ")", "@": " "})


def clean(text: str, limit: int = MAX_TEXT) -> str:
    """One line of visible text, at most `limit` characters: no control or direction characters.

    Anything Unicode calls control, format, surrogate, private or unassigned becomes a blank. What
    opens a hidden line (`hidden`) is broken up, so that no text passes for the bot's own.
    """
    visible = "".join(" " if unicodedata.category(c).startswith("C") else c for c in text)
    visible = visible.replace("<!--", "<! --").replace("[//]", "[/ /]")
    return cut(_SPACES.sub(" ", visible).strip(), limit)


def cut(text: str, limit: int) -> str:
    """`text` in at most `limit` characters, with an ellipsis where something was cut off."""
    return text if len(text) <= limit else text[: max(limit - 1, 0)].rstrip() + "…"[:limit]


def plain_title(text: str, limit: int) -> str:
    """Text for a title: letters, digits and mild punctuation, nothing that a forge acts upon.

    A leading `WIP` or `Draft`, which GitLab and Gitea take for a command, gets a word before it.
    """
    kept = "".join(c if c.isalnum() or c in _TITLE_EXTRAS else " " for c in clean(text, 4 * limit))
    title = _SPACES.sub(" ", kept).strip()
    return cut(f"update {title}" if _DRAFT.match(title) else title, limit)


def plain_message(text: str) -> str:
    """Text for one line of a commit message: no mention, issue, link or CI command works in it."""
    text = _SCHEME.sub("", clean(text))
    text = _STARS.sub("*", text)
    text = _ISSUE.sub(lambda match: match[0].rstrip("-") + " ", text)
    return _SPACES.sub(" ", text.translate(_NO_CI)).strip()


def prose(text: str) -> str:
    """Text inside a Markdown sentence, shown as it is. Never put it at the start of a line."""
    text = _BACKSLASHED.sub(lambda match: "\\" + match[0], _defused(clean(text)))
    return _LIST_START.sub(r"\1\\\2", text.translate(_ENTITIES))


def code(text: str) -> str:
    """Text as a code span, whose fence is longer than any run of backticks in it."""
    text = clean(text)
    if not text:
        return ""
    longest = max((len(run) for run in _BACKTICKS.findall(text)), default=0)
    fence = "`" * (longest + 1)
    pad = " " if text.startswith("`") or text.endswith("`") else ""
    return f"{fence}{pad}{text}{pad}{fence}"


def cell(markdown: str) -> str:
    """Markdown inside a table cell: a pipe is escaped, in code spans too, as GFM asks."""
    return markdown.replace("|", "\\|")


def link(markdown: str, url: str) -> str:
    """A link when `url` is http or https with a host, else the text alone."""
    if not _LINK_SCHEME.match(url):
        return markdown
    return f"[{markdown}]({quote(url, safe=_URL_SAFE)})"


def hidden(text: str, *, html: bool) -> str:
    """A line no reader sees: an HTML comment, or a link definition where HTML is not rendered.

    `text` is ours: letters, digits and `+/=:` only.
    """
    return f"<!-- {text} -->" if html else f"[//]: # ({text})"


def _defused(text: str) -> str:
    """Separate the signs that make a forge link or notify from what follows, invisibly."""
    return _REFERENCE.sub(lambda match: match[0] + ZERO_WIDTH, text)
