"""What past operations achieved, from their journals on the witness: recovery point and time beside their objectives.

Pure, but for reading the witness. Operations of every kind are told, with their kind, also of kinds that this module does
not know. Invariant: only what a journal says is counted; an operation without an end is told as such, and never as a
recovery; a move is called what was typed, or, of versions that did not record that, a failback where an earlier promotion
had taken the work from its target.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

from drstack.errors import EnvironmentUnknown
from drstack.recovery.account import account, planned_steps
from drstack.recovery.objectives import MET, judged
from drstack.recovery.operation import parse
from drstack.recovery.plan import PHASE_OF
from drstack.recovery.tracing import trace_id
from drstack.recovery.trends import trends

if TYPE_CHECKING:
    from collections.abc import Sequence

    from drstack.recovery.objectives import Verdict
    from drstack.witness.journal import Journal
    from drstack.witness.witness import Witness

Doc = dict[str, Any]
MOST = 10
UNWELL = ("unfinished", "abandoned", "superseded", "aborted", "failed")
"""Results of operations that did not do what they were begun for."""


@dataclass(frozen=True, slots=True)
class Recovered:
    """One workload in one operation; seconds. None: the operation did not come so far."""

    workload: str
    rpo_s: float | None
    rpo_objective_s: float
    rto_s: float | None
    rto_objective_s: float
    rpo_is_bound: bool = False
    """Nobody said when the writer failed: it lost that at most."""
    rto_is_bound: bool = False
    """As above: it was away for that at least, which is counted from the begin of the operation."""

    @property
    def verdict(self) -> Verdict | None:
        return judged(self.rpo_s, self.rpo_objective_s, self.rto_s, self.rto_objective_s, is_bound=self.rpo_is_bound)

    @property
    def met(self) -> bool | None:
        """None also where it is not known."""
        return MET.get(self.verdict or "")


@dataclass(frozen=True, slots=True)
class Past:
    """One operation. `result`: how it ended, or `unfinished`; `began_at` and `ended_at` unix seconds."""

    operation: str
    target: str
    began_at: float
    result: str
    why: str
    fences: dict[str, str]
    """Grade by site, as it stands: a fence may be proven after its operation ended."""
    phases: dict[str, float]
    """Seconds by phase."""
    workloads: tuple[Recovered, ...]
    kind: str = "promote"
    by: str = ""
    ended_at: float | None = None
    writers: tuple[str, ...] = ()
    """Who wrote before."""
    failures: dict[str, int] = field(default_factory=dict[str, int])
    """Steps that failed, with how often."""
    utilisation: Doc | None = None
    waited: dict[str, float] = field(default_factory=dict[str, float])
    """Seconds on the critical path, by what was waited for."""
    reason: str = ""
    consents: tuple[tuple[str, str], ...] = ()
    """What an operator allowed, as (kind, value); the reason is of all of them."""
    approved_by: tuple[str, ...] = ()
    """Whose approvals it was begun by."""

    improved: dict[str, str] = field(default_factory=dict[str, str])
    """By site, the grade of its fence at the end of the operation, where it got better since."""
    phase_steps: dict[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    """By phase, the steps that it was made of, the longest first."""
    typed: bool = False
    """Whether the journal says by which verb it was asked for; else a move is told by whether it went home."""
    moved: bool = False
    """Whether its assignment was made: the work is its target's from then on, however it ended."""
    plan_record: str = ""
    """Digest of the first record of its journal."""

    @property
    def went_well(self) -> bool:
        return self.result not in UNWELL


def past_operations(witness: Witness) -> list[Past]:
    """Every operation of the environment, in the order in which they began. WitnessUnreachable, WitnessUnsound."""
    found: list[Past] = []
    for base in range(len(witness.assignments()) + 1):
        found += [past(journal) for journal in witness.journals(base)]
    return _with_failbacks(sorted(found, key=lambda each: each.began_at))


def found(witness: Witness, operation: str) -> tuple[Journal, Past]:
    """One operation by its name, with its kind. EnvironmentUnknown where there is none of that name."""
    every = past_operations(witness)
    told = next((each for each in every if each.operation == operation), None)
    if told is None:
        known = ", ".join(each.operation for each in every[-MOST:]) or "none"
        raise EnvironmentUnknown(
            f"environment {witness.environment} has had no operation {operation!r}", hint=f"The last ones are: {known}."
        )
    return witness.journal(*parse(operation)), told


def newest(witness: Witness) -> str:
    """The name of the operation that began last. EnvironmentUnknown where there was none."""
    every = past_operations(witness)
    if not every:
        raise EnvironmentUnknown(f"environment {witness.environment} has had no operation yet")
    return every[-1].operation


def _with_failbacks(operations: Sequence[Past]) -> list[Past]:
    left: set[tuple[str, str]] = set()
    told: list[Past] = []
    for each in operations:
        home = {(one.workload, each.target) for one in each.workloads}
        goes_home = each.kind == "switchover" and not each.typed and bool(home & left)
        told.append(replace(each, kind="failback") if goes_home else each)
        if each.went_well and each.kind in ("promote", "switchover", "failback"):
            left -= home
        if each.went_well and each.kind == "promote":
            left |= {
                (one.workload, writer) for one in each.workloads for writer in each.writers if writer != each.target
            }
    return told


def past(journal: Journal) -> Past:
    """One operation; a move is a switchover, whichever way it goes."""
    records, plan, end = journal.records(), journal.plan() or {}, journal.ended() or {}
    measured = {str(each["name"]): each for each in end.get("workloads", ())}
    failed = [str(record.body.get("step", "")) for record in records if record.kind == "failure"]
    spent = account(records)
    at_end = {str(each["site"]): str(each["grade"]) for each in end.get("fences", ())}
    stands = at_end | {str(r.body["site"]): str(r.body["grade"]) for r in records if r.kind == "fence"}
    return Past(
        operation=journal.identity,
        target=str(plan.get("target", "")),
        began_at=float(plan.get("began_at", records[0].at if records else 0.0)),
        result=str(end.get("result", "unfinished")),
        why=str(end.get("why", "")),
        fences=stands,
        improved={site: grade for site, grade in at_end.items() if stands[site] != grade},
        phase_steps=_phase_steps(plan, end),
        phases={str(each["name"]): float(each["seconds"]) for each in end.get("phases", ())},
        workloads=tuple(
            Recovered(
                str(each["name"]),
                measured[each["name"]]["rpo_s"] if each["name"] in measured else None,
                each["rpo_s"],
                end.get("rto_s") if each["name"] in measured else None,
                each["rto_s"],
                *bounds(plan, end, measured.get(each["name"])),
            )
            for each in plan.get("workloads", ())
            if "rpo_s" in each
        ),
        kind=str(plan.get("typed") or plan.get("kind", "promote")),
        typed=bool(plan.get("typed")),
        moved=any(record.kind == "outcome" and record.body.get("step") == "assign" for record in records),
        by=str(plan.get("by") or ""),
        ended_at=next((record.at for record in records if record.kind == "end"), None),
        writers=tuple(sorted({str(each["writer"]) for each in plan.get("workloads", ()) if "writer" in each})),
        failures={step: failed.count(step) for step in dict.fromkeys(failed)},
        utilisation=spent.get("utilisation"),
        waited=spent.get("waited", {}),
        plan_record=records[0].digest if records else "",
        reason=str(plan.get("reason") or ""),
        consents=tuple((str(kind), str(value)) for kind, value in plan.get("consents", ())),
        approved_by=_approvers(plan),
    )


def _phase_steps(plan: Doc, end: Doc) -> dict[str, tuple[str, ...]]:
    acts = {step: str(each["act"]) for step, each in planned_steps(plan).items()}
    found: dict[str, list[str]] = {}
    timed = [each for each in end.get("steps", ()) if each["skipped"] is None]
    for each in sorted(timed, key=lambda one: -float(one["seconds"])):
        act = acts.get(each["id"], "")
        found.setdefault(PHASE_OF.get(act, act), []).append(str(each["id"]))
    return {phase: tuple(steps) for phase, steps in found.items()}


def bounds(plan: Doc, end: Doc, measured: Doc | None) -> tuple[bool, bool]:
    """Whether loss and time were only bounded; of versions that did not say so, by what they were told of the failure."""
    if measured is None:
        return False, False
    untold = plan.get("kind", "promote") == "promote" and not plan.get("failed_at")
    return bool(measured.get("rpo_is_bound", untold)), bool(end.get("rto_is_bound", untold))


def _approvers(plan: Doc) -> tuple[str, ...]:
    admitted: Doc = plan.get("approvals") or {}
    return tuple(str(each["person"]) for each in admitted.get("given", ()))


def document(environment: str, operations: Sequence[Past]) -> Doc:
    """The document of `drstack report --json`; docs/cli.md names its fields."""
    told = [
        {
            **asdict(each), "went_well": each.went_well, "trace_id": trace_id(environment, each.operation, each.plan_record),
            "workloads": [{**asdict(one), "met": one.met, "verdict": one.verdict} for one in each.workloads],
        }
        for each in operations
    ]  # fmt: skip
    return {"environment": environment, "operations": told, "trends": trends(operations)}


def promotions(witness: Witness, *, most: int = MOST) -> list[Doc]:
    """Newest first, those that ended; fields as docs/cli.md names them. WitnessUnreachable, WitnessUnsound."""
    made = [each for each in reversed(witness.assignments()) if each.operation is not None and each.cause == "promote"][
        :most
    ]
    found: list[Doc] = []
    for assignment in made:
        journal = witness.journal(*parse(str(assignment.operation)))
        end = journal.ended()
        if end is not None and end.get("result") == "promoted":
            found.append(_row(str(assignment.operation), journal.plan() or {}, end))
    return found


def _row(operation: str, plan: Doc, end: Doc) -> Doc:
    return {
        "operation": operation, "assignment": end.get("number"), "failed_at": end.get("failed_at"), "rto_s": end.get("rto_s"),
        "rto_is_bound": bounds(plan, end, {})[1],
        "workloads": [_past_workload(each, plan, end) for each in end.get("workloads", [])],
    }  # fmt: skip


def _past_workload(each: Doc, plan: Doc, end: Doc) -> Doc:
    is_bound, _ = bounds(plan, end, each)
    verdict = judged(
        each["rpo_s"], each["rpo_objective_s"], end.get("rto_s"), each["rto_objective_s"], is_bound=is_bound
    )
    return {
        "name": each["name"], "step": each["step"], "rpo_s": each["rpo_s"], "rpo_is_bound": is_bound,
        "rpo_objective_s": each["rpo_objective_s"], "rto_objective_s": each["rto_objective_s"],
        "met": MET.get(verdict or ""), "verdict": verdict,
    }  # fmt: skip
