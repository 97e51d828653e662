"""The values that flow from gather to plan to apply. They know their own meaning only.

Nothing here reads, writes or decides; every value is immutable and compares by content.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal

from imagebot.errors import Where
from imagebot.governing import Governed, Marker, PolicyObject
from imagebot.imageref import ImageRef, Repository

KeyPath = tuple[str | int, ...]
"""Where a scalar stands in a YAML document: mapping keys and list indexes from the root."""

Place = tuple[str, int, KeyPath]
"""Where a scalar stands in a repository: its file, the document (from 0) and the keys in it."""

Role = Literal["reference", "tag", "digest"]
"""What a scalar holds: a whole reference, a tag alone, or a digest alone."""


@dataclass(frozen=True, slots=True)
class Slot:
    """One scalar of a file that holds (a part of) an image reference, as it is now.

    `document` counts from 0 within the file, `text` is the scalar's text without quotes.
    """

    role: Role
    document: int
    keys: KeyPath
    text: str
    where: Where


@dataclass(frozen=True, slots=True)
class ImageUse:
    """One place where a reference is written and decides what runs.

    `image` is the effective reference (kustomize's `newName`, else `name`, with tag and digest);
    `slots` are the scalars to change when its version changes, `label` is what a person calls
    the place (`images[0] my-app`, `Deployment/web container web`), `kind` the kind of file.
    `governed` holds what another updater's objects say of it, None where none does.
    """

    kind: str
    label: str
    image: ImageRef
    slots: tuple[Slot, ...]
    where: Where
    governed: Governed | None = None

    @property
    def path(self) -> str:
        """The file, relative to the root of the git repository, with forward slashes."""
        return self.where.path

    @property
    def place(self) -> Place:
        """Where its first scalar stands."""
        slot = self.slots[0]
        return (self.path, slot.document, slot.keys)


@dataclass(frozen=True, slots=True)
class Skipped:
    """Something that looks relevant and is left alone, and why.

    `whole`: the file could not be read at all, so that nobody knows what it holds.
    """

    where: Where
    reason: str
    whole: bool = False


@dataclass(frozen=True, slots=True)
class FileScan:
    """What one file holds. Depends on the file's path and bytes only, so it can be remembered.

    `objects` and `markers` are what other updaters go by.
    """

    uses: tuple[ImageUse, ...] = ()
    skipped: tuple[Skipped, ...] = ()
    objects: tuple[PolicyObject, ...] = ()
    markers: tuple[Marker, ...] = ()


@dataclass(frozen=True, slots=True)
class Edit:
    """One scalar to change: its place, the text it must hold now, and the text it shall hold.

    With `after`, the scalar's key may be missing: then it is added right behind this sibling.
    """

    path: str
    document: int
    keys: KeyPath
    old: str
    new: str
    where: Where
    after: str = ""


@dataclass(frozen=True, slots=True)
class ImageDetails:
    """What a registry says about one image: evidence for policies, and facts for reviewers.

    `digest` is the one a client asking for the tag gets: the index digest of a multi-platform
    image. `created` is RFC 3339 text as served, empty when unknown. `platforms` are
    `os/architecture[/variant]`, without attestation entries. `labels` is a short list of
    allowed OCI annotation keys, values cut to a sane length: data, never instructions.
    """

    digest: str
    media_type: str = ""
    created: str = ""
    platforms: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    size: int = 0


@dataclass(frozen=True, slots=True)
class Update:
    """One image use that moves to another version, with the reason in words.

    `lane` names the step that has a pull request of its own; empty for all others. `tag` is the
    chosen tag, also where the new reference does not hold it.
    """

    use: ImageUse
    environment: str
    old: ImageRef
    new: ImageRef
    why: str
    size: str = ""
    details: ImageDetails | None = None
    lane: str = ""
    tag: str = ""


@dataclass(frozen=True, slots=True)
class FileChange:
    """The new content of one file of a group. `old` and `new` are the whole texts, as bytes."""

    path: str
    old: bytes
    new: bytes
    edits: tuple[Edit, ...]


@dataclass(frozen=True, slots=True)
class Group:
    """What one pull request changes. `key` is stable and has no version in it."""

    key: str
    title: str
    updates: tuple[Update, ...]
    files: tuple[FileChange, ...] = ()
    notes: tuple[str, ...] = ()
    undecided: bool = False


@dataclass(frozen=True, slots=True)
class TagAnswer:
    """What a registry said about one repository: every tag, or why there is no answer."""

    tags: tuple[str, ...] = ()
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Sightings:
    """What the bot saw for itself of a repository's tags, in seconds since 1970.

    `first_look` is when it first read the list, `tags` when each tag was first in it.
    """

    first_look: float
    tags: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Listing:
    """How many tags the last list had that was believed, and how many lists since were not."""

    size: int
    doubts: int = 0


@dataclass(frozen=True, slots=True)
class Move:
    """A tag that points to another digest than `before`, noticed at `since` (epoch seconds)."""

    before: str
    since: float


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything that was seen. Complete evidence, or the reason why it is missing.

    `scans` and `texts` are keyed by path; `texts` holds at least every file with an image use.
    `details` and `details_problems` are keyed by (repository, tag), and so are the `moves` of tags.
    `sightings`, `listings` (as they were before this run) and `moves` are what the bot remembers;
    without a memory there are none. `replaced` has, by the place of a use, the tag that a person
    wrote over with the present one; it is gathered for uses that are about to move, or not at all.
    """

    scans: Mapping[str, FileScan] = field(default_factory=dict)
    texts: Mapping[str, bytes] = field(default_factory=dict)
    tags: Mapping[Repository, TagAnswer] = field(default_factory=dict)
    details: Mapping[tuple[Repository, str], ImageDetails] = field(default_factory=dict)
    details_problems: Mapping[tuple[Repository, str], str] = field(default_factory=dict)
    sightings: Mapping[Repository, Sightings] = field(default_factory=dict)
    listings: Mapping[Repository, Listing] = field(default_factory=dict)
    moves: Mapping[tuple[Repository, str], Move] = field(default_factory=dict)
    replaced: Mapping[Place, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Wants:
    """Evidence that a plan still lacks: tag lists, and details of single tags."""

    repositories: tuple[Repository, ...] = ()
    details: tuple[tuple[Repository, str], ...] = ()

    def __bool__(self) -> bool:
        """Whether anything is wanted."""
        return bool(self.repositories or self.details)


Status = Literal["update", "current", "undecided", "unordered", "refused", "disabled"]
"""`undecided`: evidence is missing this time. `unordered`: no policy can order these tags."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What was decided for one image use, and why in words.

    `tag` is the chosen tag and `size` the step to it, where it moves. A use has more than one
    decision where a step has a pull request of its own, which `lane` names.
    """

    use: ImageUse
    environment: str
    status: Status
    why: str
    target: ImageRef | None = None
    tag: str = ""
    size: str = ""
    lane: str = ""


@dataclass(frozen=True, slots=True)
class Alarm:
    """A tag that names one version and points to another digest than it did."""

    repository: Repository
    tag: str
    before: str
    after: str
    since: float

    def __str__(self) -> str:
        """One sentence; the time is when the bot noticed."""
        when = datetime.fromtimestamp(self.since, UTC)
        return (
            f"{self.repository.familiar}:{self.tag} was moved from {self.before} to {self.after} "
            f"(noticed {when:%Y-%m-%d %H:%M} UTC): a version should never change"
        )


@dataclass(frozen=True, slots=True)
class Plan:
    """What would change and why. The same configuration, facts and time give the same plan.

    `undecided` are the keys of groups whose evidence is incomplete, or none of whose files can be
    edited safely: their pull requests are left as they are. `problems` maps a repository that
    gave no answer, or none that can be believed, to the reason. `alarms` are for people: they
    stop nothing. `settled` maps the key of a group in which nothing moves to why.
    """

    decisions: tuple[Decision, ...] = ()
    groups: tuple[Group, ...] = ()
    skipped: tuple[Skipped, ...] = ()
    undecided: frozenset[str] = frozenset()
    problems: Mapping[str, str] = field(default_factory=dict)
    alarms: tuple[Alarm, ...] = ()
    settled: Mapping[str, str] = field(default_factory=dict)

    def with_status(self, status: Status) -> Sequence[Decision]:
        """The decisions of one status, in file order."""
        return [decision for decision in self.decisions if decision.status == status]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one group in one cycle: what was done, where it can be seen, and why.

    `action` is one word of the pull request life (created, updated, unchanged, closed, held,
    skipped, failed); `failed` says that somebody has to look.
    """

    key: str
    title: str
    branch: str
    action: str
    reason: str
    number: int = 0
    url: str = ""
    failed: bool = False


@dataclass(frozen=True, slots=True)
class Cycle:
    """One repository after one cycle.

    `problem` says why the cycle could not be finished, `exit_code` what that means for the run.
    `busy`: another run holds the repository, so that there was nothing to do here.
    """

    repository: str
    base: str = ""
    base_sha: str = ""
    plan: Plan = field(default_factory=Plan)
    outcomes: tuple[Outcome, ...] = ()
    problem: str = ""
    exit_code: int = 0
    busy: bool = False

    @property
    def failed(self) -> bool:
        """Whether any part of this cycle failed: an undecided image, a refusal, an outcome."""
        return bool(
            self.problem
            or self.plan.undecided
            or self.plan.with_status("refused")
            or any(outcome.failed for outcome in self.outcomes)
        )
