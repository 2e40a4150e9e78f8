"""Giving sites other shares of the requests: looked at first, then assigned, then shifted in steps.

Invariant: shares change by an assignment like everything that a promotion decides, and no term with them: nothing that
is written is touched. A site gets a share only once a replica of it is ready.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from drstack.errors import EnvironmentUnknown, NotReady, OperationConflict
from drstack.recovery.operation import unfinished
from drstack.recovery.traffic import CALL_S, READY_S, Traffic
from drstack.witness.assignment import Assignment

if TYPE_CHECKING:
    from collections.abc import Mapping

    from drstack.recovery.ports import Router, RouterObservation
    from drstack.recovery.world import World

_POLL_S = 0.2
_ALL = 100


def set_shares(world: World, workload: str, shares: Mapping[str, int]) -> Assignment:
    """Have the sites of `shares` (percent, together 100) answer, all others not. Returns the assignment that says so.

    EnvironmentUnknown, NotReady, OperationConflict; StepFailed where the shift was taken back: the assignment stands
    then, and the same command goes on from there.
    """
    current, router = _require(world, workload, shares)
    wanted = {**dict.fromkeys(world.sites, 0), **shares}
    _await_ready(world, router, workload, [site for site, share in wanted.items() if share])
    made = current
    if current.workloads[workload].serves != wanted:
        part = current.workloads[workload].model_copy(update={"serves": wanted})
        offered = Assignment(
            number=current.number + 1, workloads={**current.workloads, workload: part}, cause="traffic"
        )
        made = world.witness.assign(offered)
        if made != offered:
            raise OperationConflict(f"assignment {offered.number} was made by somebody else meanwhile")
    world.progress.begin("traffic")
    began = world.clock()
    Traffic(world, made).settle(workload)
    world.progress.end("traffic", world.clock() - began, f"assignment {made.number}: {wanted}")
    return made


def _require(world: World, workload: str, shares: Mapping[str, int]) -> tuple[Assignment, Router]:
    current = world.witness.current()
    if current is None or workload not in world.serving or workload not in current.workloads or world.router is None:
        raise EnvironmentUnknown(
            f"environment {world.environment} serves no {workload!r}",
            hint=f"It serves: {', '.join(world.serving) or 'nothing'}; drstack up ENV makes what the file declares.",
        )
    if unknown := [site for site in shares if site not in world.sites]:
        raise EnvironmentUnknown(
            f"environment {world.environment} has no site {unknown[0]!r}",
            hint=f"Its sites are: {', '.join(world.sites)}.",
        )
    if sum(shares.values()) != _ALL or min(shares.values()) < 0:
        raise EnvironmentUnknown(f"shares add up to {sum(shares.values())} %", hint="They must add up to 100.")
    running = unfinished(world.witness)
    if running is not None:
        raise OperationConflict(
            f"operation {running.identity} has not ended, and moves the requests itself", hint="Run its promote again."
        )
    return current, world.router


def _await_ready(world: World, router: Router, workload: str, sites: list[str]) -> None:
    """NotReady if a site has no replica that answers within READY_S."""
    ends = world.clock() + READY_S
    seen = _look(router)
    for site in sites:
        if not seen.healthy.get(workload, {}).get(site):
            world.sites[site].serve(workload, deadline_s=READY_S)
    while late := [site for site in sites if not seen.healthy.get(workload, {}).get(site)]:
        if world.clock() > ends:
            raise NotReady(
                f"no replica of {workload} at {late[0]} is ready", hint=f"drstack up ENV --site {late[0]} --refresh."
            )
        world.sleep(_POLL_S)
        seen = _look(router)


def _look(router: Router) -> RouterObservation:
    seen = router.observe(deadline_s=CALL_S)
    if not seen.reachable:
        raise NotReady(f"the router cannot be seen: {seen.why}", hint="drstack up ENV --refresh starts it.")
    return seen


def describe_shares(world: World) -> dict[str, dict[str, object]]:
    """Per workload that serves: its address, each site's share as assigned and as turned, and who is ready."""
    current = world.witness.current()
    seen = world.router.observe(deadline_s=CALL_S) if world.router is not None else None
    found: dict[str, dict[str, object]] = {}
    for name in world.serving:
        known = current is not None and name in current.workloads
        found[name] = {
            "url": seen.urls.get(name) if seen else None,
            "assigned": dict(current.workloads[name].serves) if known and current else {},
            "turned": dict(seen.weights.get(name, {})) if seen else {},
            "ready": dict(seen.healthy.get(name, {})) if seen else {},
            "why": "no site has said where the router is" if seen is None else seen.why,
        }
    return found
