"""The bounds of admission. All are set so that a healthy run, with its warm-up and loss spikes, never meets one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from replicator.admission.findings import Reason


@dataclass(frozen=True, slots=True)
class Policy:
    min_elements: int = 16
    """Smaller tensors (counters, temperatures, loss scales) are judged only by `nan`, `shape` and `state-gone`."""
    norm_history: int = 4
    """Older values that are not zero, below which nothing is said about a norm."""
    norm_factor: float = 1e3
    """Times the greatest norm seen."""
    moment_factor: float = 1e6
    """The same for optimizer state, whose second moments square a spike of the gradient."""
    growth_factor: float = 10.0
    """Times the greatest rise between two checkpoints so far, where that allows more: warm-up rises fast."""
    steady_spread: float = 10.0
    """A norm may be found too small only where it has moved by less than this so far."""
    decayed: float = 1e-3
    """Optimizer state that had sunk below this part of its greatest norm was fading out, not zeroed."""
    jump_factor: float = 4.0
    """Times the last norm, up or down, for a weight; what moved far between checkpoints before may move further."""
    jump_growth: float = 10.0
    """By how much more, as a logarithm, than between any two checkpoints before."""
    drift_factor: float = 2.0
    """Growth from one checkpoint to the next, three times running, of a weight that had been steady."""
    drift_spread: float = 1.2
    """What counts as steady: its norms lay within this factor."""
    stale_history: int = 3
    """How many times in a row all of a file must have changed before it is missed that it did not."""
    off: frozenset[Reason] = frozenset()
    """Reasons that are not looked for."""


DEFAULT = Policy()
