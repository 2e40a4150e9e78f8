"""What an operation took, from its journal. Phases are contiguous: those up to `start` add up to the recovery time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from drstack.recovery.plan import PHASES

if TYPE_CHECKING:
    from drstack.witness.journal import Journal

Doc = dict[str, Any]


def measure(journal: Journal, plan: Doc, workloads: list[Doc]) -> Doc:
    """Phases, RPO and RTO in seconds. `workloads`: the plan's, with what was chosen to recover.

    Each phase ends where its outcome says so and begins where the one before it ended; `detect` begins at the failure.
    Where nobody knows when the writer failed, it counts as failed when the operation began, and its checkpoints up to
    the seals count.
    """
    failed_at = plan.get("failed_at") or plan["began_at"]
    edges = [("detect", plan["began_at"]), ("facts", plan["facts_at"]), ("plan", plan["planned_at"])]
    for phase in PHASES[PHASES.index("fence") :]:
        outcome = journal.outcome(phase)
        if outcome is not None:
            edges.append((phase, outcome["ended_at"]))
    phases: list[Doc] = []
    before = failed_at
    for name, ended_at in edges:
        phases.append({"name": name, "seconds": round(ended_at - before, 6), "ended_at": ended_at})
        before = ended_at
    started = journal.outcome("start") or {}
    restored = {row["workload"]: row for row in (journal.outcome("restore") or {}).get("restored", [])}
    return {
        "phases": phases,
        "failed_at": failed_at,
        "first_step_at": started.get("ended_at"),
        "rto_s": started["ended_at"] - failed_at if started else None,
        "workloads": [_workload(each, restored.get(each["name"], each), plan) for each in workloads],
        "fences": (journal.outcome("fence") or {}).get("fences", []),
    }


def _workload(planned: Doc, restored: Doc, plan: Doc) -> Doc:
    failed_at = plan.get("failed_at") or plan["facts_at"]
    return {
        "name": planned["name"], "step": restored["step"], "commit": restored["commit"],
        "rpo_s": round(max(0.0, failed_at - restored["saved_at"]), 6),
        "rpo_objective_s": planned["rpo_s"], "rto_objective_s": planned["rto_s"], "void": planned.get("void", []),
        "made_with": restored.get("made_with"),
    }  # fmt: skip
