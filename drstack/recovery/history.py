"""What past operations achieved, from their journals on the witness: recovery point and time beside their objectives.

Pure, but for reading the witness. Invariant: only what a journal says is counted; an operation without an end is told as
such, and never as a recovery.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from statistics import median
from typing import TYPE_CHECKING, Any

from drstack.recovery.operation import parse

if TYPE_CHECKING:
    from collections.abc import Sequence

    from drstack.witness.journal import Journal
    from drstack.witness.witness import Witness

Doc = dict[str, Any]
MOST = 10
RECENT = 5
"""Recoveries whose median is set against that of all before them."""


@dataclass(frozen=True, slots=True)
class Recovered:
    """One workload in one operation; seconds. None: the operation did not come so far."""

    workload: str
    rpo_s: float | None
    rpo_objective_s: float
    rto_s: float | None
    rto_objective_s: float

    @property
    def met(self) -> bool | None:
        if self.rpo_s is None or self.rto_s is None:
            return None
        return self.rpo_s <= self.rpo_objective_s and self.rto_s <= self.rto_objective_s


@dataclass(frozen=True, slots=True)
class Past:
    """One operation. `result`: promoted, abandoned, superseded or unfinished; `began_at` unix seconds."""

    operation: str
    target: str
    began_at: float
    result: str
    why: str
    fences: dict[str, str]
    """Grade by site."""
    phases: dict[str, float]
    """Seconds by phase."""
    workloads: tuple[Recovered, ...]


def past_operations(witness: Witness) -> list[Past]:
    """Every operation of the environment, in the order in which they began. WitnessUnreachable, WitnessUnsound."""
    found: list[Past] = []
    for base in range(len(witness.assignments()) + 1):
        found += [past(journal) for journal in witness.journals(base) if _recovers(journal)]
    return sorted(found, key=lambda each: each.began_at)


def _recovers(journal: Journal) -> bool:
    """A change of keys opens terms by the same steps and brings nothing back."""
    return (journal.plan() or {}).get("kind", "promote") == "promote"


def past(journal: Journal) -> Past:
    plan, end = journal.plan() or {}, journal.ended() or {}
    measured = {str(each["name"]): each for each in end.get("workloads", ())}
    return Past(
        operation=journal.identity,
        target=str(plan["target"]),
        began_at=float(plan["began_at"]),
        result=str(end.get("result", "unfinished")),
        why=str(end.get("why", "")),
        fences={str(each["site"]): str(each["grade"]) for each in end.get("fences", ())},
        phases={str(each["name"]): float(each["seconds"]) for each in end.get("phases", ())},
        workloads=tuple(
            Recovered(
                str(each["name"]),
                measured[each["name"]]["rpo_s"] if each["name"] in measured else None,
                each["rpo_s"],
                end.get("rto_s") if each["name"] in measured else None,
                each["rto_s"],
            )
            for each in plan["workloads"]
        ),
    )


def trends(operations: Sequence[Past]) -> Doc:
    """Counts by result, how many recoveries met their objectives, and how recent medians stand to earlier ones."""
    recovered = [each for each in operations if each.result == "promoted"]
    every = [one for each in recovered for one in each.workloads if one.met is not None]
    results = [each.result for each in operations]
    return {
        "operations": {result: results.count(result) for result in sorted(set(results))},
        "unfinished_or_failed_share": (len(operations) - len(recovered)) / len(operations) if operations else None,
        "recoveries": len(every),
        "met": sum(1 for one in every if one.met),
        "rpo_s": _trend([one.rpo_s for one in every if one.rpo_s is not None]),
        "rto_s": _trend([one.rto_s for one in every if one.rto_s is not None]),
        "slowest_phase": _slowest(recovered),
        "assumed_fences": sum(grade == "assumed" for each in operations for grade in each.fences.values()),
    }


def _trend(values: Sequence[float]) -> Doc:
    """In order of time; `change` is recent over earlier, None while there is nothing earlier."""
    recent, earlier = values[-RECENT:], values[:-RECENT]
    return {
        "last": values[-1] if values else None,
        "worst": max(values, default=None),
        "median": median(values) if values else None,
        "change": median(recent) / median(earlier) if earlier and median(earlier) > 0 else None,
    }


def _slowest(recovered: Sequence[Past]) -> Doc | None:
    """The phase with the greatest median, among those of recoveries."""
    names = {name for each in recovered for name in each.phases}
    medians = {name: median([each.phases[name] for each in recovered if name in each.phases]) for name in names}
    if not medians:
        return None
    name = max(sorted(medians), key=lambda each: medians[each])
    return {"name": name, "median_s": medians[name]}


def document(environment: str, operations: Sequence[Past]) -> Doc:
    """The document of `drstack report --json`; docs/cli.md names its fields."""
    told = [
        {**asdict(each), "workloads": [{**asdict(one), "met": one.met} for one in each.workloads]}
        for each in operations
    ]
    return {"environment": environment, "operations": told, "trends": trends(operations)}


def promotions(witness: Witness, *, most: int = MOST) -> list[Doc]:
    """Newest first, those that ended; fields as docs/cli.md names them. WitnessUnreachable, WitnessUnsound."""
    made = [each for each in reversed(witness.assignments()) if each.operation is not None and each.cause == "promote"][
        :most
    ]
    found: list[Doc] = []
    for assignment in made:
        end = witness.journal(*parse(str(assignment.operation))).ended()
        if end is not None and end.get("result") == "promoted":
            found.append(_row(str(assignment.operation), end))
    return found


def _row(operation: str, end: Doc) -> Doc:
    rto_s = end.get("rto_s")
    return {
        "operation": operation, "assignment": end.get("number"), "failed_at": end.get("failed_at"), "rto_s": rto_s,
        "workloads": [
            {
                "name": each["name"], "step": each["step"], "rpo_s": each["rpo_s"],
                "rpo_objective_s": each["rpo_objective_s"], "rto_objective_s": each["rto_objective_s"],
                "met": each["rpo_s"] <= each["rpo_objective_s"] and rto_s is not None and rto_s <= each["rto_objective_s"],
            }
            for each in end.get("workloads", [])
        ],
    }  # fmt: skip
