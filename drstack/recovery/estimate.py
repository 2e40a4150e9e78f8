"""How long a plan will take, from how long the same acts took in past operations. Pure, but for reading journals.

Invariant: nothing is made up. An act that was never timed has no estimate, and the total says how many it lacks.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Any

from drstack.recovery.steps import in_order

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from drstack.recovery.steps import Step
    from drstack.witness.witness import Witness

RECENT = 20
"""Operations that are looked at, newest first."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """Seconds. `critical`: the steps whose times add up to the total; `unknown`: steps that nothing is known of."""

    steps: Mapping[str, float]
    total_s: float
    critical: tuple[str, ...]
    unknown: tuple[str, ...]
    operations: int
    """How many past operations it is taken from."""

    def document(self) -> dict[str, object]:
        return {
            "steps": dict(self.steps), "total_s": self.total_s, "critical": list(self.critical),
            "unknown": list(self.unknown), "operations": self.operations,
        }  # fmt: skip


def past_durations(witness: Witness, *, before: float = math.inf) -> tuple[dict[str, list[float]], int]:
    """Per act and subject (`restore gpt`), and per act alone (`restore`), the seconds it took; and of how many operations.

    `before`: only operations that had ended by then (unix seconds).
    """
    found: dict[str, list[float]] = {}
    count = 0
    for base in range(len(witness.assignments()), 0, -1):
        for journal in reversed(witness.journals(base)):
            records = journal.records()
            ended = next((record for record in records if record.kind == "end" and record.at <= before), None)
            body: Mapping[str, Any] = ended.body if ended else {}
            timed: list[dict[str, Any]] = [step for step in body.get("steps", ()) if step["skipped"] is None]
            count += bool(timed)
            for step in timed:
                for key in (step["id"], step["id"].split()[0]):
                    found.setdefault(key, []).append(float(step["seconds"]))
            if count >= RECENT:
                return found, count
    return found, count


def estimate(steps: Sequence[Step], durations: Mapping[str, Sequence[float]], operations: int) -> Estimate:
    """The median of a step's own past, else of its act's; the total is the longest way through the graph."""
    known = {step.id: seconds for step in steps if (seconds := _seconds(step, durations)) is not None}
    ends: dict[str, float] = {}
    behind: dict[str, str | None] = {}
    for step in in_order(steps):
        last = max(step.after, key=lambda name: ends[name], default=None)
        behind[step.id] = last
        ends[step.id] = (ends[last] if last else 0.0) + known.get(step.id, 0.0)
    final = max(ends, key=lambda name: ends[name], default=None)
    return Estimate(
        steps=known,
        total_s=round(ends[final], 3) if final else 0.0,
        critical=tuple(reversed(list(_way(final, behind)))),
        unknown=tuple(step.id for step in steps if step.id not in known),
        operations=operations,
    )


def _seconds(step: Step, durations: Mapping[str, Sequence[float]]) -> float | None:
    past = durations.get(step.id) or durations.get(step.act)
    return round(median(past), 3) if past else None


def _way(name: str | None, behind: Mapping[str, str | None]) -> Iterable[str]:
    while name is not None:
        yield name
        name = behind[name]
