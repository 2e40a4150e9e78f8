"""What a judgement says. A checkpoint with a finding is suspect: kept and shipped, never chosen as the latest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

Reason = Literal["nan", "stale", "stale-file", "swapped", "zeroed", "norm", "drift", "shape", "state-gone", "index"]
REASONS: tuple[Reason, ...] = get_args(Reason)


@dataclass(frozen=True, slots=True)
class Finding:
    reason: Reason
    tensor: str | None
    """None where the finding is about the checkpoint as a whole."""
    evidence: str
