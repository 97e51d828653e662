"""What holds for one image use, from the configuration and from other updaters' objects.

Knows their order: a rule of `.imagebot.yaml` wins for every key that it sets, then what governs
the use, then the defaults. It refuses to know where either was written.
"""

from __future__ import annotations

from dataclasses import replace

from imagebot.config import Config, ImageSettings, settings_for
from imagebot.errors import PolicyError
from imagebot.governing import Governed
from imagebot.model import ImageUse
from imagebot.policy import Policy, TagFilter, compile_filter, compile_policy

OFF = "switched off in the configuration"


def settings_of(config: Config, use: ImageUse) -> ImageSettings:
    """What holds for a use. Never raises: rules that cannot be read leave it alone."""
    own = settings_for(config, use.image.repository)
    governed = use.governed
    if governed is None:
        return own
    runs = own.enabled and (not governed.stopped or "enabled" in own.rules)
    settings = replace(
        own,
        enabled=runs,
        platforms=own.platforms if "platforms" in own.rules else governed.platforms,
    )
    if governed.digest and "pin" not in own.rules:
        settings = replace(settings, pin="tag@digest")
    try:
        if "policy" not in own.rules:
            settings = replace(settings, policy=_policy(governed))
        if "tag_filter" not in own.rules:
            settings = replace(settings, tag_filter=_filter(governed))
    except PolicyError:
        return replace(settings, enabled=False)
    return settings


def why_off(use: ImageUse) -> str:
    """Why a use with settings that are not enabled is left alone."""
    governed = use.governed
    if governed and governed.stopped:
        return f"{governed.stopped} ({governed.by})"
    return OFF


def spec(governed: Governed) -> dict[str, object]:
    """The policy as a configuration would write it."""
    name, option = governed.policy
    return {name: option or {}}


def _policy(governed: Governed) -> Policy:
    return compile_policy(spec(governed), strict=governed.strict)


def _filter(governed: Governed) -> TagFilter | None:
    if not (governed.allow or governed.deny):
        return None
    return compile_filter(governed.allow, governed.deny, governed.extract)
