"""What promotions took, from the witness: the newest of them, with what was attained and what was the objective."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from drstack.recovery.operation import parse

if TYPE_CHECKING:
    from drstack.witness.witness import Witness

Doc = dict[str, Any]
MOST = 10


def promotions(witness: Witness, *, most: int = MOST) -> list[Doc]:
    """Newest first, those that ended; fields as docs/cli.md names them. WitnessUnreachable, WitnessUnsound."""
    made = [each for each in reversed(witness.assignments()) if each.operation is not None][:most]
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
