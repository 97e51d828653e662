"""The values by which other updaters are steered, and what they say about an image use.

Knows shapes only: what is written in a file stays text, with its place. It refuses to know what
any of it means, and which tools there are.
"""

from __future__ import annotations

from dataclasses import dataclass

from imagebot.errors import Where


@dataclass(frozen=True, slots=True)
class Governed:
    """What the objects of another updater in the repository say about an image use.

    `by` names the object (`ImagePolicy flux-system/web`). `policy` is a policy's name and its
    option as text (empty where it has none), `strict` reads versions of three parts only; `allow`,
    `deny` and `extract` filter tags. `digest` says that the digest is written beside the tag,
    `renames` that another name is written now. `stopped` says why nothing is done; empty when
    something is.
    """

    by: str
    policy: tuple[str, str]
    strict: bool = False
    allow: tuple[str, ...] = ()
    deny: tuple[str, ...] = ()
    extract: str = ""
    platforms: tuple[str, ...] = ()
    digest: bool = False
    renames: bool = False
    stopped: str = ""


@dataclass(frozen=True, slots=True)
class Setting:
    """One value in an object: its key path from the object's root, its text, its place."""

    keys: tuple[str | int, ...]
    text: str
    where: Where


@dataclass(frozen=True, slots=True)
class PolicyObject:
    """An object that steers another updater, such as Flux's ImagePolicy, as it is written.

    `settings` are its values that matter, nulls left out, in the order of the text.
    """

    kind: str
    namespace: str
    name: str
    settings: tuple[Setting, ...]
    where: Where


@dataclass(frozen=True, slots=True)
class Marker:
    """A comment by which Flux ties a scalar to a policy: `# {"$imagepolicy": "apps:web:tag"}`.

    `policy` is `namespace:name`; `part` is `tag`, `name`, `digest`, or empty for the whole
    reference. `document`, `keys` and `text` are the scalar's, `label` is what a person calls it.
    `where` is the comment's place. A `fault` is the short id of why the marker does nothing, with
    `problem` and `fix` in words; then the rest may be empty.
    """

    policy: str
    part: str
    label: str
    document: int
    keys: tuple[str | int, ...]
    text: str
    scalar: Where
    where: Where
    fault: str = ""
    problem: str = ""
    fix: str = ""
