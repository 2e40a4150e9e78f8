"""Which stretch of time and which steps the picture shows, and in which unit.

Invariant: RPO, RTO and every phase are inside, and the failure leaves room on both sides for the words beside it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from drstack.report.record import RecoveryRecord

_SIDE = 0.28
"""The least share of the width on each side of the failure: as much as the longest label beside it needs."""
_MUCH = 1.5
"""Training is shown for up to so many times RPO + RTO before the failure and after the recovery."""
_UNITS = (("seconds", 1.0, 300.0), ("minutes", 60.0, 3 * 3600.0), ("hours", 3600.0, float("inf")))


@dataclass(frozen=True, slots=True)
class Window:
    """`left_s` and `right_s` count from the failure; `unit_s` is the length of the axis' unit, named `unit`."""

    left_s: float
    right_s: float
    lowest_step: int
    highest_step: int
    unit: str
    unit_s: float

    def shows(self, since_s: float) -> bool:
        return self.left_s <= since_s <= self.right_s


def window(record: RecoveryRecord) -> Window:
    zero = record.failure.at
    times = [mark.at - zero for mark in (*record.steps, *record.checkpoints, *record.refused)]
    enough = _MUCH * (record.rpo_s + record.rto_s)
    before = max(1.1 * record.rpo_s, max((-at for at in times if -at <= enough), default=0.0))
    ends = max((each.ended_at - zero for each in record.phases), default=0.0)
    after = max(1.18 * record.rto_s, 1.02 * ends, max((at for at in times if at <= record.rto_s + enough), default=0.0))
    before *= 1.02
    after *= 1.02
    before = max(before, after * _SIDE / (1 - _SIDE))
    after = max(after, before * _SIDE / (1 - _SIDE))
    if before + after == 0:
        before = after = 1.0
    name, unit_s = next((name, unit_s) for name, unit_s, most_s in _UNITS if before + after <= most_s)
    steps = [mark.step for mark in (*record.steps, *record.checkpoints) if -before <= mark.at - zero <= after]
    steps += [record.failure.step] if record.recovery_step is None else [record.failure.step, record.recovery_step]
    return Window(-before, after, min(steps), max(steps), name, unit_s)
