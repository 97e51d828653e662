"""Small repositories for tests of other updaters' objects: texts in, governed uses out."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from imagebot.compat import govern
from imagebot.config import Config
from imagebot.imageref import parse_repository
from imagebot.manifests.findings import Finding
from imagebot.manifests.scan import scan_file
from imagebot.model import Facts, FileScan, ImageDetails, ImageUse, Plan, TagAnswer
from imagebot.plan import merged_changes, plan

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def scanned(
    files: Mapping[str, str | bytes], config: Config | None = None
) -> tuple[dict[str, FileScan], list[Finding]]:
    """Scan files and say who governs their uses."""
    scans = {path: scan_file(path, _bytes(text)) for path, text in files.items()}
    governed, findings = govern(scans, config or Config.default())
    return governed, list(findings)


def uses(files: Mapping[str, str | bytes]) -> list[ImageUse]:
    """Every use, by path and place."""
    scans, _ = scanned(files)
    return [use for path in sorted(scans) for use in scans[path].uses]


def planned(
    files: Mapping[str, str | bytes],
    tags: Mapping[str, tuple[str, ...]],
    config: Config | None = None,
    details: Mapping[tuple[str, str], ImageDetails] | None = None,
) -> Plan:
    """The plan over files, with what registries would answer."""
    scans, _ = scanned(files, config)
    facts = Facts(
        scans=scans,
        texts={path: _bytes(text) for path, text in files.items()},
        tags={parse_repository(name): TagAnswer(found) for name, found in tags.items()},
        details={(parse_repository(n), t): d for (n, t), d in (details or {}).items()},
    )
    return plan(config or Config.default(), facts, NOW)


def written(made: Plan) -> dict[str, str]:
    """The new texts of the files that a plan changes."""
    return {change.path: change.new.decode() for change in merged_changes(made)}


def flux_policy(
    name: str = "web",
    image: str = "ghcr.io/acme/web",
    policy: str = '{semver: {range: ">=1.0.0"}}',
    *,
    namespace: str = "apps",
    more: str = "",
    repository: str = "",
) -> str:
    """An ImageRepository and an ImagePolicy of the same name; `more` and `repository` extend."""
    return f"""\
apiVersion: image.toolkit.fluxcd.io/v1
kind: ImageRepository
metadata: {{name: {name}, namespace: {namespace}}}
spec:
  image: {image}
  interval: 5m
{repository}---
apiVersion: image.toolkit.fluxcd.io/v1
kind: ImagePolicy
metadata: {{name: {name}, namespace: {namespace}, labels: {{team: a}}}}
spec:
  imageRepositoryRef: {{name: {name}}}
  policy: {policy}
{more}"""


def _bytes(text: str | bytes) -> bytes:
    return text if isinstance(text, bytes) else text.encode()
