"""What past operations took, and what they showed of capacity, from their journals. An ended journal is read once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from drstack.readiness.situation import Timings
from drstack.recovery.estimate import RECENT

if TYPE_CHECKING:
    from drstack.witness.journal import Journal
    from drstack.witness.witness import Witness

Doc = dict[str, Any]
Ended = tuple[Doc, Doc, dict[str, Doc]]
"""Plan, end and outcomes."""


class Past:
    """Remembers operations that have ended: nothing of them changes any more. For one witness."""

    def __init__(self) -> None:
        self._ended: dict[str, Ended] = {}

    def timings(self, witness: Witness) -> Timings:
        """Of the last operations. WitnessUnreachable, WitnessUnsound."""
        durations: dict[str, list[float]] = {}
        capacity: dict[str, tuple[int, float]] = {}
        count = 0
        for base in range(len(witness.assignments()), 0, -1):
            for plan, end, outcomes in self._of(witness, base):
                _capacity(capacity, plan, outcomes)
                timed = [step for step in end.get("steps", ()) if step["skipped"] is None]
                count += bool(timed)
                for step in timed:
                    for key in dict.fromkeys((step["id"], step["id"].split()[0])):
                        durations.setdefault(key, []).append(float(step["seconds"]))
            if count >= RECENT:
                break
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


def _capacity(found: dict[str, tuple[int, float]], plan: Doc, outcomes: dict[str, Doc]) -> None:
    """What ran at the target once its `capacity` step had its effect."""
    site = str(plan.get("target"))
    outcome = outcomes.get(f"capacity {site}") or {}
    slots = int(plan.get("capacity", 0))
    if outcome and outcome.get("skipped") is None and slots > found.get(site, (0, 0.0))[0]:
        found[site] = (slots, float(outcome["ended_at"]))
