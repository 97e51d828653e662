"""Which updates share a pull request, and what its title says.

Knows keys (stable, without a version) and titles (plain text). It refuses to know files, git and
forges: the caller fills in the file changes.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from imagebot.config import NamedGroup
from imagebot.imageref import ImageRef, Repository
from imagebot.model import Group, Update
from imagebot.pulls.markdown import clean, cut, plain_title

DEFAULT_TITLE = 200
MAX_SUMMARY = 80
_SHORT_DIGEST = 12
_MAX_NAMED = 3


def group_updates(
    updates: Iterable[Update],
    *,
    named: Sequence[NamedGroup] = (),
    title_limit: int = DEFAULT_TITLE,
) -> tuple[Group, ...]:
    """One group for an image repository in an environment, or for a named group in one.

    Keys are `<environment>/<repository or group name>`, without the environment where there is
    none, and with the step behind it (`... (major)`) where that has a request of its own. Updates
    whose keys are equal share a group: a key has one branch. The first named group that holds a
    repository wins. The result does not depend on the order of `updates`.
    """
    members: defaultdict[str, list[Update]] = defaultdict(list)
    for update in updates:
        key = group_key(update.new.repository, update.environment, named, update.lane)
        members[key].append(update)
    return tuple(
        Group(key, group_title(key, ordered, title_limit), ordered)
        for key, ordered in ((k, tuple(sorted(members[k], key=_place))) for k in sorted(members))
    )


def group_key(
    repository: Repository, environment: str, named: Sequence[NamedGroup] = (), lane: str = ""
) -> str:
    """The key of the group that an image belongs to in an environment, whatever its version.

    `lane` is the step that has a request of its own: `production/my-app (major)`.
    """
    name = next((group.name for group in named if group.holds(repository)), repository.familiar)
    key = f"{environment}/{name}" if environment else name
    return f"{key} ({lane})" if lane else key


def group_title(key: str, updates: Sequence[Update], limit: int = DEFAULT_TITLE) -> str:
    """`production: my-app 1.4.2 → 1.5.0`, `production: platform (3 images)`: plain, one line."""
    environments = sorted({update.environment for update in updates} - {""})
    where = f"{', '.join(environments)}: " if environments else ""
    images = {update.new.repository for update in updates}
    moves = {version_move(update.old, update.new) for update in updates}
    if len(images) == 1:
        lane = next((f" ({update.lane})" for update in updates if update.lane), "")
        what = f"{short_name(images.pop())} {_moved(moves)}{lane}"
    else:
        same = f" {_moved(moves)}" if len({new for _, new in moves}) == 1 else ""
        what = f"{key.rpartition('/')[2]}{same} ({len(images)} images)"
    return plain_title(where + what, limit)


def version_summary(updates: Sequence[Update]) -> str:
    """The wanted versions in at most 80 characters: `1.5.0`, or `api 2.0.1, web 1.5.0, ...`."""
    wanted = sorted({(u.new.repository, version_move(u.old, u.new)[1]) for u in updates})
    if len({repository for repository, _ in wanted}) == 1:
        parts = [version for _, version in wanted]
    else:
        parts = [f"{short_name(repository)} {version}" for repository, version in wanted]
    more = f" and {len(parts) - _MAX_NAMED} more" if len(parts) > _MAX_NAMED else ""
    return cut(clean(", ".join(parts[:_MAX_NAMED])), MAX_SUMMARY - len(more)) + more


def version_move(old: ImageRef, new: ImageRef) -> tuple[str, str]:
    """Both versions as short text. A digest is named only where the tags do not tell them apart."""
    if old.tag != new.tag:
        return _version(old, with_digest=False), _version(new, with_digest=False)
    return _version(old, with_digest=True), _version(new, with_digest=True)


def short_name(repository: Repository) -> str:
    """The last part of the repository's path: `my-app` of `ghcr.io/acme/my-app`."""
    return repository.path.rpartition("/")[2]


def _moved(moves: set[tuple[str, str]]) -> str:
    olds, news = {old for old, _ in moves}, {new for _, new in moves}
    if len(news) > 1:
        return f"({len(news)} versions)"
    (new,) = news
    return f"{olds.pop()} → {new}" if len(olds) == 1 else f"→ {new}"


def _version(image: ImageRef, *, with_digest: bool) -> str:
    digest = image.digest.rpartition(":")[2][:_SHORT_DIGEST]
    if not image.tag:
        return digest or "no tag"
    return f"{image.tag} ({digest})" if digest and with_digest else image.tag


def _place(update: Update) -> tuple[str, int, int, str, str, str]:
    where = update.use.where
    return where.path, where.line, where.column, update.use.label, str(update.new), update.why
