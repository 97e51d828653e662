"""The short way for tags of numbers alone gives the places of the long way."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from imagebot.policy.base import Situation
from imagebot.policy.follow import Follow, _key
from imagebot.policy.shape import parse_shape

numbers = st.lists(st.integers(0, 10**8).map(str), min_size=1, max_size=4).map(".".join)
endings = st.sampled_from(["", "", "-rc.1", "-alpine", "-alpine3.18", "-1", "-4f5e6d7", "\n", "."])
tags = st.builds("".join, st.tuples(st.sampled_from(["", "v", "V", "x-"]), numbers, endings))
policies = st.builds(
    Follow,
    suffix_upgrade=st.booleans(),
    prerelease=st.booleans(),
    largest=st.sampled_from(["major", "minor"]),
)


@given(policies, numbers, st.sampled_from(["", "v"]), tags)
def test_the_short_way_is_the_long_way(
    policy: Follow, running: str, prefix: str, candidate: str
) -> None:
    """Whatever runs and whatever is offered: the same refusal, or the same key."""
    current = prefix + running
    base, shape = parse_shape(current), parse_shape(candidate)
    if base is None or shape is None:
        return
    order = policy.order(Situation(current, current, listed=True))

    assert order.rank(candidate, candidate) == (policy._refusal(base, shape) or _key(shape))
    assert order.place(current, current) == _key(base)
