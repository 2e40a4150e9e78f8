"""What a judgement says. A checkpoint with a finding is suspect: kept and shipped, never chosen as the latest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Reason = Literal["nan", "stale", "zeroed", "norm", "shape", "state-gone"]


@dataclass(frozen=True, slots=True)
class Finding:
    reason: Reason
    tensor: str | None
    """None where the finding is about the checkpoint as a whole."""
    evidence: str
