"""Carrying a promotion out, phase by phase, each journalled: intent before, outcome after (DESIGN, rules 4 and 12).

Every phase looks before it acts, so that a promotion that was killed, run twice, or run by two operators at once comes
to the same single end. A phase that has an outcome in the journal is not done again: its outcome is used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from drstack.errors import OperationConflict, StepFailed
from drstack.recovery import sealing
from drstack.recovery.bringup import actuate, prove, restore_all, start
from drstack.recovery.plan import PHASES
from replicator.model import CommitId

if TYPE_CHECKING:
    from collections.abc import Callable

    from drstack.recovery.world import World
    from drstack.witness.assignment import Assignment
    from drstack.witness.journal import Journal

Doc = dict[str, Any]
_FENCE_S = 5.0
EXECUTED = PHASES[PHASES.index("fence") :]


class Promotion:
    """One operator's execution of a journalled promotion. Any number may execute the same one."""

    def __init__(self, world: World, journal: Journal) -> None:
        plan = journal.plan()
        if plan is None:
            raise StepFailed(f"operation {journal.identity} has no plan")
        self._world = world
        self._journal = journal
        self._plan = plan
        self._act: dict[str, Callable[[], Doc]] = {
            "fence": self._fence,
            "seal": lambda: sealing.seal_all(world, plan, journal.identity),
            "assign": self._assign,
            "pin": self._pin,
            "restore": lambda: restore_all(world, plan, journal.identity),
            "actuate": lambda: actuate(world, plan),
            "start": lambda: start(world, plan, self._outcome("restore")["restored"], journal.identity),
            "prove": lambda: prove(world, plan, self._outcome("start")),
            "reconcile": self._reconcile,
        }

    def run(self) -> Doc:
        """Do what is left. Returns the end record: phases, recovery point and times, as docs/operations shows it.

        Raises what a phase raises; the operation then stays unfinished, and running it again takes it up.
        """
        for phase in EXECUTED:
            if self._journal.outcome(phase) is None:
                self._do(phase)
        return self._journal.end(self._end())

    def _do(self, phase: str) -> None:
        clock = self._world.clock
        began = clock()
        self._world.progress.begin(phase)
        self._journal.write("intent", {"step": phase, "token": f"{self._journal.identity}/{phase}", "at": began})
        try:
            result = self._act[phase]()
        except OperationConflict as error:
            self._journal.end({"result": "superseded", "why": str(error)})
            raise
        settled = self._journal.settle(phase, {"began_at": began, "ended_at": result.pop("at", clock()), **result})
        self._world.progress.end(phase, settled["ended_at"] - began, str(settled.get("detail", "")))

    def _outcome(self, phase: str) -> Doc:
        outcome = self._journal.outcome(phase)
        if outcome is None:
            raise StepFailed(f"{phase} has no outcome in operation {self._journal.identity}")
        return outcome

    def _fence(self) -> Doc:
        fences: list[Doc] = []
        for name in self._plan["fence"]:
            site = self._world.sites.get(name)
            if site is None:
                fences.append(_fence_row(name, "assumed", "nothing", "the site has no descriptor"))
                continue
            fence = site.fence(deadline_s=_FENCE_S)
            fences.append(_fence_row(name, fence.grade, fence.done, fence.proof))
        detail = "; ".join(f"{row['site']}: {row['grade']} ({row['proof']})" for row in fences)
        return {"fences": fences, "detail": detail}

    def _assign(self) -> Doc:
        sealed = {k: v for k, v in self._outcome("seal").items() if k in {w["name"] for w in self._plan["workloads"]}}
        operation = self._journal.identity
        made = sealing.assign(
            self._world, self._plan, sealed, operation, str(self._plan.get("by", "")), self._plan.get("reason")
        )
        opens = sealing.open_all(self._world, made, self._plan)
        away = [name for name, how in opens.items() if how != "open"]
        detail = f"assignment {made.number}: {self._plan['target']} writes" + (
            f"; away: {', '.join(away)}" if away else ""
        )
        return {"number": made.number, "opens": opens, "detail": detail}

    def _pin(self) -> Doc:
        pins: list[Doc] = []
        assignment = self._assignment()
        for workload in self._plan["workloads"]:
            name = f"promotion-{self._journal.identity}"
            repository = self._world.repositories[workload["source"]]
            commit = CommitId(*workload["commit"])
            term = assignment.workloads[workload["name"]].term
            repository.log(workload["name"]).pin(name, commit, reason=f"promotion to {self._plan['target']}", term=term)
            pins.append({"repository": repository.name, "commit": list(commit), "name": name})
        return {
            "pins": pins,
            "detail": ", ".join(f"{p['commit'][0]}.{p['commit'][1]} in {p['repository']}" for p in pins),
        }

    def _assignment(self) -> Assignment:
        return self._world.witness.assignments()[int(self._outcome("assign")["number"]) - 1]

    def _reconcile(self) -> Doc:
        if self._world.reconcile is None:
            return {"detail": "left to the next: drstack up " + str(self._plan["environment"])}
        return {"detail": self._world.reconcile(str(self._plan["target"]))}

    def _end(self) -> Doc:
        return {"result": "promoted", "number": self._outcome("assign")["number"], **measure(self._journal, self._plan)}


def measure(journal: Journal, plan: Doc) -> Doc:
    """Phases and times of an operation, from its journal. Phases are contiguous: those up to `start` add up to RTO.

    Each phase ends where its outcome says so and begins where the one before it ended; `detect` begins at the failure.
    """
    failed_at = plan.get("failed_at") or plan["began_at"]
    edges = [("detect", plan["began_at"]), ("facts", plan["facts_at"]), ("plan", plan["planned_at"])]
    for phase in EXECUTED:
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
        "workloads": [
            {
                "name": w["name"], "step": restored.get(w["name"], w)["step"],
                "commit": restored.get(w["name"], w)["commit"], "rpo_s": w["loss_s"],
                "rpo_objective_s": w["rpo_s"], "rto_objective_s": w["rto_s"],
            }
            for w in plan["workloads"]
        ],
        "fences": (journal.outcome("fence") or {}).get("fences", []),
    }  # fmt: skip


def _fence_row(site: str, grade: str, done: str, proof: str) -> Doc:
    return {"site": site, "grade": grade, "done": done, "proof": proof}
