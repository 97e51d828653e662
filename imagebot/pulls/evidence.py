"""Facts for reviewers about one image: age, digest, platforms, source and what changed in it.

Knows OCI labels, and how forges spell a link to a comparison. It refuses to trust a label: a link
goes to https only, shows the host it leads to, and a revision is hexadecimal or not there.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from imagebot.imageref import ImageRef
from imagebot.model import ImageDetails
from imagebot.pulls.markdown import code, cut, link, prose

SOURCE_LABELS = ("org.opencontainers.image.source", "org.label-schema.vcs-url")
REVISION_LABELS = ("org.opencontainers.image.revision", "org.label-schema.vcs-ref")
MAX_PLATFORMS = 12
_SHORT_REVISION = 10
_FIRST_REAL_YEAR = 1990
_SOURCE = re.compile(
    r"https://([a-z0-9](?:[a-z0-9.-]{0,250}[a-z0-9])?)((?:/[A-Za-z0-9_.-]{1,100}){2,10})/?"
)
_REVISION = re.compile(r"[0-9a-f]{7,64}")
_UNITS = ((365, "year"), (30, "month"), (7, "week"), (1, "day"))


@dataclass(frozen=True, slots=True)
class Source:
    """Where an image's source is by its labels: `host` and `path` (`/acme/web`), no more."""

    host: str
    path: str

    @property
    def url(self) -> str:
        """The https address."""
        return f"https://{self.host}{self.path}"

    def commit(self, revision: str) -> str:
        """A page of one commit, empty when this host's spelling is unknown."""
        prefix = self._prefix()
        return f"{self.url}{prefix}/commit/{revision}" if prefix is not None else ""

    def compare(self, old: str, new: str) -> str:
        """A page with everything between two revisions, empty when the spelling is unknown."""
        prefix = self._prefix()
        return f"{self.url}{prefix}/compare/{old}...{new}" if prefix is not None else ""

    def _prefix(self) -> str | None:
        names = set(self.host.split("."))
        if "gitlab" in names:
            return "/-"
        known = {"github", "gitea", "forgejo", "codeberg"}
        return "" if names & known and self.path.count("/") == 2 else None  # noqa: PLR2004 -- owner and name


def read_source(details: ImageDetails | None) -> Source | None:
    """The source repository that the labels name, if the address is a plain https one."""
    label = _label(details, SOURCE_LABELS)
    match = _SOURCE.fullmatch(label)
    if match is None or any(set(part) <= {"."} for part in match[2][1:].split("/")):
        return None
    return Source(match[1], match[2].removesuffix(".git"))


def read_revision(details: ImageDetails | None) -> str:
    """The commit that the labels name, empty unless it is 7 to 64 hexadecimal digits."""
    label = _label(details, REVISION_LABELS)
    return label if _REVISION.fullmatch(label) else ""


def read_created(details: ImageDetails | None) -> datetime | None:
    """The build time with its zone. None when absent, malformed, or a reproducible build's zero."""
    try:
        moment = datetime.fromisoformat(details.created if details else "")
        moment = moment.replace(tzinfo=moment.tzinfo or UTC).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return moment if moment.year >= _FIRST_REAL_YEAR else None


def age(created: datetime, now: datetime) -> str:
    """`3 days old`, `5 hours old`; a time after `now` is named for what it is."""
    if created - now > timedelta(minutes=5):
        return "dated in the future"
    passed = max(now - created, timedelta())
    for days, unit in _UNITS:
        if count := passed.days // days:
            return f"{_count(count, unit)} old"
    hours = passed // timedelta(hours=1)
    return f"{_count(hours, 'hour')} old" if hours else "less than an hour old"


def lost_platforms(old: ImageDetails | None, new: ImageDetails | None) -> tuple[str, ...]:
    """Platforms of the image that runs now which the new one does not have, if both are known."""
    if old is None or new is None or not old.platforms or not new.platforms:
        return ()
    return tuple(platform for platform in old.platforms if platform not in new.platforms)


def facts(
    old: ImageDetails | None, new: ImageDetails | None, image: ImageRef, now: datetime | None
) -> list[tuple[str, str]]:
    """Pairs of a name and Markdown, only for what is known. Without `now` there is no age."""
    if new is None:
        return [("Digest", code(image.digest))] if image.digest else []
    rows = [
        ("Created", _created(new, now)),
        ("Digest", code(new.digest or image.digest)),
        ("Platforms", prose(_platforms(new.platforms))),
        ("Platforms lost", prose(_platforms(lost_platforms(old, new)))),
        ("Source", _source(old, new)),
    ]
    return [(name, markdown) for name, markdown in rows if markdown]


def _created(details: ImageDetails, now: datetime | None) -> str:
    created = read_created(details)
    if created is None:
        return ""
    how_old = f", {age(created, now)} when this was written" if now else ""
    return f"{created:%Y-%m-%d %H:%M} UTC{how_old}"


def _platforms(platforms: tuple[str, ...]) -> str:
    more = len(platforms) - MAX_PLATFORMS
    shown = ", ".join(cut(platform, 40) for platform in platforms[:MAX_PLATFORMS])
    return f"{shown} and {more} more" if more > 0 else shown


def _source(old: ImageDetails | None, new: ImageDetails) -> str:
    source = read_source(new)
    if source is None:
        return ""
    now, before = read_revision(new), read_revision(old)
    parts = [link(prose(source.host + source.path), source.url)]
    if now:
        parts.append("at " + link(code(now[:_SHORT_REVISION]), source.commit(now)))
    if now and before and now != before and read_source(old) == source:
        compare = source.compare(before, now)
        parts += ["·", link("what changed", compare)] if compare else []
    return " ".join(parts)


def _label(details: ImageDetails | None, names: tuple[str, ...]) -> str:
    labels: Mapping[str, str] = details.labels if details else {}
    return next((labels[name].strip() for name in names if labels.get(name)), "")


def _count(number: int, unit: str) -> str:
    return f"{number} {unit}" if number == 1 else f"{number} {unit}s"
