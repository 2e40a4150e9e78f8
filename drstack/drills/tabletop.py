"""A tabletop drill: an operator is walked through each step of the real plan, and what they answer is recorded.

Nothing is touched but the record of drills. Questions are decided purely; asking and the clock come in as parameters.
"""

from __future__ import annotations

import os
import socket
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from drstack.drills import scene
from drstack.recovery.conduct import decide, look
from drstack.recovery.plan import Given
from drstack.recovery.steps import in_order
from drstack.report.drill import markdown

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from drstack.drills.scene import Scene
    from drstack.recovery.plan import Plan
    from drstack.recovery.quorum import Quorum
    from drstack.recovery.world import World

Doc = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Question:
    """`told`: what the operator reads first, line by line."""

    step: str
    told: tuple[str, ...]
    asked: str


def questions(plan: Plan, played: Scene, quorum: Quorum | None = None) -> list[Question]:
    """In the order in which the plan could be done: the alarm, who consents and approves, each step, and the way home."""
    opening = Question(
        "alarm",
        (f"{played.lost} does not answer. {', '.join(played.workloads)} ran there; {played.target} could take over.",),
        "Who decides that it is lost, on what evidence, and who is told?",
    )
    consents = [
        Question(
            "consent", (f"The plan needs consent: {kind} ({value}).",), "Who may give it, and how are they reached now?"
        )
        for kind, value in plan.consents
    ]
    command = f"drstack promote {plan.environment} --to {played.target} --plan"
    agreed = Question(
        "plan", (f"The plan is {plan.hash()}; `{command}` prints it.",), "Who looks at it, and who says go?"
    )
    steps = [
        Question(step.id, _told(step), "Who sees that it is done, and what do they do if it fails?")
        for step in in_order(plan.steps)
    ]
    home = Question(
        "home", (f"The work runs at {played.target}; {played.lost} may come back.",),
        "When does it go home, and what must be true before?",
    )  # fmt: skip
    approving = (
        [] if quorum is None else [Question("approval", (_approvals(quorum),), "How is each of them reached now?")]
    )
    return [opening, *consents, agreed, *approving, *steps, home]


def _approvals(quorum: Quorum) -> str:
    without = f"; without them: {', '.join(quorum.break_glass)}" if quorum.break_glass else ""
    return f"It begins once {quorum.at_least} of {', '.join(quorum.of)} have approved the plan{without}."


def _told(step: Any) -> tuple[str, ...]:
    lines = (
        f"{step.id}: {step.does}", f"  needs: {step.requires}" if step.requires else "",
        f"  then: {step.effect}" if step.effect else "", f"  undone by: {step.undone}" if step.undone else "",
        f"  waits for: {', '.join(step.after)}" if step.after else "", f"  at most {step.timeout_s:g} s",
    )  # fmt: skip
    return tuple(line for line in lines if line)


def walk(
    asked: Sequence[Question], ask: Callable[[Question], str | None], clock: Callable[[], float]
) -> tuple[list[Doc], bool]:
    """Answers with their times, and whether all were asked; `ask` gives None where nobody answers any more."""
    answers: list[Doc] = []
    for question in asked:
        began = clock()
        answer = ask(question)
        if answer is None:
            return answers, False
        told = " ".join(line.strip() for line in question.told)
        answers.append(
            {
                "step": question.step,
                "question": f"{told} {question.asked}",
                "answer": answer,
                "at": clock(),
                "took_s": clock() - began,
            }
        )
    return answers, True


def hold(
    world: World,
    *,
    by: str,
    reason: str | None,
    site: str | None,
    workloads: Sequence[str],
    ask: Callable[[Question], str | None],
) -> Doc:
    """Walk through the real plan and record it. Returns the report's document. As `decide` where it is refused."""
    facts = look(world)
    played = scene.chosen(facts, site=site, workloads=workloads)
    only = () if set(played.workloads) == set(scene.writers(facts)[played.lost]) else played.workloads
    unseen = scene.without(facts, played.lost)
    given = Given(by=by, reason="a tabletop drill", only=only, data_loss_s=1e9)
    plan = decide(world, unseen, played.target, given)
    began_at = world.clock()
    answers, whole = walk(questions(plan, played, world.quorums.get("promote")), ask, world.clock)
    begun: Doc = {
        "id": f"{time.strftime('%Y%m%d-%H%M%S', time.gmtime(began_at))}-{os.urandom(2).hex()}",
        "environment": world.environment, "kind": "tabletop", "component": None, "lost": played.lost,
        "site": played.target, "workloads": list(played.workloads), "seed": None, "by": by, "reason": reason,
        "host": socket.gethostname(), "began_at": began_at, "ends_by": began_at,
    }  # fmt: skip
    document: Doc = {
        **begun, "result": "passed" if whole else "killed", "why": "" if whole else "it was left before its last question",
        "ended_at": world.clock(), "answers": answers, "plan": plan.hash(), "findings": [], "objectives": [], "steps": [],
    }  # fmt: skip
    report = markdown(document)
    log = world.witness.drills()
    log.begin(begun)
    log.end(
        str(begun["id"]),
        {name: document[name] for name in ("result", "why", "ended_at")} | {"measured": document, "report": report},
    )
    return {**document, "report": report}
