"""How long until work runs again, from how long the same steps took before. Pure.

Counted from the command to the last `start`, without what comes after it (DESIGN, section 1: recovery time). Invariant:
nothing is made up: steps that were never timed are named, and the time is then the least that it can be.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

from drstack.recovery.estimate import estimate

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from drstack.readiness.situation import Timings
    from drstack.recovery.steps import Step

_NORMAL = 1.4826
"""From a median absolute deviation to a standard deviation, of values that are spread normally."""
_ENOUGH = 3


@dataclass(frozen=True, slots=True)
class Back:
    """Seconds. `spread_s` None: no step on the way was timed twice. `slowest`: the step that takes longest."""

    seconds: float
    spread_s: float | None
    slowest: str | None
    unknown: tuple[str, ...]
    operations: int

    def document(self) -> dict[str, object]:
        return {
            "seconds": self.seconds, "spread_s": self.spread_s, "slowest": self.slowest, "unknown": list(self.unknown),
            "operations": self.operations,
        }  # fmt: skip


def back(steps: Sequence[Step], timings: Timings) -> Back | None:
    """None where nothing was ever timed."""
    if not timings.operations:
        return None
    made = estimate(_up_to_starts(steps), timings.durations, timings.operations)
    past = {step.id: timings.durations.get(step.id) or timings.durations.get(step.act, ()) for step in steps}
    spreads = [each for name in made.critical if (each := spread(past[name])) is not None]
    return Back(
        seconds=made.total_s,
        spread_s=round(math.hypot(*spreads), 3) if spreads else None,
        slowest=max((name for name in made.critical if name in made.steps), key=lambda n: made.steps[n], default=None),
        unknown=made.unknown,
        operations=made.operations,
    )


def spread(seconds: Sequence[float]) -> float | None:
    """A standard deviation that one odd value does not move; None of fewer than two values."""
    if len(seconds) < 2:  # noqa: PLR2004
        return None
    if len(seconds) < _ENOUGH:
        return (max(seconds) - min(seconds)) / 2
    middle = median(seconds)
    return _NORMAL * median(abs(each - middle) for each in seconds)


def _up_to_starts(steps: Sequence[Step]) -> list[Step]:
    by_id: Mapping[str, Step] = {step.id: step for step in steps}
    wanted: set[str] = set()
    pending = [step.id for step in steps if step.act == "start"]
    while pending:
        name = pending.pop()
        if name not in wanted:
            wanted.add(name)
            pending += by_id[name].after
    return [step for step in steps if step.id in wanted]
