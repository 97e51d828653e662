"""Finding the nearest of many objects of one name, and the work that it takes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from imagebot.compat.folders import Nearest, above
from imagebot.compat.values import Values
from imagebot.errors import Where
from imagebot.governing import PolicyObject
from tests.support.govern import flux_policy, scanned, uses

POD = (
    "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec:\n  containers:\n  - name: c\n    image: "
)
AUTOMATION = (
    "---\napiVersion: image.toolkit.fluxcd.io/v1\nkind: ImageUpdateAutomation\n"
    "metadata: {{name: all, namespace: apps}}\nspec: {{update: {{path: ./{path}}}}}\n"
)
PATHS = st.lists(st.sampled_from("ab"), max_size=4).map(lambda parts: "/".join([*parts, "f.yaml"]))


def _shared(one: str, other: str) -> int:
    """How many folders two files have in common, counted from the root."""
    pairs = zip(one.split("/")[:-1], other.split("/")[:-1], strict=False)
    return next(
        (n for n, (a, b) in enumerate(pairs) if a != b), min(one.count("/"), other.count("/"))
    )


@given(st.lists(PATHS, max_size=8), PATHS)
def test_the_nearest_are_those_that_share_most_folders(places: list[str], path: str) -> None:
    """What the index finds is what a look at every object finds, in the same order."""
    objects = [
        Values(PolicyObject("ImagePolicy", "", "web", (), Where(place, line)))
        for line, place in enumerate(places, 1)
    ]
    nearest = Nearest(objects)
    most = max((_shared(place, path) for place in places), default=0)

    assert list(nearest.below(nearest.folder(path))) == [
        item for item in objects if _shared(item.path, path) == most
    ]


@pytest.mark.parametrize(
    ("path", "folders"), [("f", [""]), ("a/f", ["a", ""]), ("a/b/f", ["a/b", "a", ""])]
)
def test_the_folders_above_a_file_end_at_the_root(path: str, folders: list[str]) -> None:
    """The innermost first, and no folder that only begins like one."""
    assert list(above(path)) == folders


def _clusters(count: int) -> dict[str, str | bytes]:
    marked = f'{POD}ghcr.io/acme/web:1.0.0 # {{"$imagepolicy": "apps:web"}}\n'
    files: dict[str, str | bytes] = {}
    for number in range(count):
        folder = f"clusters/c{number}"
        files[f"{folder}/flux.yaml"] = flux_policy() + AUTOMATION.format(path=folder)
        files[f"{folder}/web.yaml"] = marked
    return files


def test_the_work_grows_as_the_clusters_do(monkeypatch: pytest.MonkeyPatch) -> None:
    """Twice as many clusters with a policy of one name ask twice as many questions, not more."""
    asked = 0
    real = Values.text

    def counted(self: Values, *keys: str | int) -> str:
        nonlocal asked
        asked += 1
        return real(self, *keys)

    monkeypatch.setattr(Values, "text", counted)
    scanned(_clusters(5))
    few, asked = asked, 0
    scanned(_clusters(10))

    assert 0 < asked <= 2 * few


@pytest.mark.parametrize(
    ("path", "reached"),
    [("apps", True), ("apps/web.yaml", True), (".", True), ("/apps/", True), ("app", False), ("apps/web", False)],
)  # fmt: skip
def test_an_update_path_is_a_folder_or_a_file(path: str, *, reached: bool) -> None:
    """Written from the root in any way; a folder that only begins like it is another one."""
    files = {
        "flux.yaml": flux_policy() + AUTOMATION.format(path=path),
        "apps/web.yaml": f'{POD}ghcr.io/acme/web:1.0.0 # {{"$imagepolicy": "apps:web"}}\n',
    }

    assert bool(uses(files)) is reached
