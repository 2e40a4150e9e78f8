"""The last lease of every workload that runs under one, read beside all else; how long a log was is not read twice."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from drstack.recovery.facts import Facts
    from drstack.recovery.leases import LeasePolicy
    from drstack.recovery.world import World
    from drstack.witness.leases import Lease, LeaseLog


@dataclass(frozen=True, slots=True)
class Leases:
    """`renew_s`: seconds between two renewals. `last`: by workload the last record, None where there is none."""

    policy: LeasePolicy
    renew_s: float
    last: Mapping[str, Lease | None] = field(default_factory=dict[str, "Lease | None"])


class Leasing:
    """Looks again and again, at one environment. Not for use by two threads at once."""

    def __init__(self) -> None:
        self._logs: dict[tuple[str, str], LeaseLog] = {}

    def look(self, world: World, facts: Facts, renew_s: float) -> Leases | None:
        """None where leases are off. WitnessUnreachable, WitnessUnsound."""
        if world.leases is None:
            return None
        witness = world.witness
        names = [name for name in facts.workloads if world.needs[name].leased]
        for name in names:
            self._logs.setdefault((witness.url, name), witness.leases(name))
        found = world.beside([self._logs[witness.url, name].last for name in names])
        last = dict(zip(names, found, strict=True))
        later = {name for name, each in last.items() if each is not None and each.term > facts.workloads[name].term}
        newest = witness.current() if later else None
        if newest is not None and newest.number > facts.assignment.number:
            # assigned anew since the facts were taken: the next look sees both
            last = {name: each for name, each in last.items() if name not in later}
        return Leases(world.leases, renew_s, last)
