"""What past operations and drills took, and what they showed of capacity. An operation that has ended is read once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from drstack.readiness.situation import Timings
from drstack.recovery.estimate import RECENT

if TYPE_CHECKING:
    from collections.abc import Mapping

    from drstack.witness.drills import DrillRecord
    from drstack.witness.journal import Journal
    from drstack.witness.witness import Witness

Doc = dict[str, Any]
_HELD = ("passed", "missed")
Ended = tuple[Doc, Doc, dict[str, Doc]]
"""Plan, end and outcomes."""


class Past:
    """Remembers operations that have ended: nothing of them changes any more. For one witness."""

    def __init__(self) -> None:
        self._ended: dict[str, Ended] = {}

    def timings(self, witness: Witness, ranks: Mapping[str, int]) -> Timings:
        """Of the last operations and drills. `ranks`: slots that each workload takes. WitnessUnreachable, WitnessUnsound."""
        durations: dict[str, list[float]] = {}
        capacity: dict[str, tuple[int, float]] = {}
        count = 0
        for base in range(len(witness.assignments()), 0, -1):
            for plan, end, outcomes in self._of(witness, base):
                _capacity(capacity, plan, outcomes)
                timed = [step for step in end.get("steps", ()) if step["skipped"] is None]
                count += bool(timed)
                for step in timed:
                    _note(durations, step["id"], step["seconds"])
            if count >= RECENT:
                break
        for drill in witness.drills().all()[-RECENT:]:
            count += _drilled(durations, capacity, drill, ranks)
        return Timings(durations, count, capacity)

    def _of(self, witness: Witness, base: int) -> list[Ended]:
        found: list[Ended] = []
        k = 1
        while True:
            journal = witness.journal(base, k)
            known = self._ended.get(journal.identity)
            if known is None and not journal.records():
                return found[::-1]
            known = known or self._read(journal)
            found += [] if known is None else [known]
            k += 1

    def _read(self, journal: Journal) -> Ended | None:
        end = journal.ended()
        if end is None:
            return None
        self._ended[journal.identity] = (journal.plan() or {}, end, journal.outcomes())
        return self._ended[journal.identity]


def _note(durations: dict[str, list[float]], step: str, seconds: float) -> None:
    for key in dict.fromkeys((step, step.split(maxsplit=1)[0])):
        durations.setdefault(key, []).append(float(seconds))


def _drilled(
    durations: dict[str, list[float]],
    capacity: dict[str, tuple[int, float]],
    drill: DrillRecord,
    ranks: Mapping[str, int],
) -> bool:
    """What a drill that came to its end took; one of the slots, or of all, shows that its site had them."""
    measured: Doc = dict((drill.ended or {}).get("measured") or {})
    steps = [step for step in measured.get("steps", ()) if step.get("took_s") is not None and not step.get("failure")]
    if drill.result not in _HELD or drill.ended_at is None or not steps:
        return False
    for step in steps:
        _note(durations, str(step["id"]), step["took_s"])
    slots = sum(ranks.get(str(name), 0) for name in drill.begun.get("workloads", ()))
    if (
        any(str(step["id"]).split()[0] == "capacity" for step in steps)
        and slots > capacity.get(drill.site, (0, 0.0))[0]
    ):
        capacity[drill.site] = (slots, drill.ended_at)
    return True


def _capacity(found: dict[str, tuple[int, float]], plan: Doc, outcomes: dict[str, Doc]) -> None:
    """What ran at the target once its `capacity` step had its effect."""
    site = str(plan.get("target"))
    outcome = outcomes.get(f"capacity {site}") or {}
    slots = int(plan.get("capacity", 0))
    if outcome and outcome.get("skipped") is None and slots > found.get(site, (0, 0.0))[0]:
        found[site] = (slots, float(outcome["ended_at"]))
