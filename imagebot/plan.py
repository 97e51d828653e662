"""From configuration and facts to a plan: which images move where, and what that writes.

Pure: no network, clock, disk or randomness. The same input gives the same plan, byte for byte.
It asks for evidence it lacks (`wants`) instead of fetching it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from imagebot.config import Config, ImageSettings, environment_of, settings_for
from imagebot.errors import EditRefused
from imagebot.imageref import Repository
from imagebot.manifests.rewrite import edits_for
from imagebot.model import (
    Decision,
    Edit,
    Facts,
    FileChange,
    Group,
    ImageDetails,
    ImageUse,
    Plan,
    Skipped,
    Update,
    Wants,
)
from imagebot.policy import Selection, select
from imagebot.pulls.group import group_key, group_updates
from imagebot.yamltree.splice import splice

_Evidence = Mapping[str, ImageDetails]


@dataclass(frozen=True, slots=True)
class Elections:
    """Elections held so far: the same question about the same evidence is answered once.

    Good for one configuration and one moment, as `wants` and `plan` ask again with every answer.
    Candidates and their reasons are not kept: lists of tags are long, and no decision reads them.
    """

    _held: dict[tuple[Repository, str], tuple[tuple[str, ...], _Evidence, Selection]] = field(
        default_factory=dict
    )

    def outcome(
        self,
        repository: Repository,
        current: str,
        seen: tuple[tuple[str, ...], _Evidence],
        hold: Callable[[], Selection],
    ) -> Selection:
        """The outcome for a use that runs `current`, by the tags and details that were `seen`."""
        held = self._held.get((repository, current))
        if held is None or held[:2] != seen:
            held = (*seen, replace(hold(), order=(), dropped={}))
            self._held[repository, current] = held
        return held[2]


def wants(
    config: Config,
    facts: Facts,
    now: datetime,
    *,
    describe: bool = False,
    elections: Elections | None = None,
) -> Wants:
    """The evidence that a decision still lacks; falsy when the plan can be made.

    `describe` also asks for the details of every tag that would be written: facts for the people
    who review it, and proof that the registry can serve it.
    """
    return _Deciding(config, facts, now, elections or Elections(), describe=describe).run().wants()


def plan(
    config: Config, facts: Facts, now: datetime, *, elections: Elections | None = None
) -> Plan:
    """Decide every image use, group the updates, and write the new texts."""
    deciding = _Deciding(config, facts, now, elections or Elections()).run()
    decisions = deciding.decisions
    refused: dict[ImageUse, str] = {}
    refused_keys: set[str] = set()
    groups: list[Group] = []
    for group in _in_order(group_updates(deciding.updates(), named=config.groups), config):
        filled, problems = _fill(group, facts.texts)
        refused.update(problems)
        refused_keys.update({group.key} if problems else ())
        if filled.files:
            groups.append(filled)
    decisions = [_with_refusal(decision, refused) for decision in decisions]
    undecided = frozenset(
        group_key(decision.use.image.repository, decision.environment, config.groups)
        for decision in decisions
        if decision.status == "undecided"
    ) | (refused_keys - {group.key for group in groups})
    return Plan(
        decisions=tuple(decisions),
        groups=tuple(replace(group, undecided=group.key in undecided) for group in groups),
        skipped=_skipped(facts),
        undecided=undecided,
        problems={
            str(repository): answer.problem
            for repository, answer in sorted(facts.tags.items())
            if answer.problem
        },
    )


def selection_for(
    repository: Repository, settings: ImageSettings, facts: Facts, current: str, now: datetime
) -> Selection:
    """The policy's choice among the tags that were seen, for a use that runs `current`."""
    evidence = _by_repository(facts).get(repository, {})
    return _elect(settings, facts.tags[repository].tags, evidence, current, now)


def _elect(
    settings: ImageSettings,
    tags: tuple[str, ...],
    evidence: _Evidence,
    current: str,
    now: datetime,
) -> Selection:
    return select(
        settings.policy,
        tags,
        current=current or None,
        tag_filter=settings.tag_filter,
        allow_downgrade=settings.allow_downgrade,
        evidence=evidence,
        now=now.timestamp(),
    )


def _by_repository(facts: Facts) -> dict[Repository, dict[str, ImageDetails]]:
    found: dict[Repository, dict[str, ImageDetails]] = {}
    for (repository, tag), details in facts.details.items():
        found.setdefault(repository, {})[tag] = details
    return found


@dataclass
class _Deciding:
    """One pass over every image use. Equal questions are asked once."""

    config: Config
    facts: Facts
    now: datetime
    elections: Elections
    describe: bool = False
    decisions: list[Decision] = field(default_factory=list)
    _sizes: dict[ImageUse, str] = field(default_factory=dict)
    _repositories: dict[Repository, None] = field(default_factory=dict)
    _details: dict[tuple[Repository, str], None] = field(default_factory=dict)
    _settings: dict[Repository, ImageSettings] = field(default_factory=dict)
    _evidence: Mapping[Repository, _Evidence] = field(init=False)

    def __post_init__(self) -> None:
        self._evidence = _by_repository(self.facts)

    def run(self) -> _Deciding:
        for path in sorted(self.facts.scans):
            environment = environment_of(self.config, path)
            for use in self.facts.scans[path].uses:
                self.decisions.append(self._decide(use, environment))
        return self

    def wants(self) -> Wants:
        return Wants(tuple(self._repositories), tuple(self._details))

    def updates(self) -> list[Update]:
        return [
            Update(
                use=decision.use,
                environment=decision.environment,
                old=decision.use.image,
                new=decision.target,
                why=decision.why,
                size=self._sizes.get(decision.use, ""),
                details=self._details_of(decision),
            )
            for decision in self.decisions
            if decision.status == "update" and decision.target is not None
        ]

    def _details_of(self, decision: Decision) -> ImageDetails | None:
        target = decision.target
        return self.facts.details.get((target.repository, target.tag)) if target else None

    def _decide(self, use: ImageUse, environment: str) -> Decision:
        repository = use.image.repository
        if repository not in self._settings:
            self._settings[repository] = settings_for(self.config, repository)
        settings = self._settings[repository]
        if not settings.enabled:
            return Decision(use, environment, "disabled", "switched off in the configuration")
        answer = self.facts.tags.get(repository)
        if answer is None:
            self._repositories[repository] = None
            return Decision(use, environment, "undecided", "its tags were not read yet")
        if answer.problem:
            return Decision(use, environment, "undecided", answer.problem)
        selection = self._select(repository, settings, use.image.tag)
        return self._judge(use, environment, selection)

    def _select(self, repository: Repository, settings: ImageSettings, current: str) -> Selection:
        tags = self.facts.tags[repository].tags
        evidence = self._evidence.get(repository, {})

        def hold() -> Selection:
            return _elect(settings, tags, evidence, current, self.now)

        return self.elections.outcome(repository, current, (tags, evidence), hold)

    def _judge(self, use: ImageUse, environment: str, selection: Selection) -> Decision:
        repository = use.image.repository
        missing = self._missing(repository, selection.wants)
        if missing:
            return Decision(use, environment, "undecided", missing)
        if selection.chosen is None:
            return Decision(use, environment, "unordered", selection.error or selection.why)
        digest = ""
        moves = selection.chosen != use.image.tag
        if use.image.digest and (moves or not use.image.tag):
            missing = self._missing(repository, (selection.chosen,))
            if missing:
                return Decision(use, environment, "undecided", missing)
            digest = self.facts.details[repository, selection.chosen].digest
        target = use.image.with_version(
            selection.chosen if use.image.tag else "", digest or use.image.digest
        )
        if target == use.image:
            return Decision(use, environment, "current", selection.why)
        if self.describe or (repository, selection.chosen) in self.facts.details_problems:
            missing = self._missing(repository, (selection.chosen,))
            if missing:
                return Decision(use, environment, "undecided", missing)
        self._sizes[use] = selection.size
        return Decision(use, environment, "update", selection.why, target)

    def _missing(self, repository: Repository, tags: Sequence[str]) -> str:
        """Why the details of these tags are not there, noting those still to be asked for."""
        reason = ""
        for tag in tags:
            key = (repository, tag)
            if key in self.facts.details:
                continue
            problem = self.facts.details_problems.get(key)
            if problem is None:
                self._details[key] = None
            reason = reason or problem or f"the details of {tag} were not read yet"
        return reason


def _in_order(groups: Sequence[Group], config: Config) -> list[Group]:
    """Groups in the order of the environments, as people promote; the rest comes first."""
    rank = {environment.name: n for n, environment in enumerate(config.environments)}
    return sorted(groups, key=lambda g: (rank.get(g.updates[0].environment, -1), g.key))


def _fill(group: Group, texts: Mapping[str, bytes]) -> tuple[Group, dict[ImageUse, str]]:
    """Write a group's new texts. A file that cannot be edited safely leaves the group.

    The second value maps each refused image use to the reason.
    """
    by_path: dict[str, list[Update]] = {}
    for update in group.updates:
        by_path.setdefault(update.use.path, []).append(update)
    files: list[FileChange] = []
    kept: list[Update] = []
    refused: dict[ImageUse, str] = {}
    for path, updates in by_path.items():
        try:
            files.append(_rewrite(path, texts[path], updates))
        except EditRefused as error:
            refused.update({update.use: error.message for update in updates})
        else:
            kept.extend(updates)
    notes = tuple(
        f"{path}: {refused[updates[0].use]}"
        for path, updates in by_path.items()
        if updates[0].use in refused
    )
    filled = replace(group, updates=tuple(kept), files=tuple(files), notes=group.notes + notes)
    return filled, refused


def _rewrite(path: str, text: bytes, updates: Sequence[Update]) -> FileChange:
    edits: dict[Edit, None] = {}
    for update in updates:
        edits.update(dict.fromkeys(edits_for(update.use, update.new.tag, update.new.digest)))
    ordered = tuple(edits)
    return FileChange(path, text, splice(path, text, ordered), ordered)


def _with_refusal(decision: Decision, refused: Mapping[ImageUse, str]) -> Decision:
    reason = refused.get(decision.use)
    return replace(decision, status="refused", why=reason, target=None) if reason else decision


def _skipped(facts: Facts) -> tuple[Skipped, ...]:
    return tuple(skip for path in sorted(facts.scans) for skip in facts.scans[path].skipped)


def merged_changes(wanted: Plan) -> tuple[FileChange, ...]:
    """Every group's edits at once, one change a file: for writing into one folder."""
    edits: dict[str, dict[Edit, None]] = {}
    texts: dict[str, bytes] = {}
    for group in wanted.groups:
        for change in group.files:
            edits.setdefault(change.path, {}).update(dict.fromkeys(change.edits))
            texts[change.path] = change.old
    return tuple(
        FileChange(path, texts[path], splice(path, texts[path], tuple(wished)), tuple(wished))
        for path, wished in sorted(edits.items())
    )
