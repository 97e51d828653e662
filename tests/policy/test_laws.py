"""Laws that hold for every policy, over generated tags."""

from __future__ import annotations

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
    assert "the running latest has no place in that order" in selection.why


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
