"""Sites that a person has stopped on purpose and that still stand so: by whom, when and why. Pure, but for reading the witness.

Invariant: a fence that was lifted, that a later assignment overtook, or whose work is seen to run again is told no more.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from drstack.recovery.facts import Facts
    from drstack.witness.journal import Journal
    from drstack.witness.witness import Witness
    from replicator.log.records import Record


@dataclass(frozen=True, slots=True)
class Deliberate:
    """`at`: unix seconds. `workloads`: what stands still by it; nothing where the site writes nothing."""

    operation: str
    site: str
    by: str
    at: float
    reason: str
    workloads: tuple[str, ...]
    alone: bool = False
    """Whether only these workloads were stopped there."""

    def told(self) -> str:
        """`east was fenced on purpose by ana at 2026-11-22 03:12:09 UTC: smoke in the room (operation 3-1)`."""
        at = datetime.fromtimestamp(self.at, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
        what = f"{', '.join(self.workloads)} at {self.site}" if self.alone else self.site
        return f"{what} was fenced on purpose by {self.by} at {at}: {self.reason} (operation {self.operation})"


def deliberate(witness: Witness, facts: Facts) -> tuple[Deliberate, ...]:
    """Those that stand, in the order in which they were made. WitnessUnreachable, WitnessUnsound."""
    return still(recorded(witness.journals(facts.assignment.number)), facts)


def recorded(journals: Iterable[Journal]) -> tuple[Deliberate, ...]:
    """By the journals of operations that were planned on one assignment: fences that ended well, and were not lifted."""
    found: list[Deliberate] = []
    for journal in journals:
        records = journal.known()
        plan = dict(records[0].body) if records else dict[str, Any]()
        if plan.get("kind") != "fence":
            continue
        site, stops = str(plan.get("target")), tuple(str(each) for each in plan.get("stops", ()))
        end = _last(records, "end")
        if _last(records, "lift") is not None:
            found = _without(found, site, stops)
        elif end is not None and end.body.get("result") == "fenced":
            by, why = str(plan.get("by") or "somebody"), str(plan.get("reason") or "no reason given")
            found.append(Deliberate(journal.identity, site, by, end.at, why, stops, bool(plan.get("alone"))))
    return tuple(found)


def still(found: Sequence[Deliberate], facts: Facts) -> tuple[Deliberate, ...]:
    """Without what is seen to run again, by whatever command."""
    left: list[Deliberate] = []
    for each in found:
        site = facts.sites.get(each.site)
        if site is None or not site.reachable:
            left.append(each)
        elif each.workloads:
            again = tuple(name for name in each.workloads if name in site.jobs and site.jobs[name].running)
            left += _without([each], each.site, again)
        elif not site.replicator_running:
            left.append(each)
    return tuple(left)


def _without(found: Sequence[Deliberate], site: str, names: tuple[str, ...]) -> list[Deliberate]:
    """Fences of the site as they stand once these workloads run again."""
    if not names:
        return list(found)
    left = [
        replace(each, workloads=tuple(n for n in each.workloads if n not in names)) if each.site == site else each
        for each in found
    ]
    return [now for now, was in zip(left, found, strict=True) if now.workloads or not was.workloads]


def _last(records: Sequence[Record], kind: str) -> Record | None:
    return next((record for record in reversed(records) if record.kind == kind), None)
