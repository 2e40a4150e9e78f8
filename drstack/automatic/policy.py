"""What an environment allows to be done without a person. Seconds throughout."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Remedy = Literal["reship", "replace", "restart"]


@dataclass(frozen=True, slots=True)
class Policy:
    """`to`: the one site that may take over. `observers`: names of those whose word counts."""

    to: str
    observers: tuple[str, ...]
    after_s: float
    """How long the condition has to hold, for each observer, without a break."""
    looks: int
    """And for how many looks in a row."""
    period_s: float
    """One automatic promotion in so long."""
    repair: tuple[Remedy, ...]
    attempts: int
    """How often one remedy is tried for one workload, or site, in a period."""
    lease_margin_s: float
    """Bounds for drift and pauses, past the end of a lease."""
    automatic: bool = True
    """Whether promotions are made; False: observers only look, and repair nothing."""
