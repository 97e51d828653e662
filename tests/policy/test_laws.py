"""Laws that hold for every policy, over generated tags."""

from __future__ import annotations

import dataclasses
import json
import os
import random
import subprocess
import sys
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imagebot.imageref import is_tag
from imagebot.model import ImageDetails
from imagebot.policy import Selection, compile_filter, compile_policy, select

SPECS: list[dict[str, Any]] = [
    {"semver": "*"},
    {"semver": ">=1.1 <2 || >=3.0.0-0"},
    {"semver": {"range": "^1", "prerelease": True}},
    {"alphabetical": "asc"},
    {"alphabetical": "desc"},
    {"numerical": "asc"},
    {"numerical": "desc"},
    {"calendar": {}},
    {"newest": {}},
    {"digest": "1.0"},
    {"follow": {}},
    {"follow": {"suffixUpgrade": True, "prerelease": True}},
    {
        "regex": {
            "pattern": r"^(?P<a>[^-]*)-?(?P<b>.*)$",
            "sort": ["a", {"group": "b", "order": "desc"}],
        }
    },
]
FILTERS = [
    None,
    compile_filter(allow=[r"^v?(?P<n>[0-9.]+)"], extract="$n"),
    compile_filter(allow=["[0-9]"], deny=["rc"]),
]
TAGS = st.one_of(
    st.from_regex(r"v?[0-3](\.[0-3]){0,2}(-(rc|beta|alpine)\.?[0-3]?)?(\+b)?", fullmatch=True),
    st.from_regex(r"20(19|24)[.-]?(01|12)[.-]?(01|31)(-[0-9])?", fullmatch=True),
    st.from_regex(r"-?[0-9]{1,20}(\.[0-9]{1,3})?(e[0-9])?", fullmatch=True),
    st.text(max_size=6),
    st.text(alphabet=st.characters(categories=["Cs", "Cc", "Nd", "Lo"]), max_size=4),
    st.text(alphabet="019.-v+", max_size=128),
)
VERSIONS = st.from_regex(
    r"(v|app-|release-)?0?[0-2](\.[0-2]){0,3}(-rc\.?[0-2]|-r[0-2]|-[0-9a-f]{7})?", fullmatch=True
)
LISTS = st.lists(TAGS, max_size=14)
SPEC = st.sampled_from(SPECS)
FILTER = st.sampled_from(FILTERS)
CURRENT = st.none() | TAGS


def evidence(tags: list[str]) -> dict[str, ImageDetails]:
    """Creation times that depend on the tag alone, with ties and gaps."""
    ages = {tag: sum(tag.encode("utf-8", "surrogatepass")) % 5 for tag in tags}
    return {
        tag: ImageDetails("sha256:" + "0" * 64, created=f"20{age}0-01-01T00:00:00Z" if age else "")
        for tag, age in ages.items()
    }


def decide(
    spec: dict[str, Any], tags: list[str], current: str | None, chosen_filter: Any, **options: Any
) -> Selection:
    known = evidence([*tags, *([current] if current is not None else [])])
    return select(
        compile_policy(spec),
        tags,
        current=current,
        tag_filter=chosen_filter,
        evidence=known,
        **options,
    )


@given(SPEC, LISTS, CURRENT, FILTER, st.randoms(use_true_random=False))
def test_list_order_does_not_matter(
    spec: dict[str, Any],
    tags: list[str],
    current: str | None,
    chosen_filter: Any,
    rng: random.Random,
) -> None:
    """The whole outcome depends on the set of tags, not on their order or repetition."""
    shuffled = [*tags, *tags[:3]]
    rng.shuffle(shuffled)
    one = decide(spec, tags, current, chosen_filter)
    other = decide(spec, shuffled, current, chosen_filter)
    assert (one.chosen, one.order, dict(one.dropped), one.why, one.error) == (
        other.chosen,
        other.order,
        dict(other.dropped),
        other.why,
        other.error,
    )


@given(SPEC, LISTS, CURRENT, FILTER)
def test_every_tag_has_an_answer(
    spec: dict[str, Any], tags: list[str], current: str | None, chosen_filter: Any
) -> None:
    """Each tag either remains or is dropped with a reason; the choice is one that remains."""
    selection = decide(spec, tags, current, chosen_filter)
    if selection.error is None:
        assert set(selection.order).isdisjoint(selection.dropped)
        assert set(selection.order) | set(selection.dropped) == set(tags)
        assert selection.chosen in (*selection.order, current)
    assert all(selection.dropped.values())
    assert (selection.chosen is None) == (selection.error is not None)
    assert selection.why


@given(SPEC, LISTS, CURRENT, FILTER)
def test_dropped_tags_decide_nothing(
    spec: dict[str, Any], tags: list[str], current: str | None, chosen_filter: Any
) -> None:
    """Without the tags that the rules dropped, the choice and the order are the same."""
    selection = decide(spec, tags, current, chosen_filter)
    kept = [tag for tag in tags if tag not in selection.dropped]
    again = decide(spec, kept, current, chosen_filter)
    if kept:
        assert (again.chosen, again.order) == (selection.chosen, selection.order)


@given(SPEC, LISTS, FILTER)
def test_total_order(spec: dict[str, Any], tags: list[str], chosen_filter: Any) -> None:
    """The order of any two tags is the same among others as between them alone, and transitive."""
    current = "1.0.0" if "follow" in spec else None
    order = decide(spec, tags, current, chosen_filter, allow_downgrade=True).order
    for i, better in enumerate(order):
        for worse in order[i + 1 :]:
            two = decide(spec, [worse, better], current, chosen_filter, allow_downgrade=True)
            assert two.order == (better, worse)


@given(SPEC, LISTS, TAGS, FILTER)
def test_never_back(
    spec: dict[str, Any], tags: list[str], current: str, chosen_filter: Any
) -> None:
    """No choice ranks behind a running tag that the policy ranks too."""
    selection = decide(spec, [*tags, current], current, chosen_filter)
    free = decide(spec, [*tags, current], current, chosen_filter, allow_downgrade=True)
    if selection.chosen is not None and current in free.order:
        assert selection.chosen == current or free.order.index(selection.chosen) < free.order.index(
            current
        )
        if selection.chosen != current:
            # Whoever is chosen over the running tag is chosen over it alone, too: no mere tie.
            alone = decide(spec, [selection.chosen, current], current, chosen_filter)
            assert alone.chosen == selection.chosen


@given(SPEC, LISTS, CURRENT, FILTER)
def test_a_choice_is_final(
    spec: dict[str, Any], tags: list[str], current: str | None, chosen_filter: Any
) -> None:
    """Run again with what was chosen as the running tag, nothing changes any more."""
    first = decide(spec, tags, current, chosen_filter)
    if first.chosen is not None:
        assert decide(spec, tags, first.chosen, chosen_filter).chosen in (first.chosen, None)
        if "follow" not in spec:
            assert decide(spec, tags, first.chosen, chosen_filter).chosen == first.chosen


@pytest.mark.parametrize("suffix", ["", ".sig", ".att", ".sbom"])
@pytest.mark.parametrize("spec", [{"alphabetical": "asc"}, {"digest": "sha256-" + "0" * 64}])
def test_signatures_never_run(spec: dict[str, Any], suffix: str) -> None:
    """A signature, attestation or SBOM is no candidate, whatever policy and filter say."""
    tag = "sha256-" + "0" * 64 + suffix
    everything = compile_filter(allow=[""])
    selection = select(compile_policy(spec), [tag], current=None, tag_filter=everything)
    assert selection.chosen is None
    assert "not an image" in selection.dropped[tag]


def test_downgrade_only_when_allowed() -> None:
    """Going back needs permission; without it the running tag stays, also when out of range."""
    policy = compile_policy({"semver": "<2"})
    stays = select(policy, ["1.0.0", "1.5.0"], current="2.1.0")
    assert stays.chosen == "2.1.0"
    assert stays.order == ()
    assert stays.dropped["1.5.0"] == "older than the running 2.1.0"
    assert (
        select(policy, ["1.0.0", "1.5.0"], current="2.1.0", allow_downgrade=True).chosen == "1.5.0"
    )
    descending = compile_policy({"numerical": "desc"})
    assert select(descending, ["5", "3"], current="4").chosen == "3"
    assert select(descending, ["5"], current="4").chosen == "4"


def test_running_tag_without_a_place() -> None:
    """A running tag that the policy cannot read gives way to the best, and the sentence says so."""
    selection = select(compile_policy({"semver": "^1.0"}), ["1.1.2", "0.1"], current="latest")
    assert selection.chosen == "1.1.2"
    assert "the running latest has no place in that order and was not compared" in selection.why


VERSION_FILTER = compile_filter(allow=[r"^v(?P<v>\d+\.\d+\.\d+)$"], extract="$v")
TIME_FILTER = compile_filter(allow=[r"^main-[0-9a-f]+-(?P<ts>[0-9]+)$"], extract="$ts")
RELEASE_FILTER = compile_filter(allow=[r"^(?P<t>RELEASE\.[0-9TZ-]+Z)$"], extract="$t")
OLD_RELEASE, NEW_RELEASE = "RELEASE.2024-01-02T00-00-00Z", "RELEASE.2024-03-02T00-00-00Z"


@pytest.mark.parametrize(
    ("spec", "chosen_filter", "tags", "compared"),
    [
        ({"semver": "*"}, None, ("2.0.0.1", "1.9.0", "2.0.1"), "2.0.0"),
        ({"semver": "*"}, None, ("2.0.5rc1", "2.0.3", "2.0.6"), "2.0.5"),
        ({"semver": "*"}, VERSION_FILTER, ("v2.0.0-hotfix.1", "v1.9.0", "v2.0.0"), "as it is"),
        ({"semver": "*"}, VERSION_FILTER, ("v2.0.0.1", "v1.9.0", "v2.0.1"), "v2.0.0"),
        ({"numerical": "asc"}, None, ("20240301-hotfix", "20240201", "20240401"), "20240301"),
        ({"numerical": "desc"}, None, ("5-hotfix", "6", "4"), "5"),
        (
            {"numerical": "asc"},
            TIME_FILTER,
            (
                "main-2d3fcbd-1611906956-dirty",
                "main-2d3fcbd-1611906950",
                "main-2d3fcbd-1611906957",
            ),
            "1611906956",
        ),
        ({"calendar": {}}, None, ("2024.03.01-rc1", "2024.01.01", "2024.03.02"), "2024.03.01"),
        ({"calendar": {}}, None, ("20240301a", "20240201", "20240302"), "20240301"),
        (
            {"alphabetical": "asc"},
            RELEASE_FILTER,
            (f"{NEW_RELEASE}.hotfix.4f5e6d7", OLD_RELEASE, "RELEASE.2024-03-03T00-00-00Z"),
            NEW_RELEASE,
        ),
        (
            {"regex": {"pattern": r"^(\d+)_(\d+)$", "template": "$1.$2", "as": "version"}},
            None,
            ("2_0-hotfix", "1_9", "2_1"),
            "2_0",
        ),
        ({"semver": "*"}, None, ("release-1.6.0", "1.5.0", "1.7.0"), "1.6.0"),
        ({"semver": "*"}, None, ("release-v1.6.0", "1.5.0", "1.7.0"), "1.6.0"),
        ({"semver": "*"}, None, ("V1.6.0", "v1.5.0", "v1.7.0"), "1.6.0"),
        ({"semver": "*"}, None, ("app_1.6.0.1-hotfix", "1.5.0", "1.7.0"), "1.6.0"),
        ({"semver": "*"}, VERSION_FILTER, ("release-1.6.0", "v1.5.0", "v1.7.0"), "1.6.0"),
        ({"numerical": "asc"}, None, ("v200", "100", "300"), "200"),
        ({"numerical": "asc"}, None, ("build-200-hotfix", "100", "300"), "200"),
        ({"numerical": "desc"}, None, ("v200", "300", "100"), "200"),
        ({"calendar": {}}, None, ("release-2024.03.01", "2024.02.01", "2024.04.01"), "2024.03.01"),
    ],
)
def test_a_running_tag_that_is_read_in_part_is_never_left_for_an_older_one(
    spec: dict[str, Any], chosen_filter: Any, tags: tuple[str, str, str], compared: str
) -> None:
    """A hotfix, a fourth number or a suffix does not open the way back; what is above wins."""
    running, older, newer = tags
    policy = compile_policy(spec)
    stays = select(policy, [older, running], current=running, tag_filter=chosen_filter)
    assert (stays.chosen, stays.error) == (running, None)
    assert "running" in stays.why
    assert compared in stays.why
    moves = select(policy, [older, running, newer], current=running, tag_filter=chosen_filter)
    assert moves.chosen == newer
    assert compared in moves.why
    back = select(policy, [older], current=running, tag_filter=chosen_filter, allow_downgrade=True)
    assert back.chosen == older


def test_the_equal_of_a_leading_part_does_not_replace_the_running_tag() -> None:
    """2.0.0 is not above 2.0.0.1; and a step from there is measured from 2.0.0."""
    policy = compile_policy({"semver": "*"})
    stays = select(policy, ["1.9.0", "2.0.0"], current="2.0.0.1")
    assert stays.chosen == "2.0.0.1"
    assert "the running 2.0.0.1 stays; the running tag was compared as 2.0.0" in stays.why
    assert select(policy, ["3.0.0"], current="2.0.0.1").size == "major"
    lane = select(policy, ["2.0.1", "3.0.0"], current="2.0.0.1", separate=("major",))
    assert lane.chosen == "2.0.1"


class _Measured:
    """A policy whose places tell no step: every step is measured between two texts."""

    def __init__(self, policy: Any) -> None:
        self._policy = policy

    def __getattr__(self, name: str) -> Any:
        return getattr(self._policy, name)

    def __str__(self) -> str:
        return str(self._policy)

    def order(self, situation: Any) -> Any:
        return dataclasses.replace(self._policy.order(situation), step=None)


@given(
    spec=SPEC | st.sampled_from([{"semver": "*"}, {"follow": {"prerelease": True}}]),
    tags=LISTS | st.lists(VERSIONS, max_size=14),
    current=CURRENT | VERSIONS,
    chosen_filter=FILTER,
    lane=st.sampled_from(["", "major", "minor", "patch"]),
    back=st.booleans(),
)
@settings(deadline=None)
def test_steps_told_by_places_are_those_between_texts(
    *,
    spec: dict[str, Any],
    tags: list[str],
    current: str | None,
    chosen_filter: Any,
    lane: str,
    back: bool,
) -> None:
    """What spares long lists their parsing changes no lane, no reason and no size."""
    policy = compile_policy(spec)
    known = evidence([*tags, *([current] if current is not None else [])])
    quick, measured = (
        select(
            each,
            tags,
            current=current,
            tag_filter=chosen_filter,
            allow_downgrade=back,
            evidence=known,
            separate=("major", "minor"),
            lane=lane,
        )
        for each in (policy, _Measured(policy))
    )
    assert quick == measured


@pytest.mark.parametrize(
    ("spec", "running"), [({"semver": "*"}, "1.0.0"), ({"follow": {}}, "1.0.0")]
)
def test_lanes_of_long_lists_parse_no_tag_again(
    spec: dict[str, Any], running: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The step to each of many candidates comes from its place: only the winner's is measured."""
    policy = compile_policy(spec)
    measured: list[str] = []
    step = type(policy).step

    def counted(self: Any, old: str, new: str) -> str:
        measured.append(new)
        return step(self, old, new)

    monkeypatch.setattr(type(policy), "step", counted)
    tags = [f"{major}.{minor}.0" for major in range(1, 11) for minor in range(20)]
    found = select(policy, tags, current=running, separate=("major", "minor"), lane="minor")
    assert (found.chosen, found.size) == ("1.19.0", "minor")
    assert found.dropped["2.0.0"] == "no minor step"
    assert set(measured) <= {running, "1.19.0"}


@pytest.mark.parametrize(
    "running",
    [
        "latest",
        "4f5e6d7",
        "4f5e6d7-dirty",
        "sha-1234567",
        "main",
        "feature-2",
        "pr-12",
        "dev200",
        "release-4f5e6d7",
        "main-4f5e6d7-dirty",
    ],
)
@pytest.mark.parametrize(
    ("spec", "chosen_filter", "best"),
    [
        ({"semver": "*"}, None, "1.1.2"),
        ({"semver": "*"}, VERSION_FILTER, "v0.1.0"),
        ({"numerical": "asc"}, TIME_FILTER, "main-2d3fcbd-3"),
        ({"alphabetical": "asc"}, TIME_FILTER, "main-2d3fcbd-3"),
    ],
)
def test_a_tag_with_nothing_to_place_gives_way(
    running: str, spec: dict[str, Any], chosen_filter: Any, best: str
) -> None:
    """A moving tag, a commit or a branch is no version, not even by the digits it starts with."""
    selection = select(
        compile_policy(spec), [best, running], current=running, tag_filter=chosen_filter
    )
    assert selection.chosen == best
    assert f"the running {running} has no place in that order" in selection.why


@given(
    release=st.tuples(*[st.integers(0, 9)] * 3),
    behind=st.sampled_from(["", ".1", "-hotfix", "-hotfix.1", "rc1", "_4", "-01", "-r3", ".x"]),
    tags=st.lists(st.tuples(*[st.integers(0, 9)] * 3), min_size=1, max_size=6),
    chosen_filter=st.sampled_from([None, VERSION_FILTER]),
)
def test_what_stands_behind_a_version_never_sends_it_back(
    release: tuple[int, ...], behind: str, tags: list[tuple[int, ...]], chosen_filter: Any
) -> None:
    """Whatever is written behind the running version, no lower version is chosen."""
    running = "v" + ".".join(map(str, release)) + behind
    listed = {"v" + ".".join(map(str, numbers)): numbers for numbers in tags}
    policy = compile_policy({"semver": "*"})
    chosen = select(policy, [*listed], current=running, tag_filter=chosen_filter).chosen
    assert chosen is not None
    assert listed.get(chosen, release) >= release


def test_same_answer_in_every_process() -> None:
    """Two processes with different hash seeds give the same answers, byte for byte."""
    program = (
        "import json\n"
        "from imagebot.policy import decide_line\n"
        "tags = [f'{p}1.{n % 7}.{n % 3}{s}' for n in range(40) for p in ('', 'v') for s in ('', '-rc.1', '+b')]\n"
        "for spec in ({'semver': '>=1.0-0'}, {'alphabetical': 'asc'}, {'follow': {}}):\n"
        "    print(json.dumps(decide_line({'policy': spec, 'tags': tags, 'current': '1.1.1'})))\n"
    )
    outputs = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
            text=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(outputs) == 1
    assert json.loads(outputs.pop().splitlines()[0])["chosen"] == "v1.6.2+b"


HUGE = [f"{n % 97}.{n % 89}.{n}-{'x' * (n % 100)}" for n in range(200_000)]


@pytest.mark.parametrize("spec", [{"semver": "*-0"}, {"alphabetical": "asc"}, {"numerical": "asc"}])
def test_huge_lists(spec: dict[str, Any]) -> None:
    """Two hundred thousand tags are decided, all of them accounted for, in seconds."""
    start = time.perf_counter()
    selection = select(compile_policy(spec), HUGE, current=None, tag_filter=FILTERS[2])
    assert time.perf_counter() - start < 20
    assert len(selection.order) + len(selection.dropped) == len(HUGE)


@settings(max_examples=60)
@given(SPEC, st.sampled_from(["9", "1.", "-", "a", "0", "v", "é", "\x00", "1-", "rc", "T"]), FILTER)
def test_long_tags(spec: dict[str, Any], unit: str, chosen_filter: Any) -> None:
    """Tags of any length and content are answered quickly; none of them raises."""
    tags = [(unit * 200_000)[:length] for length in (1, 127, 128, 129, 257, 5000, 200_000)]
    start = time.perf_counter()
    selection = decide(spec, [*tags, "1.0"], tags[2], chosen_filter)
    assert time.perf_counter() - start < 5
    if selection.chosen is not None and len(selection.why) > 2000:
        assert not is_tag(selection.chosen)
