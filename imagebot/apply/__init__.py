"""From a plan to branches and pull requests, so that a crash anywhere converges.

`observe` sees what git and the forge hold, `pulls.decide` says what to do, `carry_out` does it.
"""

from imagebot.apply.converge import converge
from imagebot.apply.target import Target

__all__ = ["Target", "converge"]
