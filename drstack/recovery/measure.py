"""What an operation took, from its journal. Phases are contiguous: those up to `start` add up to the recovery time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from drstack.recovery.account import account
from drstack.recovery.plan import PHASE_OF, PHASES

if TYPE_CHECKING:
    from drstack.witness.journal import Journal

Doc = dict[str, Any]


def measure(journal: Journal, plan: Doc, workloads: list[Doc]) -> Doc:
    """Phases, steps, RPO and RTO in seconds. `workloads`: the plan's, with what was chosen to recover.

    A phase ends with the last of its steps, and begins where the one before it ended; `detect` begins at the failure.
    Steps of several phases run side by side: one that ended before the phase before it took no time of its own.
    Where nobody knows when the writer failed, it counts as failed when the operation began, and its checkpoints up to
    the seals count (those of work that is known to have stood still, up to then): the loss was that at most
    (`rpo_is_bound`), the time that at least (`rto_is_bound`). Nothing took less than no time: operators who took turns, or
    sites, may have clocks that disagree.
    """
    failed_at = plan.get("failed_at") or plan["began_at"]
    outcomes, records = journal.outcomes(), journal.records()
    acts: dict[str, str] = {step["id"]: step["act"] for step in plan["steps"]}
    ends: dict[str, float] = {"detect": plan["began_at"], "facts": plan["facts_at"], "plan": plan["planned_at"]}
    for step, outcome in outcomes.items():
        phase = PHASE_OF.get(acts[step], acts[step])
        ends[phase] = max(ends.get(phase, 0.0), outcome["ended_at"])
    phases: list[Doc] = []
    before = failed_at
    for name in (phase for phase in PHASES if phase in ends):
        ended_at = max(ends[name], before)
        phases.append({"name": name, "seconds": round(ended_at - before, 6), "ended_at": ended_at})
        before = ended_at
    results: dict[str, Doc] = {step: outcome.get("result", {}) for step, outcome in outcomes.items()}
    firsts = [outcomes[step]["ended_at"] for step, result in results.items() if "first_step" in result]
    return {
        "phases": phases,
        "steps": [_step(outcome) for outcome in outcomes.values()],
        "failed_at": failed_at,
        "first_step_at": max(firsts, default=None),
        "rto_s": max(0.0, max(firsts) - failed_at) if firsts else None,
        "rto_is_bound": _untold(plan),
        "clocks": list(plan.get("clocks", ())),
        "workloads": [_workload(each, results, outcomes, plan) for each in workloads],
        "fences": list(_fences(results).values()),
        "failures": sum(record.kind == "failure" for record in records),
        **account(records),
    }


def _fences(results: dict[str, Doc]) -> dict[str, Doc]:
    """By site; what the end of its leases added stands before what the fence alone achieved."""
    rows = [result["fence"] for step, result in results.items() if "fence" in result and not step.startswith("lease ")]
    better = [result["fence"] for step, result in results.items() if "fence" in result and step.startswith("lease ")]
    return {row["site"]: row for row in (*rows, *better)}


def _step(outcome: Doc) -> Doc:
    seconds = round(max(0.0, outcome["ended_at"] - outcome["began_at"]), 6)
    return {
        "id": outcome["step"],
        "began_at": outcome["began_at"],
        "seconds": seconds,
        "skipped": outcome.get("skipped"),
    }


def _untold(plan: Doc) -> bool:
    """Whether nobody said when the writer failed."""
    return not plan.get("failed_at")


def loss_counted(plan: Doc, workload: Doc) -> Doc:
    """The plan, failed when this workload's work is known to have stopped, where nobody told of a failure."""
    return {**plan, "failed_at": plan.get("failed_at") or workload.get("still_since")}


def _workload(planned: Doc, results: dict[str, Doc], outcomes: dict[str, Doc], plan: Doc) -> Doc:
    name = planned["name"]
    restored = {**planned, **results.get(f"restore {name}", {})}
    failed_at = loss_counted(plan, planned)["failed_at"] or plan["facts_at"]
    started_at = outcomes[f"start {name}"]["ended_at"] if "first_step" in results.get(f"start {name}", {}) else None
    return {
        "name": name, "step": restored["step"], "commit": restored["commit"],
        "rpo_s": round(max(0.0, failed_at - restored["saved_at"]), 6), "rpo_is_bound": _untold(plan),
        "rto_s": None if started_at is None else max(0.0, started_at - (plan.get("failed_at") or plan["began_at"])),
        "rpo_objective_s": planned["rpo_s"], "rto_objective_s": planned["rto_s"], "void": planned.get("void", []),
        "made_with": restored.get("made_with"),
    }  # fmt: skip
