"""Everything that a judgement is made of, looked at side by side. Nothing is changed, and what is away is a fact too."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from drstack.custody.readiness import readiness as custody
from drstack.drills.schedule import Overdue, last_held, overdue
from drstack.errors import DrstackError, EnvironmentUnknown, WitnessUnreachable, WitnessUnsound
from drstack.naming import in_place
from drstack.platforms.registry import open_probe
from drstack.readiness.approvals import look_at_approvals, unsigned
from drstack.readiness.backend import ask_backend
from drstack.readiness.drills import last_drill
from drstack.readiness.fitting import Fitting
from drstack.readiness.holding import try_keys
from drstack.readiness.leasing import Leasing
from drstack.readiness.situation import Descriptor, Situation, Trouble
from drstack.readiness.timings import Past
from drstack.recovery.control import describe
from drstack.recovery.evidence import unknown
from drstack.recovery.fenced import deliberate
from drstack.spec import resolve_url
from drstack.spec.faults import EnvironmentInvalid
from replicator.errors import KeyAbsent, KeyLocked, ReplicatorError, Untrusted

if TYPE_CHECKING:
    from collections.abc import Mapping

    from drstack.readiness.ports import Look
    from drstack.recovery.facts import Facts
    from drstack.recovery.ports import RouterObservation
    from drstack.recovery.world import World
    from drstack.spec import Environment
    from drstack.witness.journal import Journal
    from drstack.witness.witness import Described

CALL_S = 5.0


@dataclass(frozen=True, slots=True)
class Memory:
    """What changes no more, and is not read twice: for one environment."""

    past: Past = field(default_factory=Past)
    fitting: Fitting = field(default_factory=Fitting)
    leasing: Leasing = field(default_factory=Leasing)


def gather(
    declared: Environment, root: Path, world: World, facts: Facts, running: Journal | None, memory: Memory
) -> Situation:
    """What `facts` leave open. WitnessUnreachable, WitnessUnsound."""
    with ThreadPoolExecutor(max(6, len(declared.sites) * 2)) as pool:
        backend = pool.submit(ask_backend, resolve_url(declared.state, root))
        ranks = {name: need.ranks for name, need in world.needs.items()}
        timings = pool.submit(memory.past.timings, world.witness, ranks)
        router = pool.submit(_router, world)
        leases = pool.submit(memory.leasing.look, world, facts, declared.leases.renew_s) if declared.leases else None
        approvals = pool.submit(look_at_approvals, world, facts.assignment.number, running) if world.quorums else None
        broken = pool.submit(unsigned, world)
        fences = pool.submit(deliberate, world.witness, facts)
        described = {name: world.witness.described(name) for name in declared.sites}
        looks = {
            name: pool.submit(_look, each, tuple(world.needs)) for name, each in described.items() if each is not None
        }
        held = {
            name: pool.submit(try_keys, declared, root, world, name, _keys_of(each))
            for name, each in described.items()
            if each is not None and world.keys is not None
        }
        keys = {name: one for name, each in held.items() if (one := each.result()) is not None}
        # from here on nobody else reads logs: they are for one thread at a time
        seen = {name: one for name, each in looks.items() if (one := each.result()) is not None}
        machines = [each.machine for each in seen.values()]
        writers = {name: each.writer for name, each in facts.workloads.items()}
        return Situation(
            environment=declared.environment, at=facts.at, witness=world.witness.url, facts=facts, needs=world.needs,
            own=world.own,
            standby_slots={name: slots for name in declared.sites if (slots := world.standby(name)) is not None},
            descriptors={name: _descriptor(each) for name, each in described.items()},
            environment_id=world.witness.environment_id(),
            looks=seen,
            keys=keys,
            custody=custody(world.keys, world.repositories, writers),
            works=memory.fitting.works(facts, world.repositories, machines), backend=backend.result(),
            operation=describe(running) if running is not None else None, timings=timings.result(),
            drills=last_drill(world.witness, facts.sites, world.repositories), overdue=_overdue(declared, world, facts.at),
            router=router.result(),
            serving={n: facts.assignment.workloads[n].serves for n in world.serving if n in facts.assignment.workloads},
            leases=leases.result() if leases is not None else None,
            approvals=approvals.result() if approvals is not None else None, unsigned=broken.result(),
            fences=fences.result(),
        )  # fmt: skip


def nothing_seen(environment: str, witness: str, at: float, error: DrstackError | ReplicatorError) -> Situation:
    """Where looking itself failed: the error is the finding."""
    ids: dict[type[DrstackError | ReplicatorError], str] = {
        WitnessUnreachable: "witness-unreachable", WitnessUnsound: "witness-unsound",
        EnvironmentInvalid: "environment-unreadable", EnvironmentUnknown: "environment-unreadable",
        KeyAbsent: "keys-unusable", KeyLocked: "keys-unusable", Untrusted: "keys-unusable",
    }  # fmt: skip
    id_ = next((id_ for kind, id_ in ids.items() if isinstance(error, kind)), "look-failed")
    remedy = in_place(error.hint or "drstack check ENV", environment)
    trouble = Trouble(id_, str(error), remedy, unknown(witness))
    return Situation(environment, at, witness, troubles=(trouble,))


def _look(described: Described, workloads: tuple[str, ...]) -> Look | None:
    try:
        probe = open_probe(described.body)
    except WitnessUnsound:
        return None  # who opens the site says so
    return probe.look(workloads, deadline_s=CALL_S) if probe is not None else None


def _overdue(declared: Environment, world: World, now: float) -> Overdue | None:
    schedule = declared.drills
    last = last_held(schedule, world.witness.drills().all()) if schedule is not None else None
    return overdue(schedule, last, now, environment=declared.environment)


def _router(world: World) -> RouterObservation | None:
    return world.router.observe(deadline_s=CALL_S) if world.router is not None and world.serving else None


def _descriptor(described: Described | None) -> Descriptor | None:
    if described is None:
        return None
    workloads: Mapping[str, Any] = described.body.get("workloads") or {}
    known, keys = described.body.get("environment_id"), described.body.get("keys")
    return Descriptor(
        described.number, described.at, frozenset(workloads), None if known is None else str(known),
        None if keys is None else str(keys),
    )  # fmt: skip


def _keys_of(described: Described) -> tuple[Path, ...]:
    """The site's own, where they are within reach: as a promotion to it has them."""
    named = described.body.get("keys")
    return (Path(named),) if isinstance(named, str) and Path(named).is_dir() else ()
