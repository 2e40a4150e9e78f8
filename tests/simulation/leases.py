"""Leases on real create-only slots, on a simulated clock: a holder renews, a promoter waits until it may call it expired.

drstack holds no leases yet (DESIGN, rule 7, says how they must be); this is the design tried, and the ways to get it
wrong that research on the protocol found. Time passes only when somebody chooses so; clocks differ by `skew`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from replicator.log.claim import claim
from replicator.log.slots import slot_key
from tests.simulation.choosers import Seeded
from tests.simulation.schedule import Budget, Operation, Scheduler
from tests.simulation.store import SimStore

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.simulation.schedule import Actor

TTL = 3
LEASE_BUGS = (
    "wall-clock lease",
    "watched lease, not taken",
    "counted from the answer",
)
PREFIX = "leases/gpt"


@dataclass(slots=True)
class LeaseWorld:
    """`until`: when, in true time, the holder believes that its lease ends. `declared`: the promoter calls it expired."""

    bug: str = ""
    skew: int = 0
    now: int = 0
    until: int = TTL
    declared: bool = False
    renewals: int = 0
    objects: dict[str, bytes] = field(default_factory=dict[str, bytes])
    found: list[str] = field(default_factory=list[str])

    def store(self, actor: Actor) -> SimStore:
        return SimStore("W", self.objects, actor, lambda: True, ("lost",))

    def judge(self) -> None:
        """Nobody is told that a lease expired whose holder still acts on it."""
        if self.declared and self.until > self.now:
            self.found.append(f"declared expired at {self.now}, the holder acts until {self.until}")


def take(world: LeaseWorld, actor: Actor, n: int, body: str) -> bool:
    return claim(world.store(actor), slot_key(PREFIX, n), body.encode(), sleep=lambda _: None).ours


def time_passes(world: LeaseWorld, ticks: int) -> Callable[[Actor], None]:
    def live(actor: Actor) -> None:
        for _ in range(ticks):
            actor.step(Operation("a second passes"))
            world.now += 1
            world.judge()

    return live


def holder(world: LeaseWorld) -> Callable[[Actor], None]:
    """Renews by the next slot, and holds from before it sent the renewal."""

    def live(actor: Actor) -> None:
        n = 1
        while world.renewals < 5:
            actor.step(Operation("renew", ready=lambda: world.until - 1 <= world.now or world.declared))
            if world.now >= world.until:
                return
            sent = world.now
            if not take(world, actor, n, f"holder {sent + TTL}"):
                return
            world.renewals += 1
            actor.step(Operation("believe the answer"))
            begins = world.now if world.bug == "counted from the answer" else sent
            world.until = max(world.until, begins + TTL)
            world.judge()
            n += 1

    return live


def promoter(world: LeaseWorld) -> Callable[[Actor], None]:
    """Takes the next slot itself, and then waits a whole time-to-live by its own clock."""

    def live(actor: Actor) -> None:
        if world.bug == "wall-clock lease":
            _by_the_clock(world, actor)
        elif world.bug == "watched lease, not taken":
            _by_watching(world, actor)
        else:
            n = 1
            while not take(world, actor, n, "promoter"):
                n += 1
            since = world.now
            actor.wait("wait a time-to-live", lambda: world.now - since >= TTL)
        world.declared = True
        world.judge()

    return live


def _last(world: LeaseWorld) -> tuple[int, int]:
    """How many renewals are stored, and until when the last says that it holds."""
    held = [body.decode().split() for _, body in sorted(world.objects.items())]
    return len(held), int(held[-1][1]) if held else TTL


def _by_the_clock(world: LeaseWorld, actor: Actor) -> None:
    """Compares the expiry that the holder wrote with a clock of its own."""
    actor.wait("look at the lease", lambda: world.now + world.skew >= _last(world)[1])


def _by_watching(world: LeaseWorld, actor: Actor) -> None:
    """Counts from the last renewal that it saw, and takes nothing."""
    seen, since = _last(world)[0], world.now
    while True:
        actor.step(Operation("look at the lease"))
        if _last(world)[0] != seen:
            seen, since = _last(world)[0], world.now
        if world.now - since >= TTL:
            return
        actor.wait("time", lambda now=world.now: world.now > now)


def run_lease(seed: int, bug: str = "") -> tuple[LeaseWorld, Scheduler]:
    world = LeaseWorld(bug, skew=(seed % 3) if bug == "wall-clock lease" else 0)
    scheduler = Scheduler(Seeded(seed), Budget(faults=2, stops=1))
    scheduler.add("clock", time_passes(world, 14))
    scheduler.add("holder", holder(world))
    scheduler.add("promoter", promoter(world))
    scheduler.run()
    return world, scheduler
