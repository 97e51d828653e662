"""Which parts of a reference are written: tag, digest or both.

Knows what `pin` means for each way an image is written. It refuses to know tags' order.
"""

from __future__ import annotations

from imagebot.config import ImageSettings
from imagebot.imageref import ImageRef
from imagebot.model import ImageUse


def needs_digest(image: ImageRef, settings: ImageSettings, chosen: str) -> bool:
    """Whether the digest of the chosen tag must be known to write the new reference."""
    if settings.pin is not None:
        return settings.pin != "tag"
    follows = not image.tag or settings.policy.name == "digest"
    return bool(image.digest) and (follows or chosen != image.tag)


def target_of(use: ImageUse, settings: ImageSettings, chosen: str, digest: str) -> ImageRef | str:
    """The reference that a use shall hold, or why it cannot be said.

    `digest` is the chosen tag's, empty where `needs_digest` says that it does not matter.
    """
    image, pin = use.image, settings.pin
    roles = {slot.role for slot in use.slots}
    if pin is None:
        # Neither is written where another updater's marker stands beside an empty value.
        tag = chosen if image.tag or not image.digest else ""
        return image.with_version(tag, digest or image.digest)
    if pin == "tag":
        return image.with_version(chosen, "")
    if "digest" in roles and "tag" not in roles:
        # A line with a digest alone has no place for a tag, and says what runs.
        return image.with_version("", digest)
    if pin == "tag@digest" or "tag" in roles:
        # A tag on a line of its own stays: it is what people read.
        return image.with_version(chosen, digest)
    if settings.policy.name == "follow":
        return (
            "follow needs the running tag, and `pin: digest` would take it away: "
            "use `pin: tag@digest`, or another policy"
        )
    return image.with_version("", digest)
