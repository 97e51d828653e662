"""Many Applications over many files: the work that it takes, and the order of what is said."""

from __future__ import annotations

import pytest

from imagebot.compat import argocd
from imagebot.compat.argocdapps import Told
from imagebot.model import ImageUse
from tests.support.govern import scanned, uses

PREFIX = "argocd-image-updater.argoproj.io"
KUSTOMIZATION = "images:\n- name: web\n  newName: ghcr.io/acme/web\n  newTag: 1.0.0\n"


def _app(name: str, path: str, said: dict[str, str]) -> str:
    lines = "".join(f"    {PREFIX}/{key}: {value}\n" for key, value in said.items())
    return (
        f"apiVersion: argoproj.io/v1alpha1\nkind: Application\nmetadata:\n  name: {name}\n"
        f"  annotations:\n{lines}spec:\n  source: {{path: {path}}}\n"
    )


def test_only_what_lists_an_image_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every cluster has an Application for the same image; each use meets its own alone."""
    met: list[int] = []
    real = argocd._Index.of

    def counted(self: argocd._Index, use: ImageUse) -> list[tuple[int, Told]]:
        found = real(self, use)
        met.append(len(found))
        return found

    monkeypatch.setattr(argocd._Index, "of", counted)
    files = {f"c{n}/web/kustomization.yaml": KUSTOMIZATION for n in range(10)}
    apps = {
        f"argocd/{n}.yaml": _app(f"web{n}", f"c{n}/web", {"image-list": "ghcr.io/acme/web"})
        for n in range(10)
    }
    found = [use.governed for use in uses({**files, **apps})]

    assert met == [1] * 10
    assert [governed.by for governed in found if governed] == [
        f"Application web{n}" for n in range(10)
    ]


def test_what_does_not_count_is_said_in_the_order_of_names() -> None:
    """The same words at every start, whatever the seed of hashes."""
    unknown = {f"x{n}.unknown": "y" for n in range(9, -1, -1)}
    app = _app("web", "apps", {"image-list": "ghcr.io/acme/web", **unknown})
    _, findings = scanned({"apps/kustomization.yaml": KUSTOMIZATION, "argocd/web.yaml": app})

    names = [finding.message.split(": ")[1] for finding in findings]
    assert names == [f"x{n}.unknown" for n in range(10)]
