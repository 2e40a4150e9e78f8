"""How a workload stands against its recovery point objective at one destination, and when it will miss it.

Pure. Exposure is what a loss of all other sites would cost now, in seconds of training: the age of the newest sound
save that the destination holds. A breach is predicted by playing the next saves and shipments forward at the rate seen.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_ROUNDS = 16
_GAPS = 5
_PATIENCE_INTERVALS = 2
"""A follower that saw nothing new for so many intervals has stalled."""


@dataclass(frozen=True, slots=True)
class Save:
    """A sound checkpoint: `saved_at` in unix seconds, `left_bytes` is what must still be sent of it."""

    step: int
    saved_at: float
    left_bytes: float = 0.0


@dataclass(frozen=True, slots=True)
class Standing:
    """What a destination holds, and what waits for it, newest first.

    `rate_bytes_per_s` None: nothing was sent yet; 0: it does not answer.
    """

    held: Save | None
    waiting: Sequence[Save] = ()
    rate_bytes_per_s: float | None = None
    whole_bytes: float = 0.0
    """What one more checkpoint will send."""

    @property
    def newer(self) -> list[Save]:
        """What waits and is newer than what it holds, newest first."""
        held = self.held
        return [each for each in self.waiting if held is None or each.saved_at > held.saved_at]


def interval_s(saved_at: Iterable[float]) -> float | None:
    """The usual time between two saves: the median of the last gaps. None before the second save."""
    times = sorted(set(saved_at))[-_GAPS - 1 :]
    gaps = [later - earlier for earlier, later in pairwise(times)]
    return median(gaps) if gaps else None


def exposure_s(standing: Standing, now: float) -> float | None:
    """None where nothing was saved that could be lost."""
    since = _since(standing)
    return None if since is None else max(0.0, now - since)


def lag_s(standing: Standing, now: float) -> float:
    """For how long a newer save than it holds has existed; 0 where it holds the newest."""
    return max((now - each.saved_at for each in standing.newer), default=0.0)


def lag_steps(standing: Standing) -> int:
    """Steps between the newest save and what it holds; 0 where it holds the newest, or nothing at all is known."""
    newer = standing.newer
    if not newer:
        return 0
    return max(0, newer[0].step - (standing.held.step if standing.held is not None else 0))


def breach_in_s(standing: Standing, *, now: float, rpo_s: float, every_s: float | None) -> float:
    """Seconds until the exposure exceeds `rpo_s` if all goes on as now; negative: it did so long ago; infinite: never.

    Newest first, one shipment at a time, a save every `every_s`. A trainer that is overdue by more than an interval is
    taken to have stopped; without any save there is nothing to lose, and no breach.
    """
    since = _since(standing)
    if since is None:
        return math.inf
    misses_at = since + rpo_s
    if now >= misses_at:
        return misses_at - now
    newest, lands_at = _first(standing, now, since, every_s)
    for _ in range(_ROUNDS):
        if newest is None or lands_at > misses_at:
            return misses_at - now
        misses_at = newest + rpo_s
        if every_s is None:
            return math.inf
        newest += every_s * max(1, math.floor((lands_at - newest) / every_s))
        lands_at = max(lands_at, newest) + _takes_s(standing, standing.whole_bytes)
    return math.inf


def stalled(saved_at: Sequence[float], *, newest_at: float | None, now: float, rpo_s: float | None) -> bool:
    """Whether nothing new arrived for two intervals; before an interval is known, for the objective's time."""
    if newest_at is None:
        return False
    every_s = interval_s(saved_at)
    limit_s = rpo_s if every_s is None else _PATIENCE_INTERVALS * every_s
    return limit_s is not None and now - newest_at > limit_s


def _since(standing: Standing) -> float | None:
    """The save that stands, else the oldest that would be lost."""
    if standing.held is not None:
        return standing.held.saved_at
    return min((each.saved_at for each in standing.waiting), default=None)


def _first(standing: Standing, now: float, since: float, every_s: float | None) -> tuple[float | None, float]:
    """(time of the next save to land, when it lands); no save where none can be expected."""
    newer = standing.newer
    if newer:
        return newer[0].saved_at, now + _takes_s(standing, newer[0].left_bytes)
    if every_s is None or now > since + _PATIENCE_INTERVALS * every_s:
        return None, math.inf
    saved_at = max(now, since + every_s)
    return saved_at, saved_at + _takes_s(standing, standing.whole_bytes)


def _takes_s(standing: Standing, left_bytes: float) -> float:
    rate = standing.rate_bytes_per_s
    if rate is None:
        return 0.0
    return left_bytes / rate if rate > 0 else math.inf
