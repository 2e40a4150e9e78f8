"""Whether a drill is overdue, from the schedule and what was held. Pure.

Invariant: a drill that was cut short says nothing; one that failed was held, and its failure is a finding of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from drstack.recovery.status import spell

if TYPE_CHECKING:
    from collections.abc import Iterable

    from drstack.spec.drills import Drills
    from drstack.witness.drills import DrillRecord

HELD = ("passed", "missed", "failed")
"""Results of a drill that came to its end."""
WHOLE = ("full", "surprise")
"""Kinds that count for every schedule."""


@dataclass(frozen=True, slots=True)
class Overdue:
    """`by_s`: seconds beyond the schedule; None where none was ever held."""

    by_s: float | None
    why: str
    command: str
    """What holds it."""


def last_held(schedule: Drills, records: Iterable[DrillRecord]) -> DrillRecord | None:
    """The newest drill that counts for the schedule: of its kind, or whole; at its site, if it names one."""
    counts = [
        each
        for each in records
        if each.result in HELD
        and (each.kind == schedule.kind or (each.kind in WHOLE and schedule.kind != "tabletop"))
        and schedule.site in (None, each.site)
    ]
    return max(counts, key=lambda each: each.ended_at or 0.0, default=None)


def overdue(
    schedule: Drills | None, last: DrillRecord | None, now: float, *, environment: str = "ENV"
) -> Overdue | None:
    """None where there is no schedule, or it is kept. `now`: unix seconds."""
    if schedule is None:
        return None
    command = f"drstack drill {environment}{_options(schedule)}"
    ended_at = last.ended_at if last is not None else None
    if ended_at is None:
        where = f" at {schedule.site}" if schedule.site else ""
        return Overdue(None, f"no {schedule.kind} drill was ever held{where}", command)
    by_s = now - ended_at - schedule.every
    if by_s <= 0:
        return None
    ago, every = spell(now - ended_at), spell(schedule.every)
    return Overdue(by_s, f"the last {schedule.kind} drill was {ago} ago; one is due every {every}", command)


def _options(schedule: Drills) -> str:
    kinds = {"full": "", "surprise": " --surprise", "tabletop": " --tabletop"}
    kind = kinds.get(schedule.kind, f" --component {schedule.kind}")
    return kind + (f" --site {schedule.site}" if schedule.site else "")
