"""What could not be carried over from another updater, for `scan` and for `check`."""

from __future__ import annotations

from dataclasses import dataclass, field

from imagebot.errors import Where
from imagebot.manifests.findings import Finding
from imagebot.model import Skipped


@dataclass
class Notes:
    """Collects reasons while objects are read. A fault is a finding too, a remark is not."""

    skipped: list[Skipped] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)

    def fault(self, id_: str, where: Where, message: str, fix: str, *, label: str = "") -> None:
        """Something that its author meant otherwise, or that imagebot cannot do."""
        self.remark(where, f"{label}: {message}" if label else message)
        self.findings.append(Finding(id_, where, message, fix, "warning"))

    def remark(self, where: Where, reason: str) -> None:
        """Something that is left alone and need not be changed by anyone."""
        self.skipped.append(Skipped(where, reason))
