"""When a recovery was last practised, and how it went.

A drill of the environment stands on its witness. Besides, each standby's replicator restores what is at most risk, into a
folder that is emptied, and says so; who restores for practice by hand (`drstack checkpoints drill`) leaves a receipt.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from drstack.drills.schedule import HELD
from drstack.recovery.evidence import Evidence, told
from replicator.errors import ReplicatorError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from drstack.recovery.ports import SiteObservation
    from drstack.witness.witness import Witness
    from replicator.repository.repository import Repository

_LOOKS = 12
"""Checkpoints of a site, newest first, whose receipts are asked where its replicator says nothing."""


@dataclass(frozen=True, slots=True)
class Drill:
    """`at`: unix seconds. `result`: in words."""

    at: float
    ok: bool
    result: str
    evidence: Evidence


def last_drill(
    witness: Witness, sites: Mapping[str, SiteObservation], repositories: Mapping[str, Repository]
) -> dict[str, Drill]:
    """By site, the last one there: of a drill of the environment and a practised restore, the later one."""
    practised = _practised(sites, repositories)
    for drill in witness.drills().all():
        before = practised.get(drill.site)
        if drill.result in HELD and drill.ended_at is not None and (before is None or before.at < drill.ended_at):
            passed = drill.result != "failed"
            what = f"{drill.kind} drill {drill.id}: {drill.result}"
            practised[drill.site] = Drill(drill.ended_at, passed, what, told(f"drill {drill.id}", drill.ended_at))
    return practised


def _practised(sites: Mapping[str, SiteObservation], repositories: Mapping[str, Repository]) -> dict[str, Drill]:
    found: dict[str, Drill] = {}
    for name, site in sites.items():
        said = site.verified
        if said is not None and said.drilled_at is not None:
            source = told(f"the replicator of {name}", said.at)
            found[name] = Drill(said.drilled_at, said.drill_ok, said.drilled or "", source)
        elif name in repositories:
            by_hand = _by_hand(repositories[name])
            if by_hand is not None:
                found[name] = by_hand
    return found


def _by_hand(repository: Repository) -> Drill | None:
    """What receipts say; nothing of a repository that cannot be read, of which other findings tell."""
    try:
        for workload in repository.workloads():
            for accepted in islice(reversed(repository.log(workload).view().in_order()), _LOOKS):
                at = repository.receipts.drilled_at(workload, accepted.slot)
                if at is not None:
                    step = f"step {accepted.what.step} of {workload}"
                    return Drill(at, ok=True, result=step, evidence=told(repository.store.url, at))
    except ReplicatorError:
        return None
    return None
