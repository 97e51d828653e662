"""Which tag should run: policies, filters and the election between tags. Pure.

Knows text, order and the evidence that it is given. Refuses network, clock, disk and chance.
"""

from imagebot.policy.base import Policy, Selection
from imagebot.policy.batch import decide_line
from imagebot.policy.compiler import compile_policy
from imagebot.policy.election import select
from imagebot.policy.filters import TagFilter, compile_filter

__all__ = [
    "Policy",
    "Selection",
    "TagFilter",
    "compile_filter",
    "compile_policy",
    "decide_line",
    "select",
]
