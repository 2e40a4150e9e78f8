"""Carries out a repair at a site within reach: look again, act by its actuators, say how it ended.

Invariant: a repair is on the witness before it is begun, and who loses its slot does nothing; a start has a token of its
own, so that two who make the same one start once. Nothing is deleted, and nothing that runs is stopped.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from drstack.errors import ActuatorFailed, DrstackError
from drstack.recovery.fenced import recorded
from drstack.recovery.operation import now_at
from drstack.recovery.ordered import in_order
from drstack.recovery.steps import START_S
from drstack.recovery.switchover import newest_of
from replicator.errors import ReplicatorError

if TYPE_CHECKING:
    from drstack.automatic.judge import Verdict
    from drstack.automatic.policy import Remedy
    from drstack.automatic.records import Repairs
    from drstack.recovery.ports import SiteObservation
    from drstack.recovery.world import World

_OBSERVE_S = 5.0
MENDED, WELL, LEFT = "done", "it was well already", "left alone"


def repair(world: World, verdict: Verdict, repairs: Repairs, *, by: str, known: int) -> str | None:
    """How it ended, in words; None where another has begun one meanwhile. `known`: how many repairs were read."""
    remedy, workload = verdict.remedy, "".join(verdict.workloads[:1])
    if remedy is None:
        return None
    n = repairs.begin(remedy, workload, by=by, reason=verdict.reason, known=known)
    if n is None:
        return None
    try:
        result = _act(world, verdict.site, remedy, workload, f"repair-{verdict.site}-{n}")
    except (DrstackError, ReplicatorError) as error:
        result = f"failed: {error}"
    repairs.end(n, result)
    return result


def _act(world: World, name: str, remedy: Remedy, workload: str, token: str) -> str:
    site, order = world.sites[name], now_at(world.witness)
    seen = site.observe(deadline_s=_OBSERVE_S)
    if not seen.reachable:
        raise ActuatorFailed(f"{name} cannot be seen any more: {seen.why}")
    if (why := _not_ours(world, name, workload)) is not None:
        return f"{LEFT}: {why}"
    if remedy == "restart":
        return _restart(world, name, seen, workload, token, order)
    slots = seen.capacity if remedy == "reship" else seen.capacity_bound
    if seen.replicator_running if remedy == "reship" else seen.capacity >= slots:
        return WELL
    in_order(world.witness, order, lambda at: site.set_capacity(slots, deadline_s=START_S, order=at))
    return f"{MENDED}: {slots} slots, and its replicator"


def _not_ours(world: World, name: str, workload: str) -> str | None:
    """Why the site is to be left as it is: asked once the order was taken, so that what comes later is refused by the site."""
    current = world.witness.current()
    if current is None:
        return "nothing is assigned"
    if workload and current.writer(workload) != name:
        return f"{current.writer(workload)} writes {workload} since assignment {current.number}"
    fences = [each for each in recorded(world.witness.journals(current.number)) if each.site == name]
    return fences[-1].told() if fences else None


def _restart(world: World, name: str, seen: SiteObservation, workload: str, token: str, order: str) -> str:
    job = seen.jobs.get(workload)
    if job is None or job.running or job.wanted is False or job.failure is None:
        return WELL
    newest = newest_of(world.repositories[name], workload)
    step = newest.what.step if newest is not None else None
    site = world.sites[name]
    in_order(
        world.witness,
        order,
        lambda at: site.start_job(workload, token=token, resume_step=step, deadline_s=START_S, order=at),
    )
    return f"{MENDED}: started from step {step}"
