"""From configuration and facts to a plan: which images move where, and what that writes.

Pure: no network, clock, disk or randomness. The same input gives the same plan, byte for byte.
It asks for evidence it lacks (`wants`) instead of fetching it.
"""

from imagebot.plan.elect import Elections, selection_for
from imagebot.plan.making import plan, wants
from imagebot.plan.writing import merged_changes

__all__ = ["Elections", "merged_changes", "plan", "selection_for", "wants"]
