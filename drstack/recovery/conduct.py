"""From a wish ("west shall write") to its end: join what runs, find that it is done, or plan, begin and carry out.

An operation that finds its facts overtaken ends as superseded; new facts are taken and new seals made. Invariant: nobody
takes the work from a site that somebody else has promoted while he was deciding (`contention.py`).
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

from drstack.errors import ConsentRequired, EnvironmentUnknown, OperationConflict, PlanStale
from drstack.recovery.alive import seen_to_run
from drstack.recovery.approving import admit
from drstack.recovery.contention import require_unmoved
from drstack.recovery.fenced import deliberate
from drstack.recovery.gathering import gather
from drstack.recovery.glass import break_running
from drstack.recovery.operation import abandon, begin, gives_way, join, maker, unfinished
from drstack.recovery.own_steps import accept_unfenced, with_own
from drstack.recovery.pins import let_go
from drstack.recovery.plan import plan_promotion, stopped_at, stranded
from drstack.recovery.promote import Promotion
from drstack.recovery.run import trace_end
from drstack.recovery.switchover import Switchover, plan_switchover
from drstack.spec.quantities import format_duration
from replicator.errors import KeyAbsent

if TYPE_CHECKING:
    from drstack.recovery.facts import Facts
    from drstack.recovery.plan import Given, Plan
    from drstack.recovery.world import World
    from drstack.witness.assignment import Assignment
    from drstack.witness.journal import Journal

Doc = dict[str, Any]
Kind = Literal["promote", "switchover"]
PLANNERS = {"promote": plan_promotion, "switchover": plan_switchover}
_TRIES = 5


def look(world: World) -> Facts:
    """Facts about every workload that the environment declares. From then on the world's clock is the one taken for right."""
    demanded = {name: need.demanded for name, need in world.needs.items()}
    facts = gather(world.witness, world.sites, world.repositories, demanded, one_by_one=world.one_by_one)
    world.correct(facts.time.offset_s)
    world.remember(facts.assignment)
    return facts


def plan_only(world: World, target: str, given: Given, *, kind: Kind = "promote") -> Plan:
    """The plan that would be carried out now. Touches nothing."""
    require_site(world, target)
    return decide(world, look(world), target, given, kind=kind)


def decide(world: World, facts: Facts, target: str, given: Given, *, kind: Kind = "promote") -> Plan:
    """The plan that these facts lead to. As the planners raise."""
    plan = with_own(PLANNERS[kind](world.environment, facts, target, world.needs, given), world.own, given)
    fenced = tuple(each.told() for each in deliberate(world.witness, facts) if each.site == target)
    runs = seen_to_run(world.environment, facts, target, given) if kind == "promote" else ()
    return replace(plan, clocks=facts.time.told, fenced=fenced, runs=runs)


def execution(world: World, journal: Journal) -> Promotion:
    """What carries out the operation of this journal."""
    switches = (journal.plan() or {}).get("kind") == "switchover"
    return Switchover(world, journal) if switches else Promotion(world, journal)


def promote(
    world: World,
    target: str,
    given: Given,
    *,
    agreed: Doc | None = None,
    kind: Kind = "promote",
    joins: bool = True,
) -> Doc:
    """Make `target` the writer. `agreed`: a plan that an operator looked at; PlanStale if the facts have left it.

    `joins`: whether to take part in an operation that another began, and to plan anew where this one was overtaken;
    OperationConflict instead.

    Returns the operation's end record; with `already` true where nothing was left to do.
    """
    require_site(world, target)
    _require_keys(world, target)
    set_out, why = world.witness.current(), ""
    for _ in range(_TRIES):
        if agreed is None:
            require_unmoved(world, set_out, world.witness.current(), target, given.only)
        journal = _running(world, target, given, agreed, kind, joins=joins)
        if journal is not None and not joins:
            raise OperationConflict(f"operation {journal.identity} is under way")
        try:
            if journal is None:
                done = None if given.reopen else _done(world, target, given.only)
                if done is not None:
                    return done
                journal = _begin(world, target, given, agreed, kind, set_out, joins=joins)
            end = execution(world, journal).finish()
            if _covers(journal, given.only):
                return end
            why = f"operation {journal.identity}, which was joined, moved fewer workloads"
        except OperationConflict as error:
            if agreed is not None or not joins or not _overtaken(journal):
                raise
            why = str(error)
    raise OperationConflict(
        f"facts changed under this promotion {_TRIES} times, at last: {why}",
        hint=f"Look at: drstack status {world.environment}",
    )


def _covers(journal: Journal, only: tuple[str, ...]) -> bool:
    """Whether an operation, which may be another operator's, did all that was asked for."""
    plan = journal.plan() or {}
    return not plan.get("alone") or (bool(only) and set(only) <= {each["name"] for each in plan["workloads"]})


def _overtaken(journal: Journal | None) -> bool:
    """Whether new facts are to be taken: the operation was overtaken by another, not ended by a person or still there."""
    if journal is None:
        return True
    ended = journal.ended()
    return ended is not None and ended["result"] == "superseded"


def _running(world: World, target: str, given: Given, agreed: Doc | None, kind: Kind, *, joins: bool) -> Journal | None:
    """The operation to join; None where none runs, or none any more."""
    running = unfinished(world.witness)
    if running is None:
        return None
    if given.abandon == running.identity:
        abandon(running, by=given.by, reason=_reason(given))
        let_go(world, running)
        trace_end(world, running)
        return None
    if joins and gives_way(running, target, kind):
        return None
    joined = join(running, target, kind)
    _require_same(joined.plan() or {}, agreed)
    accept_unfenced(joined, given.unfenced, by=given.by, reason=given.reason, at=world.clock())
    break_running(world, joined, given)
    return joined


def _begin(
    world: World, target: str, given: Given, agreed: Doc | None, kind: Kind, set_out: Assignment | None, *, joins: bool
) -> Journal:
    """The journal of the operation that was begun, or joined."""
    began_at = world.clock()
    for phase in ("detect", "facts"):
        world.progress.begin(phase)
    world.progress.end("detect", began_at - (given.failed_at or began_at), "")
    facts = look(world)
    facts_at = world.clock()
    began_at += facts.time.offset_s
    away = [site.site for site in facts.sites.values() if not site.reachable]
    told = "; ".join([f"out of sight: {', '.join(away) or 'nothing'}", *facts.time.told])
    world.progress.end("facts", facts_at - began_at, told)
    world.progress.begin("plan")
    if agreed is None:
        require_unmoved(world, set_out, facts.assignment, target, given.only)
    plan = decide(world, facts, target, given, kind=kind)
    if agreed is not None:
        require_agreed(plan, agreed)
    planned_at = world.clock()
    world.progress.end("plan", planned_at - facts_at, "; ".join((*plan.runs, describe(plan))))
    document = plan.document()
    admitted = admit(world, document, kind, given, agreed)
    for workload in document["workloads"]:
        need = world.needs[workload["name"]]
        workload.update({"rpo_s": need.rpo_s, "rto_s": need.rto_s})
    journal, ours = begin(
        world.witness,
        {
            **document, **admitted, "kind": given.reopen or kind, "by": given.by, "failed_at": given.failed_at,
            **({"typed": given.typed} if given.typed else {}),
            "began_at": began_at, "facts_at": facts_at, "planned_at": planned_at,
        },
    )  # fmt: skip
    if not ours and not joins:
        raise OperationConflict(f"operation {journal.identity} was begun by another")
    if not ours:
        _require_same(journal.plan() or {}, agreed)
    return journal


def _reason(given: Given) -> str:
    if not given.reason:
        raise ConsentRequired("abandoning an operation needs a reason", hint="Add: --reason '…'")
    return given.reason


def _require_same(running: Doc, agreed: Doc | None) -> None:
    """PlanStale if an operation that is to be joined allows more than the plan that was agreed to."""
    if agreed is None:
        return
    bounds = {each["name"]: each["loss_bound_s"] for each in agreed["workloads"]}
    for workload in running["workloads"]:
        allowed, stated = workload["loss_bound_s"], bounds.get(workload["name"], -1.0)
        if stated is not None and (allowed is None or allowed > stated):
            raise PlanStale(
                f"another operator's operation runs, and allows {workload['name']} to lose more than this plan",
                hint="Look at it first; without --plan-file, the same command joins it.",
            )


def require_agreed(plan: Plan, agreed: Doc) -> None:
    """PlanStale if the term moved, the target differs, or more would be lost than was agreed to."""
    if agreed.get("target") != plan.target or agreed.get("environment") != plan.environment:
        raise PlanStale(f"the plan file is for {agreed.get('environment')} to {agreed.get('target')}")
    if agreed.get("base") != plan.base:
        raise PlanStale(f"assignment {plan.base} stands now; the plan was made on {agreed.get('base')}")
    bounds = {each["name"]: each["loss_bound_s"] for each in agreed["workloads"]}
    for workload in plan.workloads:
        stated = bounds.get(workload.name, -1.0)
        bound = math.inf if stated is None else float(stated)
        if workload.loss_s > bound:
            raise PlanStale(
                f"{workload.name} would lose {workload.loss_s:.1f} s now; the plan allows {format_duration(bound)}"
            )


def describe(plan: Plan) -> str:
    """One line for people."""
    parts = [
        f"{w.name} from step {w.step} ({w.commit[0]}.{w.commit[1]} in {w.source}), {w.loss_s:.1f} s lost; {w.why}"
        for w in plan.workloads
    ]
    return f"{plan.hash()}: " + "; ".join([*parts, *plan.fenced])


def _done(world: World, target: str, only: tuple[str, ...]) -> Doc | None:
    """How the promotion to `target` ended, if nothing is left of it to do."""
    current = world.witness.current()
    mine = [name for name in current.workloads if name in (only or world.needs)] if current is not None else []
    if current is None or not mine or any(current.writer(name) != target for name in mine):
        return None
    facts = look(world)
    named = [each for each in facts.workloads.values() if each.name in mine]
    if any(stranded(each) or stopped_at(each, target, facts) for each in named):
        return None
    for name in mine:
        journal = maker(world.witness, name)
        ended = journal.ended() if journal is not None else None
        if ended is not None and ended["result"] == "promoted":
            return {**ended, "already": True}
    return {"result": "nothing to do", "number": current.number, "already": True}


def _require_keys(world: World, target: str) -> None:
    """KeyAbsent, before anything is touched, if nobody here could sign what a promotion writes or read what it restores."""
    if world.keys is None:
        return
    world.keys.signer(("promoter",), f"a promotion to {target}")
    if not world.keys.recipients():
        names = ", ".join(key.name for key in world.keys.trust.recipients())
        raise KeyAbsent(
            f"what {target} would restore is encrypted, and {world.keys.folder} has the private key of no recipient ({names})",
            hint=f"From a sheet of paper: replicator keys recover NAME --keys {world.keys.folder}; then the same command.",
        )


def require_site(world: World, target: str) -> None:
    """EnvironmentUnknown."""
    if target not in world.sites:
        raise EnvironmentUnknown(
            f"environment {world.environment} has no site {target!r}", hint=f"Its sites are: {', '.join(world.sites)}."
        )
