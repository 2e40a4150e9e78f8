"""Lifting a fence: what it stopped runs again where it ran, from its last checkpoint, if that site is still the writer.

Recorded in the journal of the fence, and done once. Invariant: nothing is started at a site that an assignment, or an
operation that has not ended, has taken the work from.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from drstack.errors import ActuatorFailed, OperationConflict
from drstack.recovery.conduct import look
from drstack.recovery.control import start_again
from drstack.recovery.operation import now_at, unfinished

if TYPE_CHECKING:
    from drstack.recovery.world import World
    from drstack.witness.journal import Journal

Doc = dict[str, Any]


def lift(world: World, site: str, *, by: str, reason: str) -> Doc:
    """Have what the last fence of `site` stopped run again; a second time, what is left.

    OperationConflict, ActuatorFailed.
    """
    journal = _last_fence(world, site)
    order = now_at(world.witness)
    _require_nobody(world)
    facts = look(world)
    names = [str(name) for name in (journal.plan() or {}).get("stops", ())]
    gone = [name for name in names if facts.workloads[name].writer != site]
    if gone:
        raise OperationConflict(
            f"{facts.workloads[gone[0]].writer} writes {', '.join(gone)} now",
            hint=f"The way home: drstack failback {world.environment}.",
        )
    if not names:
        raise OperationConflict(
            f"the fence of {site} stopped nothing that {site} writes",
            hint=f"It stands by again with: drstack up {world.environment} --site {site} --refresh",
        )
    journal.write("lift", {"site": site, "by": by, "reason": reason, "at": world.clock()})
    told: list[str] = []
    started: list[str] = []
    for name in names:
        again = start_again(world, facts.workloads[name], journal, order=order, saved=False)
        if again.state == "failed":
            raise ActuatorFailed(again.why, hint="The same command again, once that is mended.")
        started += [name] if again.state == "runs" else []
        told.append(again.why or f"{name} runs at {site}")
    _require_nobody(world)
    return {"site": site, "operation": journal.identity, "started": started, "told": told}


def _require_nobody(world: World) -> None:
    """OperationConflict while an operation runs: it may be about to take the work elsewhere."""
    running = unfinished(world.witness)
    if running is not None:
        raise OperationConflict(
            f"operation {running.identity} has not ended, and decides where the work runs",
            hint=f"drstack resume {world.environment}, or drstack abort {world.environment} --reason '…'.",
        )


def _last_fence(world: World, site: str) -> Journal:
    current = world.witness.current()
    every = world.witness.journals(current.number) if current is not None else []
    plans = [(journal, journal.plan() or {}) for journal in every]
    found = [journal for journal, plan in plans if plan.get("kind") == "fence" and plan.get("target") == site]
    if not found:
        raise OperationConflict(f"{site} was not fenced by itself since the last assignment")
    return found[-1]
