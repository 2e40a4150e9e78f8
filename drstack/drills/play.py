"""Carrying out a drill's promotion: the planner and the executor of the real one, on the drill's own world.

Invariant: what came of it is told whole, whatever failed: every step with the time that it took, or why it has none.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from drstack.drills.parts import practised
from drstack.drills.script import StepPlayed
from drstack.errors import DrstackError, StepFailed
from drstack.recovery.conduct import look
from drstack.recovery.operation import begin
from drstack.recovery.plan import Given, plan_promotion
from drstack.recovery.promote import Promotion
from replicator.errors import ReplicatorError

if TYPE_CHECKING:
    from drstack.drills.parts import Component
    from drstack.recovery.world import World
    from drstack.witness.journal import Journal

Doc = dict[str, Any]
_ANY_AGE_S = 1e9
"""The age of the copy is judged where the loss is played, on the real facts: preparing the drill made it older."""


def play(world: World, target: str, component: Component | None, *, by: str) -> Doc:
    """Fields of `Played` from `began_at` on. Raises what kept the promotion from beginning."""
    began_at = world.clock()
    facts = look(world)
    facts_at = world.clock()
    given = Given(by=by, reason="a drill plays the loss", data_loss_s=_ANY_AGE_S)
    plan = plan_promotion(world.environment, facts, target, world.needs, given)
    plan = replace(plan, steps=practised(plan.steps, component))
    document = plan.document()
    for workload in document["workloads"]:
        need = world.needs[workload["name"]]
        workload.update({"rpo_s": need.rpo_s, "rto_s": need.rto_s})
    told = {"by": by, "reason": given.reason, "failed_at": None}
    times = {"began_at": began_at, "facts_at": facts_at, "planned_at": world.clock()}
    journal, _ = begin(world.witness, {**document, **told, **times})
    error: DrstackError | ReplicatorError | None = None
    end: Doc = {}
    try:
        end = Promotion(world, journal).finish()
    except (DrstackError, ReplicatorError) as failed:
        error = failed
    ids = [step.id for step in plan.steps]
    return {"began_at": began_at, **_measured(journal, end, ids), **_why(error)}


def _measured(journal: Journal, end: Doc, ids: list[str]) -> Doc:
    outcomes = journal.outcomes()
    failures = {str(r.body["step"]): str(r.body["why"]) for r in journal.records() if r.kind == "failure"}
    steps = [
        StepPlayed(
            id=name,
            took_s=round(outcomes[name]["ended_at"] - outcomes[name]["began_at"], 6) if name in outcomes else None,
            failure=None if name in outcomes else failures.get(name, "not begun: what it waits for failed"),
        )
        for name in ids
    ]
    began_at = float((journal.plan() or {})["began_at"])
    restored = {
        name.removeprefix("restore "): int(outcome["result"]["step"])
        for name, outcome in outcomes.items()
        if name.startswith("restore ")
    }
    starts = {
        name.removeprefix("start "): outcome["ended_at"] - began_at
        for name, outcome in outcomes.items()
        if name.startswith("start ")
    }
    phases = tuple({"name": each["name"], "seconds": each["seconds"]} for each in end.get("phases", ()))
    return {"steps": tuple(steps), "step": restored, "rto_s": starts, "phases": phases}


def _why(error: DrstackError | ReplicatorError | None) -> Doc:
    if error is None:
        return {}
    again = error.hint is None or error.hint == StepFailed.hint  # a drill is never taken up
    return {"error": str(error), "hint": "Mend what it says, then hold the drill again." if again else error.hint}
