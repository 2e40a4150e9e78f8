"""The same actors around drstack's own promotion: its witness, its seals, assignment and opens.

Only what decides is driven (`drstack.recovery.sealing`): actuators, restores and the journal have tests of their own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from drstack.errors import OperationConflict, StepFailed, WitnessUnreachable
from drstack.recovery import sealing
from drstack.recovery.plan import Need
from drstack.recovery.world import World as Ports
from drstack.witness.assignment import Assignment as RealAssignment
from drstack.witness.assignment import WorkloadAssignment
from drstack.witness.witness import Witness
from replicator.errors import Sealed, StoreError
from replicator.repository.format import initialise
from replicator.repository.repository import Repository
from tests.simulation.world import FIRST_WRITER, WITNESS, WORKLOAD, Assignment, World

if TYPE_CHECKING:
    from collections.abc import Callable

    from replicator.log.entries import Open
    from tests.simulation.schedule import Actor

ENVIRONMENT = "env"


NEED = Need(rpo_s=1e9, rto_s=1e9, demanded=(), ranks=1)
"""No receipts are demanded: nothing here has bytes that could be verified."""


@dataclass(frozen=True, slots=True)
class Read(Assignment):
    """An assignment of drstack's, as the actors and the invariants know one."""

    opens: Open | None = None

    def opening(self) -> Open:
        assert self.opens is not None
        return self.opens


def read(source: RealAssignment) -> Read:
    part = source.workloads[WORKLOAD]
    unknown = tuple(consent.value for consent in source.consents if consent.kind == "unknown-loss")
    return Read(
        source.number,
        part.writer,
        part.acknowledge,
        part.seals,
        part.heads,
        unknown,
        part.counters,
        source.opening(WORKLOAD),
    )


class RealWorld(World):
    """`faults` leaves out what makes the code wait: it has no clock of ours for that."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.faults = ("lost",)

    def found(self, acknowledge: tuple[str, ...]) -> Assignment:
        for name in self.repositories:
            initialise(
                self.store(None, name), environment=ENVIRONMENT, witness=None, clock=lambda: 0.0, token=lambda: "nobody"
            )
        part = WorkloadAssignment(writer=FIRST_WRITER, term=1, acknowledge=acknowledge)
        self.real_witness(None).assign(RealAssignment(number=1, workloads={WORKLOAD: part}, cause="create"))
        return self.assignments()[0]

    def real_witness(self, actor: Actor | None) -> Witness:
        token = actor.token if actor else lambda: "nobody"
        return Witness(self.store(actor, WITNESS), ENVIRONMENT, clock=lambda: 0.0, token=token, at_once=1)

    def read_assignments(self, actor: Actor | None) -> list[Assignment]:
        return [read(each) for each in self.real_witness(actor).assignments()]

    def promote(self, actor: Actor | None, target: str, acknowledge: tuple[str, ...] | None, tries: int) -> None:
        for attempt in range(tries):
            try:
                _promote_once(self, actor, target, acknowledge, attempt)
            except OperationConflict:
                continue
            except (StepFailed, WitnessUnreachable, StoreError):
                return
            else:
                return


def _promote_once(
    world: RealWorld, actor: Actor | None, target: str, acknowledge: tuple[str, ...] | None, attempt: int
) -> None:
    witness = world.real_witness(actor)
    current = witness.assignments()[-1]
    part = current.workloads[WORKLOAD]
    repositories = {name: _repository(world, actor, name) for name in world.repositories}
    reachable = [name for name, each in repositories.items() if _answers(each)]
    operation = f"{actor.name if actor else 'nobody'}-{attempt}"
    plan: dict[str, Any] = {
        "target": target, "by": "simulation", "reason": "simulation", "base": current.number, "facts_at": 0.0, "alone": False,
        "consents": [("unknown-loss", name) for name in part.acknowledge if name not in reachable],
        "workloads": [{
            "name": WORKLOAD, "writer": part.writer, "term": part.term, "seal": reachable, "commit": (1, 1),
            "acknowledge": list(acknowledge or part.acknowledge), "loss_bound_s": None, "reopen": False,
        }],
    }  # fmt: skip
    ports: Any = Ports(
        environment=ENVIRONMENT, witness=witness, sites={}, repositories=repositories, needs={WORKLOAD: NEED}, clock=lambda: 0.0,
        sleep=lambda _: None, progress=None, one_by_one=True,  # type: ignore[arg-type]
    )  # fmt: skip
    sealed = {each["name"]: sealing.seal(ports, plan, each, operation) for each in plan["workloads"]}
    made = sealing.assign(ports, plan, sealing.chosen(plan, sealed), operation)
    sealing.open_all(ports, made, plan)


def _repository(world: RealWorld, actor: Actor | None, name: str) -> Repository:
    token: Callable[[], str] = actor.token if actor else lambda: "nobody"
    return Repository(name, world.store(actor, name), clock=lambda: 0.0, token=token, at_once=1)


def _answers(repository: Repository) -> bool:
    try:
        repository.log(WORKLOAD).view()
    except (StoreError, Sealed):
        return False
    return True
