"""When a standby will hold nothing newer than the objective allows, from the trend of its last arrivals. Pure.

The next saves are played forward with the interval between saves and the lag of arrivals as they are, and as they grow:
a growth counts only where nearly every later value is greater than every earlier one, so that noise predicts nothing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import combinations, pairwise
from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from drstack.recovery.facts import Arrival

_SAVES = 200
"""How many saves are played forward."""
_LAST = 5
_RISES = 0.8
"""Share of pairs whose later value is the greater one, from which a trend is believed."""
_LEAST = 4
_PATIENCE_INTERVALS, _PATIENCE_RPO = 2, 0.1
"""A save overdue by so many intervals, and by this share of the objective, is not expected any more."""


@dataclass(frozen=True, slots=True)
class Outlook:
    """Seconds. `breach_in_s` is negative where the objective is missed already, infinite where no miss is in sight.

    `interval_s` between saves, `lag_s` from a save to its arrival, each with its growth from one save to the next.
    """

    breach_in_s: float
    interval_s: float | None
    lag_s: float | None
    interval_grows_s: float = 0.0
    lag_grows_s: float = 0.0
    overdue: bool = False
    """Whether the next arrival is later than all of this explains."""

    @property
    def attained_rpo_s(self) -> float | None:
        """The age that the newest one reaches, just before the next one arrives."""
        return None if self.interval_s is None or self.lag_s is None else self.interval_s + self.lag_s


def outlook(arrivals: Sequence[Arrival], *, now: float, rpo_s: float, waits_since: float | None = None) -> Outlook:
    """`arrivals` in the order of their saves; `waits_since`: when the oldest save that has not arrived was made."""
    if not arrivals:
        return Outlook(math.inf, None, None)
    newest = arrivals[-1].saved_at
    saves = [each.saved_at for each in arrivals]
    gaps = [later - earlier for earlier, later in pairwise(saves)]
    lags = [max(0.0, each.landed_at - each.saved_at) for each in arrivals]
    waiting_s = 0.0 if waits_since is None or waits_since <= newest else now - waits_since
    interval_s = median(gaps[-_LAST:]) if gaps else None
    usual_s = median(lags[-_LAST:])
    lag_s = max(usual_s, waiting_s)
    if interval_s is None or interval_s <= 0:
        left = newest + rpo_s - now
        return Outlook(left if left < 0 else math.inf, None, lag_s)
    more = Outlook(math.inf, interval_s, lag_s, growth(gaps), growth(lags))
    late_s = now - (newest + interval_s + usual_s)
    overdue = late_s > max(_PATIENCE_INTERVALS * interval_s, _PATIENCE_RPO * rpo_s)
    at = newest + rpo_s if now >= newest + rpo_s or overdue else _misses_at(more, newest, now, rpo_s)
    return Outlook(at - now, interval_s, lag_s, more.interval_grows_s, more.lag_grows_s, overdue)


def growth(values: Sequence[float]) -> float:
    """Seconds a step: the median slope of all pairs, where the values rise; else 0."""
    if len(values) < _LEAST:
        return 0.0
    slopes = [(b - a) / (j - i) for (i, a), (j, b) in combinations(enumerate(values), 2)]
    rising = sum(slope > 0 for slope in slopes) / len(slopes)
    return max(0.0, median(slopes)) if rising >= _RISES else 0.0


def _misses_at(trend: Outlook, newest: float, now: float, rpo_s: float) -> float:
    assert trend.interval_s is not None and trend.lag_s is not None  # noqa: S101, PT018 - the caller has them
    saved = newest
    for k in range(1, _SAVES + 1):
        after = saved + trend.interval_s + k * trend.interval_grows_s
        lands = max(now, after + trend.lag_s + k * trend.lag_grows_s)
        if lands > saved + rpo_s:
            return saved + rpo_s
        saved = after
    return math.inf
