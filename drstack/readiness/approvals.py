"""Who could approve an operation, and what waits for that: read beside all else, only where the environment asks people."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from drstack.custody.people import counting
from drstack.recovery.approving import requests
from drstack.recovery.glass import broken, who_signs_off
from drstack.spec.keys import person_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from drstack.recovery.approving import Asked
    from drstack.recovery.quorum import Quorum
    from drstack.recovery.world import World
    from drstack.witness.journal import Journal
    from replicator.crypto.trust import Trust

Doc = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Waiting:
    """A plan that lies on the witness and was not begun. `at`: unix seconds by the clock of `by`, who asked."""

    kind: str
    target: str
    hash: str
    by: str
    at: float
    at_least: int
    given: tuple[str, ...]
    asked: tuple[str, ...]
    """People who may still approve it."""
    operation: str | None = None
    """One that runs already, and lacks approvals."""

    @property
    def enough(self) -> bool:
        return len(self.given) >= self.at_least


@dataclass(frozen=True, slots=True)
class Approvals:
    """`quorums`: by kind of operation. `lacks`: why each person has no key that counts here; None where they have one."""

    quorums: Mapping[str, Quorum]
    lacks: Mapping[str, str | None]
    trust: str
    """The trust file that was looked at."""
    waiting: tuple[Waiting, ...] = field(default=())


def look_at_approvals(world: World, base: int, running: Journal | None) -> Approvals:
    """`base`: the assignment that stands. WitnessUnreachable, WitnessUnsound, KeyAbsent, Untrusted."""
    people = {name for quorum in world.quorums.values() for name in (*quorum.of, *quorum.break_glass)}
    if world.keys is None:
        return Approvals(world.quorums, dict.fromkeys(sorted(people), "no keys are at hand"), "the trust file")
    trust = world.keys.trust
    lacks = {name: _lacks(trust, name) for name in sorted(people)}
    plan = (running.plan() or {}) if running is not None else {}
    of = running.identity if running is not None else None
    began_at = plan.get("planned_at") or plan.get("began_at")
    moments = (world.clock(), *([float(began_at)] if began_at else []))
    every = requests(world, base, moments=moments, of=of)
    admitted: Doc = plan.get("approvals") or {}
    mine = admitted.get("request")
    left = [each for each in every if each.begun is None and not (each.tally.enough and each.request.identity == mine)]
    return Approvals(
        world.quorums, lacks, str(world.keys.folder / "trust.json"),
        tuple(_waiting(each, of if each.request.identity == mine else None) for each in left),
    )  # fmt: skip


def unsigned(world: World) -> tuple[Doc, ...]:
    """Operations that went on without approvals, and nobody signed off. WitnessUnreachable, WitnessUnsound."""
    return tuple({**each, "may": who_signs_off(world, each)} for each in broken(world) if each["signed_off"] is None)


def _waiting(each: Asked, operation: str | None) -> Waiting:
    tally = each.tally
    return Waiting(
        each.kind, str(each.plan["target"]), each.digest[:16], each.by, each.at, tally.at_least, tally.given, tally.asked,
        operation,
    )  # fmt: skip


def _lacks(trust: Trust, person: str) -> str | None:
    if counting(trust, person) is not None:
        return None
    revoked = [key.revoked for key in trust.keys if person_of(key.name) == person and key.revoked is not None]
    return f"key revoked: {revoked[-1].reason}" if revoked else "no key"
