"""The account of a drill that has ended: what was measured beside the objectives, and what was found."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from drstack.drills import judge
from drstack.drills.judge import Finding
from drstack.drills.parts import left_out, practised
from drstack.drills.proof import compared
from replicator.model import CommitId

if TYPE_CHECKING:
    from collections.abc import Sequence

    from drstack.drills.judge import Objective, Result
    from drstack.drills.planning import Held, Request
    from drstack.drills.script import Played
    from drstack.drills.watch import Watched
    from drstack.recovery.world import World

Doc = dict[str, Any]


def measured(world: World, held: Held, played: Played | None) -> list[Objective]:
    if held.plan is None or played is None:
        return []
    started = any(step.id.startswith("start ") for step in played.steps)
    found: list[Objective] = []
    for each in held.plan.workloads:
        logged = played.logged.get(each.name)
        losses = "no losses are logged"
        if logged is not None:
            proof = compared(world.repositories[each.source], each.name, CommitId(*each.commit), logged)
            losses = proof if isinstance(proof, str) else proof.reason
            if not isinstance(proof, str) and proof.verdict == "differs":
                remedy = f"Try it twice: drstack prove {world.environment} --point {CommitId(*each.commit)}"
                held.findings.append(Finding(f"{each.name}: other losses than the real run's: {proof.reason}", remedy))
        elif not started:
            losses = "not practised"
        found.append(
            judge.objective(
                each.name, world.needs[each.name], step=each.step, rpo_s=max(0.0, held.facts.at - each.saved_at),
                rto_s=played.rto_s.get(each.name), losses=losses, started=started,
            )
        )  # fmt: skip
    return found


def account(
    world: World, request: Request, held: Held, begun: Doc, watched: Watched, objectives: Sequence[Objective]
) -> Doc:
    played, guess = watched.played, held.estimate
    steps = judge.judge_steps(played.steps, guess) if played is not None and guess is not None else []
    findings = [*held.findings, *judge.findings_of(objectives, played, steps)]
    stopped: Result | None = "gave way" if watched.gave_way else "killed" if played is None and not findings else None
    why = watched.gave_way or ("" if played is not None else watched.why)
    if stopped == "gave way":
        why = f"It gave way to the real environment: {watched.gave_way}."
        findings = []
    plan = held.plan.document() if held.plan is not None else None
    every = held.plan.steps if held.plan is not None else ()
    left = left_out(every, practised(every, request.component)) | _unasked(world)
    return judge.document(
        begun, result=judge.result_of(objectives, findings, stopped=stopped), why=why, ended_at=world.clock(),
        objectives=objectives, steps=steps, findings=findings, played=played,
        left_out=left, plan=plan, estimate=guess, undone=held.undone,
    )  # fmt: skip


def _unasked(world: World) -> dict[str, str]:
    return {"approvals": "nobody is asked to approve a drill"} if world.quorums.get("promote") is not None else {}
