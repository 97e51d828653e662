"""Sees everything a plan needs: files of a repository, tags and details from registries.

Knows how to ask in parallel and how to report what failed; it decides nothing. One peer that
fails costs the image uses that need it, never the others.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from queue import Empty, SimpleQueue
from typing import Protocol, TypeVar

from imagebot.compat import govern
from imagebot.config import Config, is_in_paths, sourced
from imagebot.errors import ConfigError, ImagebotError, Where
from imagebot.imageref import ImageRef, Repository
from imagebot.manifests.memory import dump, load
from imagebot.manifests.scan import SCANNER_VERSION, is_candidate, scan_file
from imagebot.model import Facts, FileScan, ImageDetails, Skipped, TagAnswer, Wants
from imagebot.plan import Elections, wants
from imagebot.registry.port import Registry
from imagebot.views import Entry, View
from imagebot.witness import Witness

WORKERS = 16

Key = TypeVar("Key")
Value = TypeVar("Value")


class Memory(Protocol):
    """Remembers what files held, by path and blob. Losing it costs time only."""

    def recall_scans(self, repo_key: str, version: int) -> Mapping[str, tuple[str, str]]:
        """Path -> (blob, payload) of the last cycle with this version of the scanner."""
        ...

    def remember_scans(
        self, repo_key: str, version: int, rows: Mapping[str, tuple[str, str]]
    ) -> None:
        """Replace what is remembered of one repository."""
        ...


class Progress(Protocol):
    """Told how far the asking has come."""

    def __call__(self, what: str, done: int, total: int) -> None:
        """`done` of `total` answers for `what` are in."""
        ...


def silent(what: str, done: int, total: int) -> None:
    """Progress that nobody watches."""
    del what, done, total


def scan_repository(
    view: View, config: Config, memory: Memory | None = None, repo_key: str = ""
) -> dict[str, FileScan]:
    """Scan every candidate file under the configured paths, remembered blobs unread.

    Returns a scan for each file that holds a use, something skipped or an object of another
    updater; uses that such objects govern say so.
    """
    known = memory.recall_scans(repo_key, SCANNER_VERSION) if memory else {}
    scans: dict[str, FileScan] = {}
    rows: dict[str, tuple[str, str]] = {}
    unread: list[Entry] = []
    for entry in view.entries():
        # A folder that nobody can look into may hold anything.
        unknown = entry.path.endswith("/")
        if not unknown and not (is_candidate(entry.path) and is_in_paths(config, entry.path)):
            continue
        if entry.refusal:
            scans[entry.path] = FileScan(
                skipped=(Skipped(Where(entry.path), entry.refusal, whole=True),)
            )
            continue
        remembered = known.get(entry.path)
        recalled = _recall(entry, remembered)
        if remembered is None or recalled is None:
            unread.append(entry)
            continue
        rows[entry.path] = remembered
        if remembered[1]:
            scans[entry.path] = recalled
    for entry, scan in _scan_unread(view, unread):
        rows[entry.path] = (entry.blob, dump(scan))
        if scan != FileScan():
            scans[entry.path] = scan
    if memory and rows != known:
        memory.remember_scans(repo_key, SCANNER_VERSION, rows)
    governed, _ = govern(scans, config)
    elsewhere = any(rule.source is not None for rule in config.rules)
    return {
        path: _sourced(scan, config) if elsewhere else scan
        for path, scan in governed.items()
        if scan.uses or scan.skipped or scan.objects
    }


def _sourced(scan: FileScan, config: Config) -> FileScan:
    """The scan with its images asked for where the configuration says that they live."""
    uses = tuple(
        replace(use, image=replace(use.image, repository=sourced(config, use.image.repository)))
        for use in scan.uses
    )
    return replace(scan, uses=uses)


def _recall(entry: Entry, remembered: tuple[str, str] | None) -> FileScan | None:
    """What is remembered of this very blob; a damaged memory is none."""
    if remembered is None or not entry.blob or remembered[0] != entry.blob:
        return None
    try:
        return load(remembered[1])
    except ImagebotError:
        return None


def _scan_unread(view: View, unread: Sequence[Entry]) -> Iterable[tuple[Entry, FileScan]]:
    batch = 2000
    for start in range(0, len(unread), batch):
        part = unread[start : start + batch]
        texts = view.read(part)
        for entry in part:
            text = texts.get(entry.path)
            if text is None:
                missing = Skipped(Where(entry.path), "cannot be read, or too large", whole=True)
                yield entry, FileScan(skipped=(missing,))
            else:
                yield entry, scan_file(entry.path, text)


def read_texts(view: View, scans: Mapping[str, FileScan]) -> dict[str, bytes]:
    """The bytes of every file that holds an image use."""
    entries = [entry for entry in view.entries() if entry.path in scans and not entry.refusal]
    return dict(view.read([entry for entry in entries if scans[entry.path].uses]))


def gather(
    config: Config,
    facts: Facts,
    registry: Registry,
    now: datetime,
    *,
    describe: bool = False,
    progress: Progress = silent,
    elections: Elections | None = None,
    witness: Witness | None = None,
) -> Facts:
    """Ask the registries for whatever the plan still wants, until it wants nothing more.

    `facts` holds the scans. A failed answer becomes a problem in the result, never an exception.
    The `witness` remembers the answers, and adds what it remembers.
    """
    elections = elections or Elections()
    while wanted := wants(config, facts, now, describe=describe, elections=elections):
        if not _is_news(wanted, facts):
            raise ImagebotError("the plan keeps asking for evidence it was given")
        before = facts
        tags = _ask(wanted.repositories, registry.tags, "tag lists", progress)
        details = _ask(
            wanted.details, lambda key: registry.details(*key), "image details", progress
        )
        facts = _with_answers(facts, tags, details)
        facts = witness.add(before, facts) if witness else facts
    return facts


def running_details(
    registry: Registry, images: Iterable[ImageRef], progress: Progress = silent
) -> dict[ImageRef, ImageDetails]:
    """Details of images that run now, where a registry still has them.

    Only for people to read: a tag that was deleted since is left out, and stops nothing.
    """
    wanted = [image for image in dict.fromkeys(images) if image.tag or image.digest]

    def ask(image: ImageRef) -> ImageDetails:
        return registry.details(image.repository, image.digest or image.tag)

    answers = _ask(wanted, ask, "details of what runs", progress)
    return {image: got for image, got in answers.items() if isinstance(got, ImageDetails)}


def _is_news(wanted: Wants, facts: Facts) -> bool:
    """Whether any of this was never asked: then the asking has an end."""
    answered = facts.details.keys() | facts.details_problems.keys()
    return not (
        answered.issuperset(wanted.details) and facts.tags.keys() >= set(wanted.repositories)
    )


def _with_answers(
    facts: Facts,
    tags: Mapping[Repository, tuple[str, ...] | ImagebotError],
    details: Mapping[tuple[Repository, str], ImageDetails | ImagebotError],
) -> Facts:
    """The facts with new answers added; an error becomes the reason why evidence is missing."""
    return replace(
        facts,
        tags={**facts.tags, **{repository: _tags(answer) for repository, answer in tags.items()}},
        details={
            **facts.details,
            **{key: got for key, got in details.items() if isinstance(got, ImageDetails)},
        },
        details_problems={
            **facts.details_problems,
            **{key: str(got) for key, got in details.items() if isinstance(got, ImagebotError)},
        },
    )


def _tags(answer: tuple[str, ...] | ImagebotError) -> TagAnswer:
    if isinstance(answer, ImagebotError):
        return TagAnswer(problem=str(answer))
    return TagAnswer(tags=answer)


def _ask(
    keys: Sequence[Key], question: Callable[[Key], Value], what: str, progress: Progress
) -> dict[Key, Value | ImagebotError]:
    """Ask one question for every key at once; an answer is a value or the error it raised.

    The threads are daemons, which no executor's are: when a signal ends the run, nobody waits
    for a peer that is in no hurry.
    """
    keys = tuple(dict.fromkeys(keys))
    waiting: SimpleQueue[Key] = SimpleQueue()
    for key in keys:
        waiting.put(key)
    came: SimpleQueue[tuple[Key, Value | Exception]] = SimpleQueue()
    stopped = threading.Event()

    def work() -> None:
        with suppress(Empty):
            while not stopped.is_set():
                key = waiting.get_nowait()
                try:
                    came.put((key, question(key)))
                except Exception as error:  # noqa: BLE001 - handed to the thread that asks
                    came.put((key, error))

    for number in range(min(WORKERS, len(keys))):
        threading.Thread(target=work, name=f"gather-{number}", daemon=True).start()
    answers: dict[Key, Value | ImagebotError] = {}
    try:
        while len(answers) < len(keys):
            key, answer = came.get()
            if isinstance(answer, ConfigError) or (
                isinstance(answer, Exception) and not isinstance(answer, ImagebotError)
            ):
                # About this bot or what configures it: no image is to blame.
                raise answer
            answers[key] = answer
            progress(what, len(answers), len(keys))
    finally:
        stopped.set()
    return {key: answers[key] for key in keys}
