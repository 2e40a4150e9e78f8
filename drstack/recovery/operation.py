"""Who runs an operation: begin it, join it, resume it, or find that it is done (DESIGN, rule 12).

An unfinished operation is found by GET from the newest assignment downwards. One with another target is in the way.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from drstack.errors import OperationConflict

if TYPE_CHECKING:
    from drstack.witness.journal import Journal
    from drstack.witness.witness import Witness


def unfinished(witness: Witness) -> Journal | None:
    """The operation that began and has no end. At most one: nobody begins another while it stands."""
    current = witness.current()
    number = current.number if current else 0
    for base in (number, number - 1):
        if base < 1:
            continue
        for journal in witness.journals(base):
            if journal.ended() is None:
                return journal
    return None


def last_ended(witness: Witness) -> Journal | None:
    """The operation that made the newest assignment, if one did and it has ended."""
    current = witness.current()
    if current is None or current.operation is None:
        return None
    base, k = (int(part) for part in current.operation.split("-"))
    journal = witness.journal(base, k)
    return journal if journal.ended() is not None else None


def begin(witness: Witness, plan: dict[str, Any]) -> Journal:
    """Take the next operation slot of the plan's assignment, or join whoever took it for the same target.

    OperationConflict if an operation with another target runs.
    """
    while True:
        running = unfinished(witness)
        if running is not None:
            return join(running, str(plan["target"]))
        journal = witness.journal(int(plan["base"]), len(witness.journals(int(plan["base"]))) + 1)
        if journal.begin(plan):
            return journal


def join(running: Journal, target: str) -> Journal:
    """The running operation, if it has this target. OperationConflict otherwise."""
    plan = running.plan() or {}
    if plan.get("target") != target:
        raise OperationConflict(
            f"operation {running.identity} is promoting {plan.get('target')} and has not ended",
            hint=f"Finish it first: drstack promote {plan.get('environment')} --to {plan.get('target')}",
        )
    return running
