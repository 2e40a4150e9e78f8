"""Every schedule of a small case, with every fault that the budget allows, up to states that were met before."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.simulation.choosers import Exhaustive
from tests.simulation.invariants import violations
from tests.simulation.schedule import Budget, Scheduler

if TYPE_CHECKING:
    from tests.simulation.world import World

People = Callable[[Any], Mapping[str, Callable[[Any], None]]]
"""Of a world: who takes part, by name, and what each does."""


@dataclass(frozen=True, slots=True)
class Explored:
    runs: int
    """Runs to their end; the others led to states that were met before."""
    states: int
    found: list[str]
    story: str


def explore(
    make: Callable[[], World],
    people: People,
    *,
    faults: int = 0,
    stops: int = 0,
) -> Explored:
    """Stops at the first violation."""
    chooser = Exhaustive()
    runs = 0
    for _ in chooser.runs():
        world = make()
        scheduler = Scheduler(chooser, Budget(faults, stops))
        for name, program in people(world).items():
            scheduler.add(name, program)
        chooser.state = lambda world=world, scheduler=scheduler: _state(world, scheduler)
        ended_early = not scheduler.run()
        if ended_early:
            continue
        runs += 1
        found = violations(world, scheduler)
        if found:
            return Explored(runs, len(chooser.seen), found, scheduler.story())
    return Explored(runs, len(chooser.seen), [], "")


def _state(world: World, scheduler: Scheduler) -> int:
    stores = tuple(frozenset(objects.items()) for objects in world.objects.values())
    return hash((stores, scheduler.state()))
