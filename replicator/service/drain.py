"""The end of a service that was asked to stop: ship what can still go, park the rest, and say what is left.

Bounded: what does not get through in time stays in the spool, which the next start ships from.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from replicator.service.workload import Workload

_log = structlog.get_logger("replicator")
_LOOK_S = 0.05


@dataclass(frozen=True, slots=True)
class Left:
    """A checkpoint that some destination does not have; `trouble` is what that destination last said."""

    workload: str
    destination: str
    step: int
    trouble: str | None


def left_behind(workloads: Sequence[Workload]) -> list[Left]:
    """What is parked in the spools, newest first."""
    return [
        Left(each.watched.name, shipper.repository.name, entry.push.step, shipper.status.trouble)
        for each in workloads
        for shipper in each.shippers
        for entry in each.spool.pending(shipper.repository.name)
    ]


def drain(workloads: Sequence[Workload], look: Callable[[], None], *, within_s: float) -> list[Left]:
    """Until everything is shipped that destinations take, or the time is over. What is left.

    `look` parks what the trainer finished meanwhile, once it stood still. A destination in trouble is not waited for.
    """
    ends = time.monotonic() + within_s
    look()
    left = left_behind(workloads)
    while _goes_on(workloads, left) and time.monotonic() < ends:
        time.sleep(_LOOK_S)
        look()
        left = left_behind(workloads)
    for each in left:
        _log.warning(
            "parked in the spool", workload=each.workload, destination=each.destination, step=each.step,
            why=each.trouble or "no time was left",
        )  # fmt: skip
    for workload in workloads:
        if workload.intake.waiting:
            _log.warning("left in the folder", workload=workload.watched.name, checkpoints=workload.intake.waiting)
    _log.info("drained", left=len(left))
    return left


def _goes_on(workloads: Sequence[Workload], left: Sequence[Left]) -> bool:
    waits = any(each.role == "writer" and each.intake.waiting for each in workloads)
    return waits or any(each.trouble is None for each in left)
