"""What an operator may do to an operation that runs: pause it, let it go on, leave a step out, end it safely.

All of it is a record in the operation's journal, so that whoever executes it, anywhere, heeds it before the next step.
Invariant: an abort leaves no workload that nobody may write, where its old writer is within reach.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from drstack.errors import DrstackError, OperationConflict
from drstack.recovery.conduct import execution, look, promote
from drstack.recovery.operation import unfinished
from drstack.recovery.plan import Given, stranded
from drstack.recovery.steps import START_S, steps_of
from drstack.recovery.switchover import last_saved
from replicator.errors import ReplicatorError

if TYPE_CHECKING:
    from drstack.recovery.facts import WorkloadFact
    from drstack.recovery.steps import Step
    from drstack.recovery.world import World
    from drstack.witness.journal import Journal
    from drstack.witness.witness import Witness

Doc = dict[str, Any]
OBSERVE_S = 5.0


def running(witness: Witness) -> Journal:
    """The operation that has not ended. OperationConflict where there is none."""
    found = unfinished(witness)
    if found is None:
        raise OperationConflict(f"no operation of {witness.environment} is under way")
    return found


def pause(witness: Witness, *, by: str, reason: str) -> Journal:
    """Have nobody begin another step; one that has begun is finished. OperationConflict."""
    journal = running(witness)
    journal.pause(by=by, reason=reason)
    return journal


def resume(world: World, *, by: str) -> Doc:
    """Let the operation go on if it was paused, and carry it out. As `promote`."""
    journal = running(world.witness)
    journal.resume(by=by)
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


def abort(world: World, *, by: str, reason: str) -> Doc:
    """End the operation where it is. Returns what stands then.

    Where logs were sealed and no assignment was made, nobody may write: a new term is opened for the old writer, if it
    is within reach. A seal that was only begun counts: it may still arrive, and does no harm below a newer term. Whoever
    still executes the operation loses its assignment's slot to that, or made it before.
    """
    journal = running(world.witness)
    ended = journal.end({"result": "aborted", "by": by, "why": reason})
    facts = look(world)
    told: Doc = {"operation": journal.identity, "result": ended["result"], "writers": {}, "next": []}
    names = {each["name"] for each in (journal.plan() or {}).get("workloads", ())}
    begun = {record.body["step"] for record in journal.records() if record.kind == "intent"}
    for name in sorted(names & set(facts.workloads)):
        fact = facts.workloads[name]
        told["writers"][name] = fact.writer
        moved = world.witness.assignments()[fact.term - 1].operation == journal.identity
        if stranded(fact) or (f"seal {name}" in begun and not moved):
            told["next"] += _open_anew(world, fact, by, f"abort of {journal.identity}: {reason}")
        if f"quiesce {name}" in begun and not moved:
            told["next"] += _start_again(world, fact, journal.identity)
    return told


def _open_anew(world: World, fact: WorkloadFact, by: str, reason: str) -> list[str]:
    """What is left to do for a person, in words, after a new term was opened for the writer that was, or could not be."""
    again = f"drstack up {world.environment} --site {fact.writer}"
    try:
        promote(world, fact.writer, Given(by=by, reason=reason, only=(fact.name,), reopen="abort"))
    except DrstackError as error:
        other = f"drstack promote {world.environment} --to SITE"
        return [f"{fact.name} is sealed and nobody may write it ({error}); bring it back with {other}"]
    return [f"{fact.writer} may write {fact.name} again, in a new term; if it was stopped: {again}"]


def _start_again(world: World, fact: WorkloadFact, operation: str) -> list[str]:
    """Have what a switchover had stopped run where it ran, from its last checkpoint. What could not be done, in words."""
    site = world.sites[fact.writer]
    try:
        site.stop_job(fact.name, deadline_s=START_S)
        job = site.observe(deadline_s=OBSERVE_S).jobs.get(fact.name)
        newest = last_saved(world, world.repositories[fact.writer], fact.name, job.step if job is not None else None)
        step = newest.what.step if newest is not None else None
        site.start_job(fact.name, token=f"{operation}/abort", resume_step=step, deadline_s=START_S)
    except (DrstackError, ReplicatorError) as error:
        return [f"{fact.name} is stopped at {fact.writer} and could not be started ({error})"]
    return [f"{fact.name} goes on at {fact.writer} from step {step}"]


def describe(journal: Journal) -> Doc:
    """Where an operation stands: what is done, what runs or failed, what waits, and whether it is paused."""
    plan, outcomes = journal.plan() or {}, journal.outcomes()
    begun: dict[str, str | None] = {}
    for record in journal.records():
        if record.kind in ("intent", "failure"):
            begun[record.body["step"]] = record.body["why"] if record.kind == "failure" else None
    ids = [step.id for step in steps_of(plan) or ()]
    left = [step for step in ids if step not in outcomes]
    paused = journal.paused()
    return {
        "id": journal.identity, "kind": plan.get("kind", "promote"), "target": plan.get("target"), "by": plan.get("by"),
        "began_at": plan.get("began_at"),
        "paused": None if paused is None else {"by": paused["by"], "reason": paused["reason"]},
        "done": [step for step in ids if step in outcomes],
        "skipped": [step for step in ids if "skipped" in outcomes.get(step, {})],
        "begun": [step for step in left if step in begun and begun[step] is None],
        "failed": {step: begun[step] for step in left if begun.get(step) is not None},
        "waiting": [step for step in left if step not in begun],
    }  # fmt: skip
