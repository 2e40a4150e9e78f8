"""drstack's own leases on a simulated clock: a holder renews, a promoter waits until it may call the lease expired.

The slots, what may follow what, and how long is waited are drstack's; the ways to get them wrong are those that research
on the protocol found. Time passes only when somebody chooses so; clocks differ by `skew`.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from drstack.errors import LeaseLost, WitnessUnreachable
from drstack.recovery.leases import LeasePolicy
from drstack.witness.leases import LeaseLog
from replicator.log.records import open_envelope
from tests.simulation.choosers import Seeded
from tests.simulation.schedule import Budget, Operation, Scheduler
from tests.simulation.store import SimStore

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.simulation.schedule import Actor

TTL = 12
LEASE_BUGS = (
    "wall-clock lease",
    "watched lease, not taken",
    "counted from the answer",
    "a lower time-to-live forgets the higher",
)


@dataclass(slots=True)
class LeaseWorld:
    """`until`: when, in true time, the holder believes that its lease ends. `declared`: the promoter calls it expired."""

    bug: str = ""
    skew: int = 0
    now: int = 0
    until: int = TTL
    declared: bool = False
    renewals: int = 0
    sent: int = 0
    """When the holder sent its last renewal, as it would have written it."""
    ttl: int = TTL
    """What the holder is told; an operator lowers it in some runs."""
    objects: dict[str, bytes] = field(default_factory=dict[str, bytes])
    tokens: Iterator[int] = field(default_factory=itertools.count)
    found: list[str] = field(default_factory=list[str])

    def store(self, actor: Actor) -> SimStore:
        return SimStore("W", self.objects, actor, lambda: True)

    def log(self, actor: Actor) -> LeaseLog:
        return LeaseLog(
            self.store(actor), "e", "gpt", clock=lambda: 0.0, token=lambda: f"{actor.name}-{next(self.tokens)}",
            sleep=lambda _: None,
        )  # fmt: skip

    def judge(self) -> None:
        """Nobody is told that a lease expired whose holder still acts on it."""
        if self.declared and self.until > self.now:
            self.found.append(f"declared expired at {self.now}, the holder acts until {self.until}")


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
        log = world.log(actor)
        while world.renewals < 5:
            actor.step(Operation("renew", ready=lambda: world.until - TTL + 2 < world.now or world.declared))
            if world.now >= world.until:
                return
            sent = world.sent = world.now
            believed = 0 if world.bug == LEASE_BUGS[3] else world.until - sent
            try:
                log.hold(site="east", term=1, for_s=max(world.ttl, believed), over=lambda _: False)
            except LeaseLost:
                return
            except WitnessUnreachable:
                continue
            world.renewals += 1
            actor.step(Operation("believe the answer"))
            begins = world.now if world.bug == "counted from the answer" else sent
            world.until = max(world.until, begins + world.ttl)
            world.judge()

    return live


def promoter(world: LeaseWorld) -> Callable[[Actor], None]:
    """Takes the next slot itself, and then waits, by its own clock, as long as the last renewal said."""

    def live(actor: Actor) -> None:
        if world.bug == "wall-clock lease":
            _by_the_clock(world, actor)
        elif world.bug == "watched lease, not taken":
            _by_watching(world, actor)
        else:
            for_s = None
            while for_s is None:
                try:
                    for_s = world.log(actor).take(term=1, operation="1-1").for_s or TTL
                except WitnessUnreachable:
                    actor.step(Operation("try again"))
            since, waits = world.now, LeasePolicy(0, 0, lambda: world.now).wait_s(for_s)
            actor.wait("wait a time-to-live", lambda: world.now - since >= waits)
        world.declared = True
        world.judge()

    return live


def lowering(world: LeaseWorld) -> Callable[[Actor], None]:
    """An operator lowers the time-to-live while the holder lives."""

    def live(actor: Actor) -> None:
        actor.step(Operation("lower the time-to-live"))
        world.ttl = 3

    return live


def _last(world: LeaseWorld) -> tuple[int, float]:
    """How many renewals are stored, and until when the last would hold by the holder's word."""
    held = [open_envelope(body, key)["body"] for key, body in sorted(world.objects.items())]
    return len(held), world.sent + float(held[-1]["for_s"]) if held else TTL


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
    world = LeaseWorld(bug, skew=(seed % 5) if bug == "wall-clock lease" else 0)
    scheduler = Scheduler(Seeded(seed), Budget(faults=2, stops=1))
    scheduler.add("clock", time_passes(world, 60))
    scheduler.add("holder", holder(world))
    scheduler.add("promoter", promoter(world))
    if seed % 2:
        scheduler.add("operator", lowering(world))
    scheduler.run()
    return world, scheduler
