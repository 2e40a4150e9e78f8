"""`pulumi up` at any moment beside a promotion: it never takes back what an assignment made active (DESIGN, rule 10).

The role is judged by the provider's own `decide_roles`. The program makes a pool at its first `up`, by role, and leaves
its size out ever after; the planted bugs write it again, by a role from an output of the last `up`, or by an invoke that
was asked before the promotion.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from drstack.provider.roles import decide_roles
from drstack.witness.assignment import Assignment, WorkloadAssignment
from tests.simulation.choosers import Seeded
from tests.simulation.schedule import Budget, Operation, Scheduler

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.simulation.schedule import Actor
    from tools.cases import Cases

SITES = ("east", "west")
FULL, IDLE = 5, 1
ROLE_BUGS = ("role from an output", "size written by role")
ENOUGH = 300


@dataclass(slots=True)
class Pools:
    bug: str = ""
    assignments: list[Assignment] = field(default_factory=list[Assignment])
    sizes: dict[str, int] = field(default_factory=dict[str, int])
    outputs: dict[str, str] = field(default_factory=dict[str, str])
    active: str | None = None
    """Whom the last promotion that ended made active."""
    reachable: bool = True
    found: list[str] = field(default_factory=list[str])

    def role(self, site: str) -> str:
        """What the invoke answers now."""
        newest = self.assignments[-1]
        said = decide_roles(site, "east", ("gpt",), newest if self.reachable else None, {}, reachable=self.reachable)
        return said.roles["gpt"]

    def judge(self, by: str) -> None:
        if self.active is not None and self.sizes.get(self.active, FULL) < FULL:
            self.found.append(f"{by} scaled {self.active} in to {self.sizes[self.active]}, which is active")


def assignment(number: int, writer: str) -> Assignment:
    part = WorkloadAssignment(writer=writer, term=number)
    return Assignment(number=number, workloads={"gpt": part}, cause="create")


def up(pools: Pools, site: str, times: int) -> Callable[[Actor], None]:
    def live(actor: Actor) -> None:
        for _ in range(times):
            actor.step(Operation(f"up {site}: read the role"))
            role = pools.role(site)
            if pools.bug == "role from an output":
                role, pools.outputs[site] = pools.outputs.get(site, role), role
            actor.step(Operation(f"up {site}: apply"))
            if role != "unknown" and (site not in pools.sizes or pools.bug):
                pools.sizes[site] = FULL if role == "writer" else IDLE
            pools.judge(f"up of {site}")

    return live


def promotion(pools: Pools, target: str) -> Callable[[Actor], None]:
    def live(actor: Actor) -> None:
        actor.wait("promote", lambda: set(SITES) <= set(pools.sizes))
        pools.active = None
        actor.step(Operation(f"assign {target}"))
        pools.assignments.append(assignment(len(pools.assignments) + 1, target))
        actor.step(Operation(f"turn {target} up"))
        pools.sizes[target] = FULL
        if pools.assignments[-1].writer("gpt") == target:
            pools.active = target
        pools.judge("the promotion")

    return live


def weather(pools: Pools) -> Callable[[Actor], None]:
    def live(actor: Actor) -> None:
        for _ in range(4):
            actor.step(Operation("the witness goes or comes"))
            pools.reachable = not pools.reachable

    return live


def run(seed: int, bug: str = "") -> tuple[Pools, Scheduler]:
    pools = Pools(bug, [assignment(1, "east")])
    scheduler = Scheduler(Seeded(seed), Budget(stops=1))
    for site in SITES:
        scheduler.add(f"up-{site}", up(pools, site, 4))
    scheduler.add("operator", promotion(pools, "west"))
    scheduler.add("weather", weather(pools))
    scheduler.run()
    return pools, scheduler


@pytest.mark.faults("simulation", 300, 20_000)
@pytest.mark.timeout(3600)
def test_no_up_scales_in_what_a_promotion_made_active(cases: Cases) -> None:
    promoted = 0
    for seed in cases.seeds():
        pools, scheduler = run(seed)
        assert pools.found == [], f"DRSTACK_SEED={seed}\n{scheduler.story()}\n{pools.found}"
        assert scheduler.crashes == {}
        promoted += pools.active == "west"
    cases.found(f"roles: {promoted} promotions among updates")
    assert promoted


@pytest.mark.parametrize("bug", ROLE_BUGS)
def test_a_planted_bug_scales_the_promoted_pool_in_within_the_seeds(bug: str) -> None:
    assert any(run(seed, bug)[0].found for seed in range(ENOUGH))
