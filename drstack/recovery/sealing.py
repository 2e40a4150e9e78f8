"""The part of a promotion that decides: seals, the recovery point among what is sealed, the assignment, then opens.

Seals come before the assignment that names them (DESIGN, rule 4). The recovery point is chosen anew once the logs are
sealed: what was committed after the plan counts, and nothing can be committed any more; of two checkpoints under one
name, one stands (`contest.py`). A slot of the assignment that is lost makes everything here void.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from drstack.errors import OperationConflict, StepFailed, WitnessUnsound
from drstack.recovery.admission import bring_up_to
from drstack.recovery.consents import FAILED_PROOF, SKIP_FENCE
from drstack.recovery.contest import by_preference
from drstack.recovery.facts import WorkloadFact
from drstack.recovery.hearing import repository_fact
from drstack.recovery.points import Wish, choose
from drstack.recovery.traffic import weights_after
from drstack.recovery.unwitnessed import mark
from drstack.spec.quantities import format_duration
from drstack.witness.assignment import Assignment, Consent, WorkloadAssignment, lineage_of
from replicator.errors import ReplicatorError
from replicator.log.counters import Run
from replicator.log.covering import settle, uncovered
from replicator.log.entries import Open, SealRef
from replicator.model import Id

if TYPE_CHECKING:
    from collections.abc import Mapping

    from drstack.recovery.world import World
    from replicator.log.replay import LogView
    from replicator.log.workload import Slot
    from replicator.repository.repository import Repository

Doc = dict[str, Any]
_FEW = 3


def fence(world: World, plan: Doc, site: str, *, deadline_s: float, order: str | None) -> Doc:
    """Try to stop a site that loses workloads. What failed is graded, not raised; one that was left out is not tried."""
    if [SKIP_FENCE, site] in [list(each) for each in plan["consents"]]:
        why = f"{plan.get('by')} left it out: {plan.get('reason') or 'no reason'}"
        return {
            "fence": {"site": site, "grade": "assumed", "done": "nothing", "proof": why},
            "detail": f"assumed ({why})",
        }
    only = [each["name"] for each in plan["workloads"] if each["writer"] == site] if plan["alone"] else None
    done = world.sites[site].fence(deadline_s=deadline_s, only=only, order=order)
    row = {"site": site, "grade": done.grade, "done": done.done, "proof": done.proof}
    return {"fence": row, "detail": f"{done.grade} ({done.proof})"}


def seal(world: World, plan: Doc, workload: Doc, operation: str) -> Doc:
    """Seal every repository that the plan names, in the workload's ending term, and choose what to recover.

    A repository that was within reach and is not any more is left out, if it acknowledges nothing; OperationConflict
    otherwise, so that facts are taken anew and the loss is consented to.
    """
    before = world.witness.up_to(int(plan["base"]))[-1]
    row = _seal_workload(world, plan, workload, operation, before)
    told = [f"step {row['step']} in {row['source']}"]
    told += [_told(row["void"])] if row["void"] else []
    told += [f"not sealed: {name}: {why}" for name, why in sorted(row["left_out"].items())]
    return {**row, "detail": "; ".join(told)}


def _told(void: list[Doc]) -> str:
    few = ", ".join(f"{row['commit']} in {row['repository']}" for row in void[:_FEW])
    more = f" and {len(void) - _FEW} more" if len(void) > _FEW else ""
    return f"void from now on: {few}{more}"


def _seal_workload(world: World, plan: Doc, workload: Doc, operation: str, before: Assignment) -> Doc:
    part = before.workloads[workload["name"]]
    seals: list[Doc] = []
    left_out: dict[str, str] = {}
    views: dict[str, LogView] = {}
    sites: list[str] = workload["seal"]
    for site, ended in zip(
        sites, world.beside([partial(_try, world, plan, workload, operation, s) for s in sites]), strict=True
    ):
        if isinstance(ended, ReplicatorError):
            if site == plan["target"] or (site in part.acknowledge and not _unknown_loss_accepted(plan)):
                raise OperationConflict(
                    f"{site}'s repository was within reach and cannot be sealed: {ended}"
                ) from ended
            left_out[site] = str(ended)
            continue
        slot, views[site] = ended
        seals.append({"repository": site, "slot": slot.n, "digest": slot.digest})
    opening = _opening(plan, part, views)
    counters = {term: [run.model_dump() for run in runs] for term, runs in opening.counters.items()}
    return {
        "seals": seals, "heads": opening.heads, "counters": counters, "left_out": left_out,
        "void": _void(opening, views), **_choose(world, plan, workload, opening, before, tuple(views)),
    }  # fmt: skip


def _try(world: World, plan: Doc, workload: Doc, operation: str, site: str) -> tuple[Slot, LogView] | ReplicatorError:
    """Seal the workload's log at one site, and read it."""
    try:
        log = world.repositories[site].log(workload["name"])
        slot = log.seal(workload["term"], reason=f"promotion to {plan['target']}", operation=operation)
        return slot, log.view()
    except ReplicatorError as error:
        return error


def _opening(plan: Doc, part: WorkloadAssignment, sealed: Mapping[str, LogView]) -> Open:
    """What the new term's `open` will say of earlier ones. Of terms before the one that ends it was said already."""
    heads = {term: height for term, height in part.heads.items() if int(term) < part.term}
    counters = {term: runs for term, runs in part.counters.items() if int(term) < part.term}
    order = by_preference(sealed, part.acknowledge, plan["target"])
    head, runs = settle(sealed[name].counted(part.term) for name in order)
    if head:
        heads[str(part.term)], counters[str(part.term)] = head, runs
    return Open(term=int(plan["base"]) + 1, writer=plan["target"], heads=heads, counters=counters)


def _void(opening: Open, sealed: Mapping[str, LogView]) -> list[Doc]:
    """What stands in the sealed repositories until the new term is opened there."""
    return [
        {"repository": name, "commit": str(each.what.id()), "step": each.what.step, "reason": reason}
        for name, view in sorted(sealed.items())
        for each in view.in_order()
        if (reason := uncovered(opening, each.what)) is not None
    ]


def _unknown_loss_accepted(plan: Doc) -> bool:
    return any(kind == "unknown-loss" for kind, _ in plan["consents"])


def _choose(world: World, plan: Doc, workload: Doc, opening: Open, before: Assignment, sealed: tuple[str, ...]) -> Doc:
    name = workload["name"]
    demanded = world.needs[name].demanded
    behind = lineage_of(world.witness.up_to(before.number), name)
    asked = [
        partial(
            repository_fact, world.repositories[each], name, demanded, before, opening=opening, behind=behind,
            witness=world.witness, beside=world.beside,
        )
        for each in sealed
    ]  # fmt: skip
    facts = dict(zip(sealed, world.beside(asked), strict=True))
    fact = WorkloadFact(name, workload["writer"], workload["term"], (), facts)
    wish = Wish(
        demanded, world.needs[name].rpo_s, plan.get("failed_at") or plan["facts_at"], plan["target"],
        bool(workload.get("prefer_newest")), FAILED_PROOF in {tuple(each) for each in plan["consents"]},
    )  # fmt: skip
    choice = choose(fact, wish)
    if choice is None:
        raise OperationConflict(f"{name}: none of the sealed repositories has a checkpoint with its receipts any more")
    commit, source = choice.point, choice.source
    bound_s, loss_s = workload["loss_bound_s"], wish.failed_at - commit.saved_at
    if bound_s is not None and loss_s > bound_s and not workload["reopen"]:
        raise OperationConflict(
            f"{name}: once the logs were sealed, step {commit.step} is the best that is left ({choice.why}); it would lose "
            f"{loss_s:.1f} s, and {format_duration(bound_s)} were agreed to"
        )
    return {
        "commit": [commit.id.term, commit.id.height], "step": commit.step, "saved_at": commit.saved_at, "source": source,
        "why": choice.why,
    }  # fmt: skip


def chosen(plan: Doc, sealed: Mapping[str, Doc]) -> list[Doc]:
    """The plan's workloads, with the recovery point that was chosen once the logs were sealed. `sealed`: by workload."""
    return [{**workload, **sealed[workload["name"]]} for workload in plan["workloads"]]


def assign(world: World, plan: Doc, workloads: list[Doc], operation: str) -> Assignment:
    """Make the assignment. OperationConflict if another one took its slot: facts and seals must be taken anew."""
    every = world.witness.assignments()
    number = int(plan["base"]) + 1
    if len(every) < number - 1:
        raise WitnessUnsound(f"the witness has {len(every)} assignments; the plan was made on number {plan['base']}")
    before = every[number - 2]
    made = dict(before.workloads)
    for workload in workloads:
        old = before.workloads[workload["name"]]
        made[workload["name"]] = WorkloadAssignment(
            writer=plan["target"], term=number,
            serves=weights_after(old.serves, plan["fence"], plan["target"]) if old.serves else {},
            acknowledge=tuple(workload["acknowledge"]),
            seals=tuple(SealRef.model_validate(ref) for ref in workload["seals"]),
            head=_head(workload, old), heads=workload["heads"],
            counters={t: tuple(map(Run.model_validate, runs)) for t, runs in workload.get("counters", {}).items()},
            keys=world.keys_for(plan["target"]) or old.keys, without_witness=mark(plan, operation),
        )  # fmt: skip
    for name, part in before.workloads.items():
        others = name not in {workload["name"] for workload in workloads}
        if part.serves and others and plan["fence"] and not plan["alone"]:
            serves = weights_after(part.serves, plan["fence"], plan["target"])
            made[name] = part.model_copy(update={"writer": plan["target"], "term": number, "serves": serves})
    by, reason = str(plan.get("by", "")), plan.get("reason") or ""
    consents = tuple(Consent(kind=kind, value=value, reason=reason, by=by) for kind, value in plan["consents"])
    offered = Assignment(
        number=number, workloads=made, cause="keys" if plan.get("kind") == "keys" else "promote", operation=operation,
        consents=consents,
    )  # fmt: skip
    stands = world.witness.assign(offered)
    if stands.operation != operation:
        raise OperationConflict(f"assignment {number} was made by operation {stands.operation}: facts changed")
    return stands


def _head(workload: Doc, old: WorkloadAssignment) -> Id | None:
    """What the new term goes on from: what is restored; for a run that was left alone, the last that it committed."""
    if not workload["reopen"]:
        return Id(term=workload["commit"][0], height=workload["commit"][1])
    height = workload["heads"].get(str(old.term))
    return Id(term=old.term, height=height) if height else old.head


def open_all(world: World, assignment: Assignment, plan: Doc) -> dict[str, str]:
    """Open the new term in every repository within reach. Returns per repository how it ended.

    StepFailed if the target's own repository cannot be opened; the others are brought up when they come back.
    """
    names: list[str] = [workload["name"] for workload in plan["workloads"]]
    opened = {
        site: [partial(_open, assignment, name, repository) for name in names]
        for site, repository in world.repositories.items()
    }
    troubles = iter(world.beside([each for calls in opened.values() for each in calls]))
    ended: dict[str, str] = {}
    for site, calls in opened.items():
        trouble = next((each for each in [next(troubles) for _ in calls] if each is not None), None)
        if trouble is not None and site == plan["target"]:
            raise StepFailed(f"{site}'s repository could not be opened: {trouble}") from trouble
        ended[site] = "open" if trouble is None else f"not open: {trouble}"
    return ended


def _open(assignment: Assignment, workload: str, repository: Repository) -> ReplicatorError | None:
    try:
        bring_up_to(assignment, workload, repository)
    except ReplicatorError as error:
        return error
    return None
