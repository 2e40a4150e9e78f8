"""A run from a seed: who takes part, what is away, which design bug is planted."""

from __future__ import annotations

import contextlib
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING
from unittest import mock

from replicator.log.naming import Naming
from tests.simulation.careless import copier, sleeper, stale_compactor, stale_keeper, zombie
from tests.simulation.choosers import Seeded
from tests.simulation.compactor import compactor
from tests.simulation.features import reached
from tests.simulation.invariants import summary, violations
from tests.simulation.keeper import keeper, restorer
from tests.simulation.operator import ModelWorld, operator
from tests.simulation.schedule import Budget, Scheduler
from tests.simulation.writer import verifier, writer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.simulation.world import World

COMPACTING = (
    "compacts, then deletes what it saw",
    "deletes, then compacts",
    "reads what it saw before its pin",
    "names what was let go of",
)
BUGS = (
    "receipts-only seal",
    "list-then-put",
    "reuse of a lost slot's decision",
    "sparse slots",
    "re-check, then delete",
    "heads of every term taken from the seals",
    "heads without counters",
    "no word from those that acknowledge",
    *COMPACTING,
)
FORGETFUL = BUGS[6:8]
"""Bugs that matter only where a height is given out twice."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """`reached`: which of the things that make a run worth making happened in it."""

    seed: int
    found: list[str]
    story: Callable[[], str]
    reached: frozenset[str]
    steps: int
    """How often somebody was chosen to go on."""

    def told(self) -> str:
        told = [f"seed {self.seed} (it alone: DRSTACK_SEED={self.seed})", self.story(), *self.found]
        return "\n".join(told)


def run(seed: int, bug: str = "", kind: type[World] = ModelWorld) -> Outcome:
    chance = random.Random(f"scenario {seed}")
    repositories = chance.choice([("N",), ("N", "M"), ("N", "M")])
    acknowledge = chance.choice([("N",), repositories])
    if bug in FORGETFUL:
        repositories, acknowledge = ("N", "M"), ("N",)
    world = kind(repositories, acknowledge, bug=bug)
    budget = Budget(faults=chance.choice([0, 1, 3, 6]), stops=chance.choice([0, 0, 1, 2]))
    scheduler = Scheduler(Seeded(seed), budget)
    _people(chance, world, scheduler, receipts=bug == "receipts-only seal" or chance.random() < 0.2)
    _strangers(chance, world, scheduler)
    _weather(chance, world, scheduler)
    _compactors(random.Random(f"compaction {seed}"), world, scheduler)
    with _careless_replay() if bug == "names what was let go of" else contextlib.nullcontext():
        scheduler.run()
        found = violations(world, scheduler)
    assignments = list(world.assignments())
    return Outcome(
        seed, found, lambda: scheduler.story() + "\n" + summary(assignments), frozenset(reached(world, scheduler)),
        len(scheduler.trace),
    )  # fmt: skip


def _people(chance: random.Random, world: World, scheduler: Scheduler, *, receipts: bool) -> None:
    deltas = chance.random() < 0.5
    for site in ("east", "west"):
        order = tuple(chance.sample(world.repositories, len(world.repositories)))
        commits = chance.choice([1, 2, 3])
        scheduler.add(site, writer(world, site, commits=commits, deltas=deltas, receipts=receipts, order=order))
    forgets = chance.random() < (0.8 if world.bug in FORGETFUL else 0.2)
    for site in ("east", "west") if forgets and len(world.repositories) > 1 else ():
        order = tuple(chance.sample(world.repositories, 2))
        scheduler.add(f"{site}-again", writer(world, site, commits=2, deltas=deltas, order=order))
        world.cut.add((f"{site}-again", order[-1]))
    for n in range(chance.choice([1, 1, 2, 3])):
        target = chance.choice(["west", "west", "east"])
        changed = chance.choice([None, None, world.repositories, world.repositories[-1:]])
        scheduler.add(f"operator-{n}", operator(world, target, acknowledge=changed))
    if receipts:
        for name in world.repositories:
            scheduler.add(f"verifier-{name}", verifier(world, name, rounds=3))
    if chance.random() < 0.5 or world.bug == "re-check, then delete":
        scheduler.add("keeper", keeper(world, "N"))
        if chance.random() < 0.5:
            scheduler.add("restorer", restorer(world, "N"))


def _strangers(chance: random.Random, world: World, scheduler: Scheduler) -> None:
    if world.bug == "sparse slots":
        return
    if chance.random() < 0.3:
        heights = tuple(chance.sample([1, 2, 3, 51, 52, 53], 3))
        scheduler.add("zombie", zombie(world, chance.choice(world.repositories), heights))
    if chance.random() < 0.2:
        scheduler.add("stale", stale_keeper(world, "N"))
        scheduler.add("reader", restorer(world, "N", holds=True))
    if len(world.repositories) > 1 and chance.random() < 0.2:
        source, target = chance.sample(world.repositories, 2)
        scheduler.add("copier", copier(world, source, target))


def _compactors(chance: random.Random, world: World, scheduler: Scheduler) -> None:
    planted = world.bug in COMPACTING
    if world.bug == "sparse slots" or not (planted or chance.random() < 0.3):
        return
    for n in range(chance.choice([1, 1, 2])):
        scheduler.add(f"compactor-{n}", compactor(world, "N"))
    if chance.random() < 0.3:
        scheduler.add("stale-compactor", stale_compactor(world, "N"))
    if (planted or chance.random() < 0.5) and "restorer" not in scheduler.actors:
        scheduler.add("restorer", restorer(world, "N"))
    if planted or chance.random() < 0.5:
        scheduler.add("sleeper", sleeper(world, "N"))


@contextlib.contextmanager
def _careless_replay() -> Iterator[None]:
    """The planted bug: whoever reads a log takes it that what was let go of is there."""
    with (
        mock.patch.object(Naming, "lost", return_value=None),
        mock.patch.object(Naming, "let_go", frozenset[str]()),
    ):
        yield


def _weather(chance: random.Random, world: World, scheduler: Scheduler) -> None:
    """A second repository that nobody reaches at first, or only the first writer; an operator that sees one of two."""
    if len(world.repositories) == 1:
        return
    if chance.random() < 0.2:
        world.away_until["M"] = 2
    elif chance.random() < 0.3:
        world.cut |= {("operator-0", "M"), ("west", "M")}
    for name in scheduler.actors:
        if name.startswith("operator") and chance.random() < 0.2:
            world.cut.add((name, chance.choice(world.repositories)))
