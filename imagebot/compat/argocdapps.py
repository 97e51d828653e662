"""Argo CD Applications and what Image Updater is told about them, by annotation or by resource.

Knows both ways to say it and which one counts for an Application. It refuses to know image uses.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase

from imagebot.compat.argocdimages import Listed, Wishes, entry, governed
from imagebot.compat.notes import Notes
from imagebot.compat.values import Values, selects
from imagebot.errors import InvalidReference, Where
from imagebot.governing import Governed, PolicyObject
from imagebot.imageref import Repository, parse_repository
from imagebot.manifests.foreign import AIU
from imagebot.model import KeyPath

_HELM = "values of Helm are not written yet"
_HELM_FIX = "give the image a rule in .imagebot.yaml"
_PER_IMAGE = frozenset(
    {"update-strategy", "allow-tags", "ignore-tags", "platforms", "kustomize.image-name"}
)
_REMARKS = {
    "pull-secret": "credentials come from the Docker configuration that the operator names",
    "git-branch": "the base branch is the operator's choice",
    "git-repository": "pull requests go to the repository that the operator names",
}
_NO_MATTER = frozenset({"force-update"})
"""Speaks of what runs in a cluster, which imagebot never looks at."""


@dataclass(frozen=True)
class Told:
    """One image that an Application lists: where it may be written, and by which rule.

    `folder` is the source path, empty for the root; `only` limits it to the kustomization of a
    folder. `matches` is what an `images:` entry is called, where that is told.
    """

    where: Where
    label: str
    image: Repository
    matches: Repository | None
    folder: str
    only: str | None
    governed: Governed


def told(found: Iterable[PolicyObject], notes: Notes) -> list[Told]:
    """Every image that an Application of the repository lists."""
    held = [Values(item) for item in found]
    apps = [item for item in held if item.found.kind == "Application"]
    updaters = [item for item in held if item.found.kind == "ImageUpdater"]
    for item in held:
        if item.found.kind == "ApplicationSet" and item.has("spec", "template"):
            _templated(item, notes)
    reached: set[tuple[str, int]] = set()
    everything: list[Told] = []
    for app in apps:
        best = _best(app, updaters)
        if best:
            reached.add((str(best[0].found.where), best[1]))
        everything += _told(app, best, notes)
    for updater in updaters:
        _unreached(updater, reached, notes)
    return everything


def _templated(item: Values, notes: Notes) -> None:
    if item.has("spec", "template", "metadata", "annotations"):
        notes.fault(
            "argocd-template",
            item.where("spec", "template", "metadata", "annotations"),
            f"{item}: annotations of a template are not followed",
            "give the images rules in .imagebot.yaml",
        )


def _unreached(updater: Values, reached: set[tuple[str, int]], notes: Notes) -> None:
    for index in updater.indexes("spec", "applicationRefs"):
        if (str(updater.found.where), index) not in reached:
            keys = ("spec", "applicationRefs", index)
            pattern = updater.text(*keys, "namePattern")
            reason = f"{updater}: no Application of the files goes by {pattern!r}"
            notes.remark(updater.where(*keys), reason)


def _best(app: Values, updaters: Iterable[Values]) -> tuple[Values, int] | None:
    """The reference that selects an Application: labels beat none, then the longest pattern."""
    found: list[tuple[tuple[bool, bool, int], str, int, Values]] = []
    labels = app.pairs("metadata", "labels")
    for updater in updaters:
        namespace = updater.text("spec", "namespace") or updater.found.namespace
        if namespace and app.found.namespace and namespace != app.found.namespace:
            continue
        for index in updater.indexes("spec", "applicationRefs"):
            keys: KeyPath = ("spec", "applicationRefs", index)
            pattern = updater.text(*keys, "namePattern")
            selector = (*keys, "labelSelectors")
            if fnmatchcase(app.found.name, pattern) and selects(updater, selector, labels):
                exact = not set("*?[") & set(pattern)
                rank = (exact, updater.has(*selector), len(pattern))
                found.append((rank, str(updater.found.where), -index, updater))
    if not found:
        return None
    *_, index, updater = max(found, key=lambda item: item[:3])
    return updater, -index


def _told(app: Values, best: tuple[Values, int] | None, notes: Notes) -> Iterator[Told]:
    if best and not best[0].flag("spec", "applicationRefs", best[1], "useAnnotations"):
        said = list(_by_resource(app, *best, notes))
        target = _resource_target(*best)
    else:
        said = list(_by_annotations(app, notes))
        target = app.text("metadata", "annotations", f"{AIU}/write-back-target")
    if not said:
        return
    folders = _folders(app, said[0].where, notes)
    for item in said:
        yield from _placed(item, folders, target, notes)


@dataclass(frozen=True)
class _Said:
    """One listed image before it is known where it is written."""

    where: Where
    label: str
    image: Repository
    matches: Repository | None
    governed: Governed


def _placed(item: _Said, folders: list[str], target: str, notes: Notes) -> Iterator[Told]:
    kind, _, path = target.partition(":")
    if kind == "helmvalues":
        notes.fault("argocd-helm", item.where, _HELM, _HELM_FIX, label=item.label)
        return
    for folder in folders:
        only = None
        if kind == "kustomization":
            only = _inside(path, folder)
            if only is None:
                problem = f"the target {target!r} leaves the repository"
                notes.fault("argocd-path", item.where, problem, "correct it", label=item.label)
                continue
        yield Told(item.where, item.label, item.image, item.matches, folder, only, item.governed)


def _inside(path: str, folder: str) -> str | None:
    """A folder named from the root (`/a`) or from another one; None when it leaves the root."""
    joined = path.lstrip("/") if path.startswith("/") else posixpath.join(folder, path)
    clean = posixpath.normpath(joined or ".")
    if clean == ".." or clean.startswith(("../", "/")):
        return None
    return "" if clean == "." else clean


def _folders(app: Values, where: Where, notes: Notes) -> list[str]:
    """The source paths of an Application in the repository."""
    sources: list[KeyPath] = [("spec", "sources", n) for n in app.indexes("spec", "sources")]
    sources = sources or [("spec", "source")]
    folders: list[str] = []
    for source in sources:
        if app.has(*source, "chart"):
            notes.fault("argocd-helm", where, f"{app}: {_HELM}", _HELM_FIX)
            continue
        folder = _inside(app.text(*source, "path"), "") if app.has(*source, "path") else None
        if folder is not None:
            folders.append(folder)
    if not folders and not any(app.has(*source, "chart") for source in sources):
        notes.fault("argocd-path", where, f"{app}: it has no source path", "give it one")
    return folders


def _by_annotations(app: Values, notes: Notes) -> Iterator[_Said]:
    keys: KeyPath = ("metadata", "annotations")
    said = {name.removeprefix(f"{AIU}/"): text.strip() for name, text in app.pairs(*keys).items()}
    if "image-list" not in said:
        return
    used = {"image-list", "write-back-method", "write-back-target"}
    for text in filter(str.strip, said["image-list"].split(",")):
        where = app.where(*keys, f"{AIU}/image-list")
        listed = _entry(app, text, where, notes)
        if listed is None:
            continue
        own = (
            {}
            if not listed.alias
            else {
                name.removeprefix(f"{listed.alias}."): value
                for name, value in said.items()
                if name.startswith(f"{listed.alias}.")
            }
        )
        used.update(f"{listed.alias}.{name}" for name in own if name in _PER_IMAGE)
        used.update(_PER_IMAGE)
        if any(name.startswith("helm.") for name in own):
            used.update(f"{listed.alias}.{name}" for name in own if name.startswith("helm."))
            notes.fault("argocd-helm", where, _HELM, _HELM_FIX, label=f"{app} {text.strip()}")
            continue
        setting = {**said, **own}
        wishes = Wishes(
            setting.get("update-strategy", ""),
            setting.get("allow-tags", ""),
            _list(setting.get("ignore-tags", "")),
            _list(setting.get("platforms", "")),
        )
        rule = governed(str(app), listed.constraint, wishes)
        matches = own.get("kustomize.image-name", "")
        yield _said(where, f"{app} {text.strip()}", listed, matches, rule)
    _leftover(app, said, used, notes)


def _leftover(app: Values, said: dict[str, str], used: set[str], notes: Notes) -> None:
    """Say of every annotation that did not count why not."""
    for name in sorted(said.keys() - used):
        last = name.rpartition(".")[2]
        where = app.where("metadata", "annotations", f"{AIU}/{name}")
        if last in _REMARKS:
            notes.remark(where, f"{app}: {name}: {_REMARKS[last]}")
        elif last not in _NO_MATTER:
            notes.fault(
                "argocd-annotation",
                where,
                f"{app}: {name}: it belongs to no image of the list, or is not known",
                "correct or remove it",
            )


def _list(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _entry(holder: Values, text: str, where: Where, notes: Notes) -> Listed | None:
    try:
        return entry(text)
    except InvalidReference as error:
        notes.fault("argocd-image", where, f"{holder}: {error.message}", "correct the entry")
        return None


def _said(where: Where, label: str, listed: Listed, matches: str, rule: Governed) -> _Said:
    try:
        named = parse_repository(matches) if matches else None
    except InvalidReference as error:
        named, rule = None, Governed(rule.by, ("", ""), stopped=error.message)
    return _Said(where, label, listed.repository, named, rule)


def _resource_target(updater: Values, index: int) -> str:
    keys: KeyPath = ("writeBackConfig", "gitConfig", "writeBackTarget")
    own = updater.text("spec", "applicationRefs", index, *keys)
    return own or updater.text("spec", *keys)


def _by_resource(app: Values, updater: Values, index: int, notes: Notes) -> Iterator[_Said]:
    reference: KeyPath = ("spec", "applicationRefs", index)
    for number in updater.indexes(*reference, "images"):
        image: KeyPath = (*reference, "images", number)
        text, where = updater.text(*image, "imageName"), updater.where(*image)
        listed = _entry(updater, text, where, notes)
        if listed is None:
            continue
        if updater.has(*image, "manifestTargets", "helm"):
            notes.fault("argocd-helm", where, _HELM, _HELM_FIX, label=f"{updater} {text}")
            continue
        layers = [(*level, "commonUpdateSettings") for level in (image, reference, ("spec",))]
        if any(updater.has(*layer, "pullSecret") for layer in layers):
            notes.remark(where, f"{updater} {text}: pullSecret: {_REMARKS['pull-secret']}")
        wishes = Wishes(
            _first(updater, layers, "updateStrategy"),
            _first(updater, layers, "allowTags"),
            _first_list(updater, layers, "ignoreTags"),
            _first_list(updater, layers, "platforms"),
        )
        matches = updater.text(*image, "manifestTargets", "kustomize", "name")
        rule = governed(str(app), listed.constraint, wishes)
        yield _said(where, f"{app} {text}", listed, matches, rule)


def _first(updater: Values, layers: list[KeyPath], key: str) -> str:
    return next((text for layer in layers if (text := updater.text(*layer, key))), "")


def _first_list(updater: Values, layers: list[KeyPath], key: str) -> tuple[str, ...]:
    return next((tuple(items) for layer in layers if (items := updater.texts(*layer, key))), ())
