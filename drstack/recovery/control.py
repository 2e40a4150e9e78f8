"""What an operator may do to an operation that runs: pause it, let it go on, leave a step out, end it safely.

All of it is a record in the operation's journal, so that whoever executes it, anywhere, heeds it before the next step.
Invariant: an abort leaves no workload that nobody may write, where its old writer is within reach.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from drstack.errors import DrstackError, FencedSince, OperationConflict
from drstack.recovery.conduct import execution, look, promote
from drstack.recovery.fencing import Fencing, standings
from drstack.recovery.operation import maker, parse, unfinished
from drstack.recovery.ordered import in_order
from drstack.recovery.own_steps import accept_unfenced
from drstack.recovery.pins import let_go
from drstack.recovery.plan import Given, stranded
from drstack.recovery.run import trace_end
from drstack.recovery.standing import standing
from drstack.recovery.steps import START_S, steps_of
from drstack.recovery.switchover import Stopped, last_saved
from replicator.errors import ReplicatorError
from replicator.repository.pinning import as_it_is_now, pinned
from replicator.repository.restore import restore

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from drstack.recovery.facts import Facts, WorkloadFact
    from drstack.recovery.steps import Step
    from drstack.recovery.world import World
    from drstack.witness.journal import Journal
    from drstack.witness.witness import Witness
    from replicator.log.replay import Accepted
    from replicator.repository.repository import Repository

Doc = dict[str, Any]
OBSERVE_S = 5.0
_LOOK_BACK = 20
"""Assignments below the newest among whose operations an abort that was cut short is looked for."""


def running(witness: Witness) -> Journal:
    """The operation that has not ended. OperationConflict where there is none."""
    found = unfinished(witness)
    if found is None:
        raise OperationConflict(
            f"no operation of {witness.environment} is under way",
            hint=f"drstack status {witness.environment} shows who writes now.",
        )
    return found


def pause(witness: Witness, *, by: str, reason: str) -> Journal:
    """Have nobody begin another step; one that has begun is finished. OperationConflict."""
    journal = running(witness)
    journal.pause(by=by, reason=reason)
    return journal


def resume(world: World, *, by: str, unfenced: Sequence[str] = (), reason: str | None = None) -> Doc:
    """Let the operation go on if it was paused, and carry it out. As `promote`; `unfenced` as `Given`'s."""
    journal = running(world.witness)
    accept_unfenced(journal, unfenced, by=by, reason=reason, at=world.clock())
    journal.resume(by=by)
    if (journal.plan() or {}).get("kind") == "fence":
        return Fencing(world, journal).finish()
    return execution(world, journal).finish()


def skip(witness: Witness, step: str, *, by: str, reason: str, at: float) -> Journal:
    """Leave a step out. OperationConflict where it is none, is done, or what comes after it needs its outcome."""
    journal = running(witness)
    steps = {each.id: each for each in steps_of(journal.plan() or {}) or ()}
    if step not in steps:
        raise OperationConflict(
            f"operation {journal.identity} has no step {step!r}", hint=f"Its steps: {', '.join(steps)}."
        )
    if not steps[step].skippable:
        able = [name for name, each in steps.items() if each.skippable]
        raise OperationConflict(
            f"{step} cannot be left out: {_needed_by(steps, step)}",
            hint=f"Steps that can: {', '.join(able)}. To stop instead: drstack abort {witness.environment} --reason '…'",
        )
    body = {"began_at": at, "ended_at": at, "detail": f"left out by {by}: {reason}", "skipped": reason, "by": by}
    if journal.settle(step, body).get("skipped") is None:
        raise OperationConflict(f"{step} is done already")
    return journal


def _needed_by(steps: dict[str, Step], step: str) -> str:
    waiting = [name for name, each in steps.items() if step in each.after]
    return f"{', '.join(waiting)} would have nothing to go on" if waiting else "the operation is nothing without it"


def to_abort(witness: Witness) -> Journal:
    """The operation that an abort is of: one that has not ended, or whose abort was cut short. OperationConflict."""
    found = unfinished(witness)
    if found is None or _opens_anew(found):
        found = _cut_short(witness)
    if found is None:
        raise OperationConflict(f"no operation of {witness.environment} is under way")
    return found


def _opens_anew(journal: Journal) -> bool:
    """Whether it is what an abort began, to open a new term for the writer that was."""
    return (journal.plan() or {}).get("kind") == "abort"


def _cut_short(witness: Witness) -> Journal | None:
    newest = len(witness.assignments())
    for base in range(newest, max(0, newest - _LOOK_BACK), -1):
        for journal in reversed(witness.journals(base)):
            kinds = {record.kind for record in journal.records()}
            if "end" in kinds and (journal.ended() or {}).get("result") == "aborted":
                return None if "stood down" in kinds else journal
    return None


def abort(world: World, *, by: str, reason: str) -> Doc:
    """End the operation where it is. Returns what stands then. Run again, it does what is left of one that was cut short.

    Where logs were sealed and no assignment was made, nobody may write: a new term is opened for the old writer, if it
    is within reach. A seal that was only begun counts: it may still arrive, and does no harm below a newer term. Whoever
    still executes the operation loses its assignment's slot to that, or made it before. What the operation had stopped is
    started again where it ran.
    """
    begun_before = unfinished(world.witness)
    if begun_before is not None and _opens_anew(begun_before):
        execution(world, begun_before).finish()
    journal = to_abort(world.witness)
    ended = journal.end({"result": "aborted", "by": by, "why": reason})
    trace_end(world, journal)
    facts = look(world)
    told: Doc = {"operation": journal.identity, "result": ended["result"], "writers": {}, "next": []}
    planned = {each["name"]: each for each in (journal.plan() or {}).get("workloads", ())}
    left = False
    begun = {record.body["step"] for record in journal.records() if record.kind == "intent"}
    told["next"] += _fenced(world, journal, begun)
    for name in sorted(planned.keys() & facts.workloads.keys()):
        fact = facts.workloads[name]
        told["writers"][name] = fact.writer
        moved_on = fact.term != planned[name]["term"]
        opened = moved_on and _opened_anew(world.witness, fact)
        if fact.writer != planned[name]["writer"] or (moved_on and not opened):
            if not _runs(
                facts, fact
            ):  # the operation, or a later one, made its assignment: whoever writes now is left alone
                told["next"].append(f"{name} does not run at {fact.writer}; {_to_start(world, fact.writer)}")
            continue
        if not opened and (stranded(fact) or f"seal {name}" in begun):
            why = _open_anew(world, fact, by, f"abort of {journal.identity}: {reason}")
            if why is not None:
                left = True
                told["next"].append(why)
                continue
            told["next"].append(f"{fact.writer} may write {name} again, in a new term")
        if {f"quiesce {name}", f"fence {fact.writer}"} & begun:
            again = start_again(world, fact, journal, order=journal.identity, saved=f"quiesce {name}" in begun)
            left = left or again.state == "failed"
            told["next"] += [again.why] if again.why else []
    told["next"] += let_go(world, journal)
    told["next"] += _to_undo(journal)
    if not left:
        journal.write("stood down", {"next": told["next"], "at": world.clock()})
    return told


def _runs(facts: Facts, fact: WorkloadFact) -> bool:
    """False where it is seen not to."""
    site = facts.sites.get(fact.writer)
    job = site.jobs.get(fact.name) if site is not None and site.reachable else None
    return site is None or not site.reachable or (job is not None and (job.running or bool(job.ranks)))


def _to_start(world: World, site: str) -> str:
    return f"to start it there: drstack promote {world.environment} --to {site}"


def _to_undo(journal: Journal) -> list[str]:
    """Steps of users' own that were done, or may have been: nobody but a person can undo them."""
    records = journal.records()
    told: list[str] = []
    for step in steps_of(journal.plan() or {}) or ():
        now = standing(records, step.id)
        if step.own is None or step.act == "wait" or now.state in ("fresh", "again", "failed"):
            continue
        outcome = journal.outcome(step.id)
        if outcome is not None and "skipped" in outcome:
            continue
        how = f"; to undo it: {step.undone}" if step.undone else ""
        told.append(f"{step.id} {'was done' if now.state == 'done' else 'may have been done'}{how}")
    return told


def _fenced(world: World, journal: Journal, begun: set[str]) -> list[str]:
    """What is left to do after a fence that was begun: it is not undone by itself."""
    plan = journal.plan() or {}
    if plan.get("kind") != "fence" or not begun:
        return []
    stops = ", ".join(plan["stops"]) or "everything"
    return [
        f"{stops} may be stopped at {plan['target']}: drstack fence {world.environment} {plan['target']} --lift --reason '…'"
    ]


def _opened_anew(witness: Witness, fact: WorkloadFact) -> bool:
    """Whether an abort made the term that the workload is in."""
    made = maker(witness, fact.name)
    return made is not None and _opens_anew(made)


def _open_anew(world: World, fact: WorkloadFact, by: str, reason: str) -> str | None:
    """Open a new term for the writer that was. Returns why it could not be done, and what is left to do."""
    try:
        promote(world, fact.writer, Given(by=by, reason=reason, only=(fact.name,), reopen="abort"))
    except DrstackError as error:
        other = f"drstack promote {world.environment} --to SITE"
        return f"{fact.name} is sealed and nobody may write it ({error}); bring it back with {other}"
    return None


@dataclass(frozen=True, slots=True)
class Again:
    """How work stands that was to run again where it ran; `why` in words, nothing where it ran all the time."""

    state: Literal["runs", "taken", "failed"]
    why: str = ""


def start_again(world: World, fact: WorkloadFact, journal: Journal, *, order: str, saved: bool) -> Again:
    """Have what the operation had stopped run where it ran, from its last checkpoint. `order`: as of `Site`.

    `saved`: it was asked to save as it stopped, and that checkpoint is waited for. Once it was started again it is left
    alone; a start that was cut short is made anew, with a token of its own.
    """
    site, name = world.sites[fact.writer], fact.name
    of_it = [record.kind for record in journal.records() if record.body.get("workload") == name]
    if "started again" in of_it:
        return Again("runs")
    try:
        seen = site.observe(deadline_s=OBSERVE_S)
        if not seen.reachable:
            return Again("failed", f"{name} may be stopped at {fact.writer}, which cannot be seen: {seen.why}")
        job = seen.jobs.get(name)
        if job is not None and job.running and not saved:
            return Again("runs")
        _require_last(world.witness, fact, order)
        site.stop_job(name, deadline_s=START_S)
        newest = last_saved(world, world.repositories[fact.writer], name, Stopped.of(job if saved else None))
        step = newest.what.step if newest is not None else None
        if newest is not None:
            _have_there(world.repositories[fact.writer], name, newest, site.checkpoints(name))
        if not seen.capacity:
            most = seen.capacity_bound
            in_order(world.witness, order, lambda at: site.set_capacity(most, deadline_s=START_S, order=at))
        token = f"{journal.identity}/abort-{of_it.count('start again') + 1}"
        return _start_from(world, fact, journal, step, token, order)
    except OperationConflict as error:
        return Again("taken", f"{name} is left alone: {error}")
    except (DrstackError, ReplicatorError, OSError) as error:
        return Again("failed", f"{name} is stopped at {fact.writer} and could not be started ({error})")


def _start_from(world: World, fact: WorkloadFact, journal: Journal, step: int | None, token: str, order: str) -> Again:
    """Unless something else has taken it: the site knows of a fence, and the witness of one that did not get through."""
    site, name = world.sites[fact.writer], fact.name
    if (other := _taken_by(world, fact, journal)) is not None:
        return Again("taken", f"{name} is left to {other}")
    journal.write("start again", {"workload": name, "step": f"start again {name}", "at": world.clock()})
    in_order(
        world.witness,
        order,
        lambda at: site.start_job(name, token=token, resume_step=step, deadline_s=START_S, order=at),
    )
    if (other := _taken_by(world, fact, journal)) is not None:
        site.stop_job(name, deadline_s=START_S)
        return Again("taken", f"{name} is left to {other}")
    journal.write("started again", {"workload": name, "at": world.clock()})
    return Again("runs", f"{name} goes on at {fact.writer} from step {step}")


def _taken_by(world: World, fact: WorkloadFact, journal: Journal) -> str | None:
    """What has taken the workload from its site since, or is about to."""
    running = unfinished(world.witness)
    plan = (running.plan() or {}) if running is not None else {}
    if running is not None and running.identity != journal.identity and not _opens_anew(running):
        stops = plan.get("kind") == "fence" and plan.get("target") == fact.writer and fact.name in plan.get("stops", ())
        moved = [each["name"] for each in plan.get("workloads", ())]
        if stops or (plan.get("target") != fact.writer and fact.name in moved):
            return f"operation {running.identity}, which has begun since"
    current = world.witness.current()
    if current is not None and current.writer(fact.name) != fact.writer:
        return f"{current.writer(fact.name)}, which writes it since assignment {current.number}"
    return None


def _require_last(witness: Witness, fact: WorkloadFact, order: str) -> None:
    """FencedSince where an operation after `order` fenced the workload's writer: what becomes of it there is that one's."""
    base, k = parse(order)
    for number in range(base, len(witness.assignments()) + 1):
        for journal in witness.journals(number):
            fenced = any(each.site == fact.writer and fact.name in each.workloads for each in standings(journal))
            if fenced and parse(journal.identity) > (base, k):
                raise FencedSince(journal.identity, f"{fact.name} at {fact.writer}")


def _have_there(repository: Repository, workload: str, newest: Accepted, folder: Path) -> None:
    """Restore what it is to go on from, where its trainer has dropped that already. ReplicatorError."""
    if (folder / newest.what.name).exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    with pinned(repository, workload, newest, reason="it is to go on from there"):
        restore(repository, as_it_is_now(repository, workload, newest), folder / newest.what.name)


def describe(journal: Journal) -> Doc:
    """Where an operation stands: what is done, what runs or failed, what waits, and whether it is paused."""
    plan, outcomes = journal.plan() or {}, journal.outcomes()
    begun: dict[str, str | None] = {}
    for record in journal.records():
        if record.kind in ("intent", "failure"):
            begun[record.body["step"]] = record.body["why"] if record.kind == "failure" else None
    steps = steps_of(plan) or []
    ids = [step.id for step in steps]
    left = [step for step in ids if step not in outcomes]
    paused = journal.paused()
    to_confirm = _to_confirm(journal, [step for step in steps if step.id in left])
    return {
        "id": journal.identity, "kind": plan.get("kind", "promote"), "target": plan.get("target"), "by": plan.get("by"),
        "began_at": plan.get("began_at"),
        "paused": None if paused is None else {"by": paused["by"], "reason": paused["reason"]},
        "done": [step for step in ids if step in outcomes],
        "skipped": [step for step in ids if "skipped" in outcomes.get(step, {})],
        "begun": [step for step in left if step in begun and begun[step] is None],
        "failed": {step: begun[step] for step in left if begun.get(step) is not None},
        "waiting": [step for step in left if step not in begun],
        "to_confirm": to_confirm,
        "unknown": [step.id for step in steps if step.id in to_confirm and step.act != "wait"],
    }  # fmt: skip


def _to_confirm(journal: Journal, left: list[Step]) -> Doc:
    """By step, what a person has to do or to find out, and then to confirm."""
    records = journal.records()
    told: Doc = {}
    for step in left:
        now = standing(records, step.id)
        if step.own is None:
            continue
        if step.act == "wait" and now.state != "fresh":
            told[step.id] = step.own["definition"]["wait"]
        elif now.state == "unknown" and not (step.own["checked"] or step.own["repeatable"]):
            told[step.id] = f"whether it happened: {now.why}"
    return told
