"""Rules on objectives: what is declared can meet them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from drstack.spec.objectives import least_rpo, objectives
from drstack.spec.quantities import format_duration
from drstack.spec.rules.finding import Finding, Rule

if TYPE_CHECKING:
    from collections.abc import Iterator

    from drstack.spec.draft import Draft


def interval_meets_rpo(draft: Draft) -> Iterator[Finding]:
    """RPO 0 is left out: it promises that no acknowledged checkpoint is lost, whatever the interval."""
    links = [link.bandwidth for link in draft.links or () if draft.primary in link.between]
    for name, workload in (draft.workloads or {}).items():
        if workload is None or workload.checkpoints is None:
            continue
        rpo_s, least_s = objectives(workload).rpo_s, least_rpo(workload.checkpoints, max(links, default=None))
        if least_s is not None and 0 < rpo_s <= least_s:
            spare_s = rpo_s - (least_s - (workload.checkpoints.every or 0))
            shorter = f"write every: {format_duration(spare_s / 2)}, or a greater rpo"
            by = "declared" if workload.rpo is not None else f"of class {workload.class_}"
            yield Finding(
                ("workloads", name, "checkpoints", "every"),
                f"interval, save and ship of {_about(least_s)} in all",
                f"less than the RPO of {format_duration(rpo_s)} {by}",
                shorter if spare_s > 0 else "write a greater rpo: saving and shipping alone take longer",
            )


def checkpoints_have_an_interval(draft: Draft) -> Iterator[Finding]:
    for name, workload in (draft.workloads or {}).items():
        found = workload.checkpoints if workload else None
        path = ("workloads", name, "checkpoints")
        if found and found.every is None and found.every_steps is None:
            yield Finding(path, "no interval", "every or every_steps", "add every: 45m")
        elif found and found.every == 0:
            yield Finding((*path, "every"), "0", "a time between checkpoints", "write every: 45m")


def zero_rpo_is_acknowledged(draft: Draft) -> Iterator[Finding]:
    if draft.replication is None or not draft.primary or draft.primary not in (draft.sites or {}):
        return
    for name, workload in (draft.workloads or {}).items():
        if workload is None or objectives(workload).rpo_s > 0:
            continue
        stated = draft.replication.acknowledge.get(name)
        near = draft.replication.near.get(draft.primary)
        other = near or next((site for site in draft.sites or () if site != draft.primary), "SITE")
        remedy = f"write near: {{{draft.primary}: {other}}} under replication, or an rpo above 0"
        if stated == "none":
            path = ("replication", "acknowledge", name)
            yield Finding(path, "none", "near, as its RPO is 0", f"write {name}: near, or an rpo above 0 for {name}")
        elif stated is None and near is None:
            path = ("workloads", name) + (() if workload.rpo is None else ("rpo",))
            yield Finding(path, "RPO 0", f"a near site for {draft.primary} that acknowledges", remedy)


def rto_is_some_time(draft: Draft) -> Iterator[Finding]:
    for name, workload in (draft.workloads or {}).items():
        if workload is not None and workload.rto == 0:
            yield Finding(("workloads", name, "rto"), "0", "some time to recover in", "write rto: 1h")


def _about(seconds: float) -> str:
    return format_duration(round(seconds, 3) if seconds < 1 else round(seconds))


OBJECTIVES: tuple[Rule, ...] = (
    interval_meets_rpo,
    checkpoints_have_an_interval,
    zero_rpo_is_acknowledged,
    rto_is_some_time,
)
