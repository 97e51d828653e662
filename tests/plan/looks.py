"""A plan made from texts: files, a configuration and what registries would answer, no wire.

It answers exactly what the plan wants, round by round, and writes down what was asked.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from imagebot.config import Config, load
from imagebot.imageref import Repository, parse_repository
from imagebot.manifests.scan import scan_file
from imagebot.model import Facts, ImageDetails, Plan, Sightings, TagAnswer
from imagebot.plan import plan, wants
from imagebot.witness import Witness

NOW = datetime(2026, 8, 23, 12, 0, tzinfo=UTC)
APP = parse_repository("ghcr.io/acme/app")
MULTI = ("linux/amd64", "linux/arm64")
FILE = "overlays/production/kustomization.yaml"
POD = "overlays/production/pod.yaml"
Images = Mapping[str, ImageDetails | str]


def digest_of(tag: str) -> str:
    return "sha256:" + (tag.encode().hex() * 64)[:64]


def image(tag: str, *platforms: str, days: float = 30, digest: str = "") -> ImageDetails:
    """An image of `tag` made so many days ago, for both platforms unless some are named."""
    created = (NOW - timedelta(days=days)).isoformat()
    return ImageDetails(digest or digest_of(tag), "", created, platforms or MULTI)


def images(*tags: str, days: float = 30) -> dict[str, ImageDetails | str]:
    return {tag: image(tag, days=days) for tag in tags}


def kustomization(version: str, name: str = "ghcr.io/acme/app") -> str:
    return f"images:\n  - name: {name}\n    {version}\n"


def workload(*references: str) -> str:
    containers = "".join(f"    - {{name: c{n}, image: {r}}}\n" for n, r in enumerate(references))
    return f"apiVersion: v1\nkind: Pod\nspec:\n  containers:\n{containers}"


@dataclass
class Look:
    """One look at a repository; `registry` maps a repository's tags to details or to a problem."""

    config: str = ""
    files: Mapping[str, str] = field(default_factory=dict)
    registry: Mapping[Repository, Images | None] = field(default_factory=dict)
    facts: Facts = field(default_factory=Facts)
    describe: bool = False
    asked: list[tuple[str, ...]] = field(default_factory=list)
    witness: Witness | None = None

    def run(self) -> Plan:
        """Answer until nothing is wanted, then plan. `asked` holds each round's tags."""
        config = self.loaded()
        scans = {path: scan_file(path, text.encode()) for path, text in self.files.items()}
        texts = {path: text.encode() for path, text in self.files.items()}
        facts = replace(self.facts, scans=scans, texts=texts)
        now = self.witness.now if self.witness else NOW
        while wanted := wants(config, facts, now, describe=self.describe):
            self.asked += [tuple(tag for _, tag in wanted.details)] if wanted.details else []
            before, facts = facts, self._answer(facts, wanted.repositories, wanted.details)
            facts = self.witness.add(before, facts) if self.witness else facts
            assert len(self.asked) < 40
        self.facts = facts
        return plan(config, facts, now)

    def loaded(self) -> Config:
        return load(".imagebot.yaml", f"version: 1\n{self.config}".encode())

    def _answer(self, facts: Facts, repositories, details) -> Facts:
        tags, found, problems = dict(facts.tags), dict(facts.details), dict(facts.details_problems)
        for repository in repositories:
            listed = self.registry.get(repository)
            tags[repository] = (
                TagAnswer(problem="unreachable") if listed is None else TagAnswer(tuple(listed))
            )
        for key in details:
            assert key not in found
            assert key not in problems
            answer = (self.registry[key[0]] or {})[key[1]]
            if isinstance(answer, str):
                problems[key] = answer
            else:
                found[key] = answer
        return replace(facts, tags=tags, details=found, details_problems=problems)


def app(rule: str, written: str, answers: Images, **facts) -> Look:
    """One overlay that runs the app, with one rule for it."""
    text = written if written.startswith(("images:", "apiVersion:")) else kustomization(written)
    config = f"images: [{{match: '**', {rule}}}]" if rule else ""
    path = FILE if text.startswith("images:") else POD
    return Look(config, {path: text}, {APP: answers}, Facts(**facts))


def sightings(first_look_days: float, **days: float) -> dict[Repository, Sightings]:
    """When tags were first seen; `v1_2_0=3` is the tag 1.2.0, seen three days ago."""
    at = {tag[1:].replace("_", "."): NOW.timestamp() - d * 86_400 for tag, d in days.items()}
    return {APP: Sightings(NOW.timestamp() - first_look_days * 86_400, at)}
