"""The part of a promotion that decides: seals, then the assignment, then opens (DESIGN, rule 4).

Seals come before the assignment that names them; a slot of the assignment that is lost makes everything here void.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from drstack.errors import OperationConflict, StepFailed
from drstack.recovery.admission import bring_up_to
from drstack.witness.assignment import Assignment, Consent, WorkloadAssignment
from replicator.errors import RepositoryUnknown, Sealed, StoreError
from replicator.log.entries import SealRef
from replicator.model import Id

if TYPE_CHECKING:
    from drstack.recovery.world import World

Doc = dict[str, Any]


def seal_all(world: World, plan: Doc, operation: str) -> Doc:
    """Seal every repository that the plan names, in each workload's ending term. Returns slots, digests and heads.

    StepFailed if one that was within reach cannot be sealed any more.
    """
    sealed: Doc = {}
    for workload in plan["workloads"]:
        seals: list[Doc] = []
        heads: dict[str, int] = {}
        for name in workload["seal"]:
            repository = world.repositories[name]
            try:
                log = repository.log(workload["name"])
                slot = log.seal(workload["term"], reason=f"promotion to {plan['target']}", operation=operation)
                for term, height in log.view().heads().items():
                    heads[term] = max(height, heads.get(term, 0))
            except (StoreError, RepositoryUnknown) as error:
                raise StepFailed(
                    f"{name}'s repository was within reach and could not be sealed: {error}",
                    hint="Repair it and run the command again, or plan anew without it.",
                ) from error
            seals.append({"repository": name, "slot": slot.n, "digest": slot.digest})
        sealed[workload["name"]] = {"seals": seals, "heads": heads}
    return sealed


def assign(world: World, plan: Doc, sealed: Doc, operation: str, by: str, reason: str | None) -> Assignment:
    """Make the assignment. OperationConflict if another one took its slot: facts and seals must be taken anew."""
    current = world.witness.assignments()
    number = int(plan["base"]) + 1
    before = current[number - 2]
    workloads = dict(before.workloads)
    for workload in plan["workloads"]:
        name = workload["name"]
        old = before.workloads[name]
        workloads[name] = WorkloadAssignment(
            writer=plan["target"], term=number,
            serves={site: (0 if site == old.writer else weight) for site, weight in old.serves.items()},
            acknowledge=tuple(workload["acknowledge"]),
            seals=tuple(SealRef.model_validate(ref) for ref in sealed[name]["seals"]),
            head=Id(term=workload["commit"][0], height=workload["commit"][1]),
            heads=sealed[name]["heads"], keys=old.keys,
        )  # fmt: skip
    consents = tuple(Consent(kind=kind, value=value, reason=reason or "", by=by) for kind, value in plan["consents"])
    made = world.witness.assign(
        Assignment(number=number, workloads=workloads, cause="promote", operation=operation, consents=consents)
    )
    if made.operation != operation:
        raise OperationConflict(f"assignment {number} was made by operation {made.operation}: facts changed")
    return made


def open_all(world: World, assignment: Assignment, plan: Doc) -> dict[str, str]:
    """Open the new term in every repository within reach. Returns per repository how it ended.

    StepFailed if the target's own repository cannot be opened; the others are brought up when they come back.
    """
    ended: dict[str, str] = {}
    for name, repository in world.repositories.items():
        try:
            for workload in plan["workloads"]:
                bring_up_to(
                    assignment, workload["name"], repository.store, clock=repository.clock, token=repository.token
                )
            ended[name] = "open"
        except (StoreError, RepositoryUnknown, Sealed) as error:
            if name == plan["target"]:
                raise StepFailed(f"{name}'s repository could not be opened: {error}") from error
            ended[name] = f"not open: {error}"
    return ended
