"""What a run remembers for the next one: scans, deferred hosts, pull requests, first sightings.

Everything here is a cache: lose it, and the next run is slower but reaches the same result.
"""

from __future__ import annotations

from imagebot.state.port import State

__all__ = ["State"]
