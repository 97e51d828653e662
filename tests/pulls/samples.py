"""Values for the tests of this room: updates, groups and limits, short to write down."""

from __future__ import annotations

from datetime import UTC, datetime

from imagebot.errors import Where
from imagebot.forge.port import Limits
from imagebot.imageref import parse
from imagebot.model import Edit, FileChange, Group, ImageDetails, ImageUse, Slot, Update
from imagebot.pulls.group import group_title

NOW = datetime(2026, 8, 23, 14, 3, tzinfo=UTC)
GITHUB = Limits(title=256, body=58_000, mermaid=True)
AZURE = Limits(title=400, body=4_000)
BITBUCKET = Limits(title=255, body=30_000, collapsible=False)
OLD_DIGEST = "sha256:" + "1f" * 32
NEW_DIGEST = "sha256:" + "2e" * 32


def update(
    old: str = "ghcr.io/acme/my-app:1.4.2",
    new: str = "ghcr.io/acme/my-app:1.5.0",
    *,
    environment: str = "production",
    path: str = "kustomize/overlays/production/kustomization.yaml",
    line: int = 12,
    label: str = "images[0] my-app",
    why: str = "newest tag in >=1.4 <3",
    size: str = "minor",
    details: ImageDetails | None = None,
) -> Update:
    where = Where(path, line, 13)
    image = parse(old)
    use = ImageUse(
        "kustomize",
        label,
        image,
        (Slot("tag", 0, ("images", 0, "newTag"), image.tag, where),),
        where,
    )
    return Update(use, environment, image, parse(new), why, size, details)


def details(**changes: object) -> ImageDetails:
    values: dict = {
        "digest": NEW_DIGEST,
        "created": "2026-08-20T12:00:00.123456789Z",
        "platforms": ("linux/amd64", "linux/arm64"),
        "labels": {
            "org.opencontainers.image.source": "https://github.com/acme/my-app",
            "org.opencontainers.image.revision": "b" * 40,
        },
    }
    return ImageDetails(**(values | changes))


def edit(path: str = "k/kustomization.yaml", new: str = "1.5.0", **changes: object) -> Edit:
    values: dict = {"document": 0, "keys": ("images", 0, "newTag"), "old": "1.4.2"}
    return Edit(path=path, new=new, where=Where(path, 12, 13), **(values | changes))


def group(
    *updates: Update, key: str = "production/ghcr.io/acme/my-app", **changes: object
) -> Group:
    """A group whose files hold one edit an update."""
    members = updates or (update(),)
    files: dict[str, list[Update]] = {}
    for member in members:
        files.setdefault(member.use.path, []).append(member)
    changed = tuple(
        FileChange(
            path,
            "".join(f"newTag: {u.old.tag}\n" for u in uses).encode(),
            "".join(f"newTag: {u.new.tag}\n" for u in uses).encode(),
            tuple(
                edit(path, u.new.tag, keys=("images", n, "newTag"), old=u.old.tag)
                for n, u in enumerate(uses)
            ),
        )
        for path, uses in files.items()
    )
    values: dict = {"title": group_title(key, members), "updates": members, "files": changed}
    return Group(key=key, **(values | changes))


def file_url(path: str, line: int) -> str:
    return f"https://forge.example/acme/gitops/blob/abc123/{path}#L{line}"
