"""Other updaters' objects in a repository, so that it works with no configuration of its own.

Knows Flux's image automation and Argo CD Image Updater: what they would change, and what of it
cannot be carried over. Pure: values in, values out. It refuses to know registries and clusters.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from imagebot.compat.settings import OFF, settings_of, spec, why_off
from imagebot.config import Config
from imagebot.manifests.findings import Finding
from imagebot.model import FileScan, Skipped

__all__ = ["OFF", "govern", "settings_of", "spec", "why_off"]


def govern(
    scans: Mapping[str, FileScan], config: Config
) -> tuple[dict[str, FileScan], tuple[Finding, ...]]:
    """Say of every use who governs it, over all files of a repository at once.

    Returns the scans with governed uses, with marked values as uses, and with everything that
    was not carried over as skipped; and what of that a person should look at.
    """
    objects = [found for path in sorted(scans) for found in scans[path].objects]
    if not objects and not any(scan.markers for scan in scans.values()):
        return dict(scans), ()
    # Most repositories have no such object, and need none of this.
    from imagebot.compat import argocd, argocdapps, flux
    from imagebot.compat.fluxpolicy import Fleet
    from imagebot.compat.notes import Notes

    notes = Notes()
    fleet = Fleet(objects)
    marked = {path: flux.join(path, scans[path], fleet, notes, config) for path in sorted(scans)}
    told = argocdapps.told(objects, notes)
    joined = argocd.join(marked, told, notes)
    by_path: dict[str, list[Skipped]] = {}
    for skip in notes.skipped:
        by_path.setdefault(skip.where.path, []).append(skip)
    for path, skips in by_path.items():
        scan = joined.get(path, FileScan())
        joined[path] = replace(scan, skipped=(*scan.skipped, *skips))
    return joined, tuple(notes.findings)
