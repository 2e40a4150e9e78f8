"""One look at everything: facts, the router, leases. What cannot be seen is said so; nothing is decided."""

from __future__ import annotations

from typing import TYPE_CHECKING

from drstack.automatic.sight import Glance, Held, Job, Place

if TYPE_CHECKING:
    from collections.abc import Mapping

    from drstack.recovery.facts import Facts, WorkloadFact
    from drstack.recovery.ports import RouterObservation, SiteObservation
    from drstack.recovery.world import World
    from drstack.witness.leases import LeaseLog

ROUTER_S = 5.0


def glance(world: World, facts: Facts, leases: Mapping[str, LeaseLog]) -> Glance:
    """WitnessUnreachable, WitnessUnsound, where a lease cannot be read."""
    router = world.router.observe(deadline_s=ROUTER_S) if world.router is not None else None
    return Glance(
        assignment=facts.assignment.number,
        sites={name: _place(name, site, facts, router) for name, site in facts.sites.items()},
        heads={name: _head(each) for name, each in facts.workloads.items()},
        leases={name: _held(log) for name, log in leases.items()},
    )


def _place(name: str, site: SiteObservation, facts: Facts, router: RouterObservation | None) -> Place:
    healthy = router.healthy.values() if router is not None and router.reachable else ()
    return Place(
        reachable=site.reachable, why=site.why, replicator=site.replicator_running, capacity=site.capacity,
        bound=site.capacity_bound,
        repository=all(each.repositories[name].reachable for each in facts.workloads.values() if name in each.repositories),
        serves=any(each.get(name, False) for each in healthy),
        jobs={
            each: Job(job.running, job.step, job.failure, job.generation) for each, job in sorted(site.jobs.items())
        },
    )  # fmt: skip


def _head(each: WorkloadFact) -> tuple[int, int] | None:
    """The highest checkpoint of the term that stands, in any repository: only its writer raises it."""
    read = [fact for fact in each.repositories.values() if fact.reachable and fact.heads is not None]
    if not read:
        return None
    return each.term, max((fact.heads or {}).get(str(each.term), 0) for fact in read)


def _held(log: LeaseLog) -> Held | None:
    last = log.last()
    return None if last is None else Held(last.n, last.term, last.for_s)
