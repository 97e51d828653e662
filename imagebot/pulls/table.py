"""The middle of a pull request's text: verdict, table of changes, evidence, list of places.

Knows how to say much in little: one row a change, however many places it touches. It refuses to
know limits; `layout` drops what does not fit.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from imagebot.imageref import ImageRef
from imagebot.model import Group, ImageDetails, Update
from imagebot.pulls.evidence import age, facts, lost_platforms, read_created
from imagebot.pulls.group import version_move
from imagebot.pulls.layout import Section
from imagebot.pulls.markdown import cell, code, link, prose

FileUrl = Callable[[str, int], str]
INLINE_PLACES = 3
_URGENCY = ("major", "minor", "patch")
_BY_URGENCY = {size: rank for rank, size in enumerate(_URGENCY)}


@dataclass(frozen=True, slots=True)
class Change:
    """One image that moves from one version to another, in one or many places.

    `untold`: a registry was asked about the image that runs now, and did not tell.
    """

    old: ImageRef
    new: ImageRef
    size: str
    updates: tuple[Update, ...]
    details: ImageDetails | None
    running: ImageDetails | None
    untold: bool = False

    @property
    def image(self) -> str:
        """The repository as people write it."""
        return self.new.repository.familiar

    @property
    def move(self) -> tuple[str, str]:
        """Both versions as short text."""
        return version_move(self.old, self.new)


def changes_of(
    updates: Sequence[Update], running: Mapping[ImageRef, ImageDetails] | None
) -> list[Change]:
    """Updates joined by image, both versions and step; the largest steps come first.

    `running` has what is known of the images that run now, None when nobody asked.
    """
    known = running or {}
    joined: defaultdict[tuple[object, ...], list[Update]] = defaultdict(list)
    for update in updates:
        versions = (update.old.tag, update.old.digest, update.new.tag, update.new.digest)
        joined[update.new.repository, versions, update.size].append(update)
    changes = [
        Change(
            members[0].old,
            members[0].new,
            members[0].size,
            tuple(members),
            next((u.details for u in members if u.details), None),
            next((known[u.old] for u in members if u.old in known), None),
            untold=running is not None and not any(u.old in known for u in members),
        )
        for members in joined.values()
    ]
    return sorted(changes, key=lambda c: (_rank(c.size), c.image, c.move, str(c.old)))


def verdict(changes: Sequence[Change], group: Group, now: datetime | None) -> str:
    """One line: what this is, how large the step, how many places, how old the image."""
    environments = sorted({u.environment for u in group.updates} - {""})
    where = f" of {', '.join(map(code, environments))}" if environments else ""
    places = _count(sum(len(change.updates) for change in changes), "place")
    fresh = _freshness(changes, now)
    if len(changes) == 1:
        change = changes[0]
        old, new = change.move
        step = f"a **{prose(change.size)}** step" if change.size else "a change"
        what = f"**{code(change.image)} {code(old)} → {code(new)}**"
        return f"{what}: {step} in {places}{where}{fresh}.{_warning(changes)}"
    images = _count(len({change.image for change in changes}), "image")
    return f"**{images}** in {places}{where}: {_steps(changes)}{fresh}.{_warning(changes)}"


def changes_table(changes: Sequence[Change], file_url: FileUrl, *, html: bool) -> Section:
    """One row a change: image, old and new version, step, places (or how many)."""
    head = "| Image | From | To | Step | Where |\n|---|---|---|---|---|"
    rows = tuple(_row(change, file_url, html=html) for change in changes)
    return Section(head, rows, weight=6)


def evidence_section(changes: Sequence[Change], now: datetime | None, *, html: bool) -> Section:
    """Why each tag was chosen, and what the registry says about it."""
    if len(changes) == 1:
        lines = tuple(f"- **{name}:** {markdown}" for name, markdown in _evidence(changes[0], now))
        return Section("**Why, and what it is**\n", lines, weight=4) if lines else Section("")
    items = tuple(_evidence_item(change, now) for change in changes)
    title = f"Why these tags, and what they are ({len(items)})"
    return _folded(title, tuple(item for item in items if item), weight=3, html=html)


def places_section(changes: Sequence[Change], file_url: FileUrl, *, html: bool) -> Section:
    """Every place of the changes that have too many for a table row."""
    items = tuple(
        f"- {code(change.image)} {code(change.move[1])}: {_place(update, file_url)}"
        for change in changes
        if len(change.updates) > INLINE_PLACES
        for update in change.updates
    )
    return _folded(f"All {len(items)} places", items, weight=2, html=html)


def _folded(title: str, items: tuple[str, ...], *, weight: int, html: bool) -> Section:
    """A section that opens on a click where the forge can do that."""
    if not items:
        return Section("")
    if not html:
        return Section(f"**{title}**\n", items, weight=weight)
    head = f"<details>\n<summary>{title}</summary>\n"
    return Section(head, items, "\n</details>", weight)


def _row(change: Change, file_url: FileUrl, *, html: bool) -> str:
    places = [_place(update, file_url) for update in change.updates]
    if len(places) > INLINE_PLACES:
        where = f"{len(places)} places, listed below"
    else:
        where = ("<br>" if html else "; ").join(places)
    old, new = change.move
    cells = (code(change.image), code(old), code(new), prose(change.size), where)
    return f"| {' | '.join(cell(text) for text in cells)} |"


def _place(update: Update, file_url: FileUrl) -> str:
    where = update.use.where
    spot = f"{where.path}:{where.line}" if where.line else where.path
    label = f" {prose(update.use.label)}" if update.use.label else ""
    return link(code(spot), file_url(where.path, where.line)) + label


def _evidence(change: Change, now: datetime | None) -> list[tuple[str, str]]:
    whys = dict.fromkeys(update.why for update in change.updates if update.why)
    why = [("Why this tag", "; ".join(map(prose, whys)))] if whys else []
    return why + facts(change.running, change.details, change.new, now) + _untold(change)


def _untold(change: Change) -> list[tuple[str, str]]:
    """A reader who sees no lost platform must know when nobody could look."""
    if not change.untold or change.details is None or not change.details.platforms:
        return []
    old = change.move[0]
    return [("Platforms lost", f"not known, as the registry told nothing of {code(old)}")]


def _evidence_item(change: Change, now: datetime | None) -> str:
    lines = [f"  - {name}: {markdown}" for name, markdown in _evidence(change, now)]
    head = f"- **{code(change.image)} {code(change.move[1])}**"
    return "\n".join([head, *lines]) if lines else ""


def _freshness(changes: Sequence[Change], now: datetime | None) -> str:
    created = [moment for change in changes if (moment := read_created(change.details))]
    if not created or now is None:
        return ""
    subject = "the image is" if len(changes) == 1 else "the newest image is"
    return f", {subject} {age(max(created), now)}"


def _warning(changes: Sequence[Change]) -> str:
    """A platform that goes away breaks nodes: it belongs where nobody can miss it."""
    lost = sum(1 for change in changes if lost_platforms(change.running, change.details))
    which = "The new image lacks" if len(changes) == 1 else f"{_count(lost, 'image')} would lose"
    return f" **⚠ {which} a platform that the current one has.**" if lost else ""


def _steps(changes: Sequence[Change]) -> str:
    """`**1 major**, 2 minor`: a major step is what a reviewer must not miss."""
    counts = Counter(change.size or "other" for change in changes)
    ordered = sorted(counts, key=lambda size: (_rank(size), size))
    words = [f"{counts[size]} {prose(size)}" for size in ordered]
    return ", ".join(f"**{w}**" if s == "major" else w for s, w in zip(ordered, words, strict=True))


def _rank(size: str) -> int:
    return _BY_URGENCY.get(size, len(_URGENCY))


def _count(number: int, unit: str) -> str:
    return f"{number} {unit}" if number == 1 else f"{number} {unit}s"
