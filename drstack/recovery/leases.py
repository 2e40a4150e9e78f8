"""The end of a lease, waited for: what a fence that proved nothing may be graded after (DESIGN, rule 7).

The promoter takes the next slot itself, so that nothing is renewed any more, and then waits for as long as the last
renewal said, with bounds for clocks that drift and for processes that stand still, by a clock of its own. Whoever takes
an operation up waits all of it again: when another began to wait is not known by a clock that can be trusted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from drstack.errors import OperationConflict

if TYPE_CHECKING:
    from collections.abc import Callable

    from drstack.recovery.world import World

Doc = dict[str, Any]
_POLL_S = 0.5


@dataclass(frozen=True, slots=True)
class LeasePolicy:
    """What an environment says of its leases; seconds. `now`: a clock that nobody sets."""

    drift_s: float
    pause_s: float
    now: Callable[[], float]

    def wait_s(self, for_s: float) -> float:
        """How long to wait, from after the slot was taken, for a lease of `for_s`."""
        return for_s + self.drift_s + self.pause_s


def end_leases(world: World, plan: Doc, site: str, fence: Doc, operation: str, running: Callable[[], bool]) -> Doc:
    """Take the leases of what moves from `site`; unless the fence is proven, wait for their end. The fence's row, anew.

    `running`: whether the operation goes on; OperationConflict once it does not.
    """
    if world.leases is None:
        return {"fence": fence, "detail": f"{fence['grade']}: leases are off here"}
    now, waits = world.leases.now, dict[str, float]()
    unheld: list[str] = []
    for workload in plan["workloads"]:
        if workload["writer"] != site or workload["reopen"]:
            continue
        taken = world.witness.leases(workload["name"]).take(term=workload["term"], operation=operation)
        if taken.for_s is None:
            unheld.append(workload["name"])
        else:
            waits[workload["name"]] = world.leases.wait_s(taken.for_s)
    if fence["grade"] == "proven":
        return {"fence": fence, "detail": "not waited for: the fence is proven"}
    if unheld:
        why = f"nobody held a lease of {', '.join(unheld)}: its work may go on"
        return {"fence": {**fence, "proof": f"{fence['proof']}; {why}"}, "detail": f"{fence['grade']}: {why}"}
    wait_s, began = max(waits.values(), default=0.0), now()
    while (left_s := began + wait_s - now()) > 0:
        if not running():
            raise OperationConflict(f"operation {operation} has ended while it waited for a lease")
        world.sleep(min(_POLL_S, left_s))
    proof = f"{fence['proof']}; its leases were taken, and waited for to their end ({wait_s:.1f} s)"
    row = {**fence, "grade": "lease-expired", "proof": proof}
    return {"fence": row, "waited_s": wait_s, "detail": f"lease-expired: taken, and {wait_s:.1f} s waited"}
