"""Objectives: how much may be lost (RPO) and how long recovery may take (RTO).

Decides the defaults by class and what a declaration attains. Invariant: attained RPO counts every part that is known,
so that a declaration is refused only where it cannot hold.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from drstack.spec.workloads import Checkpoints, Workload, WorkloadClass

MINUTE_S, HOUR_S = 60.0, 3_600.0
DEFAULTS: dict[WorkloadClass, tuple[float, float]] = {
    "training": (4 * HOUR_S, 8 * HOUR_S),
    "weights": (0.0, HOUR_S),
    "dataset": (24 * HOUR_S, 24 * HOUR_S),
    "inference": (5 * MINUTE_S, 15 * MINUTE_S),
    "registry": (0.0, HOUR_S),
    "development": (24 * HOUR_S, 24 * HOUR_S),
    "config": (0.0, 15 * MINUTE_S),
}
"""RPO and RTO in seconds."""


@dataclass(frozen=True, slots=True)
class Objectives:
    """`source` says where they come from: the file, the class, or one from each (mixed)."""

    rpo_s: float
    rto_s: float
    source: Literal["declared", "class", "mixed"]


def objectives(workload: Workload) -> Objectives:
    rpo_s, rto_s = DEFAULTS[workload.class_]
    stated = (workload.rpo is not None) + (workload.rto is not None)
    return Objectives(
        rpo_s=rpo_s if workload.rpo is None else workload.rpo,
        rto_s=rto_s if workload.rto is None else workload.rto,
        source=("class", "mixed", "declared")[stated],
    )


def attained_rpo(every_s: float, save_s: float, ship_s: float) -> float:
    """Seconds of work lost at worst: the interval, then a save and a transfer that the disaster cut short."""
    return every_s + save_s + ship_s


def least_rpo(checkpoints: Checkpoints, link_bps: int | None) -> float | None:
    """The RPO that declared parts alone amount to; parts not declared count as 0. None: no interval declared."""
    if checkpoints.every is None:
        return None
    ship_s = checkpoints.size * 8 / link_bps if checkpoints.size and link_bps else 0.0
    return attained_rpo(checkpoints.every, checkpoints.save or 0.0, ship_s)
