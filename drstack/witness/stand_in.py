"""A stand-in for a witness that is away, in the target's own repository (DESIGN, rule 12).

It holds what the repositories' logs and this machine's last look tell of the assignments, then the journal of the one
operation that goes on without. Whoever promotes to the same target finds the same stand-in. Invariant: it gives out the next
number after all that is known, no other: a witness that had given it to somebody else is noticed when it is back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from drstack.errors import WitnessUnsound
from drstack.witness.rebuild import rebuild
from drstack.witness.witness import Witness
from replicator.stores.below import BelowStore

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from drstack.witness.assignment import Assignment
    from drstack.witness.repair import Survey
    from replicator.stores.store import ObjectStore

FOLDER = "without-witness"
"""In a repository."""
_WHY = "read from the repositories' logs, without the witness"


def open_stand_in(
    store: ObjectStore, environment: str, *, clock: Callable[[], float], token: Callable[[], str]
) -> Witness:
    """The one in the repository of this store. Touches nothing."""
    return Witness(BelowStore(store, FOLDER), environment, clock=clock, token=token)


def bring_up(stand_in: Witness, found: Survey, seen: Assignment | None, *, by: str) -> None:
    """Have it know all that the logs, and the newest assignment that this machine saw, tell. WitnessUnsound."""
    stand_in.found(found.environment)
    known = stand_in.assignments()
    missing = rebuild(known, found.words, by=by, reason=_WHY, burn=False).missing
    for each in _with_seen([*known, *missing], seen)[len(known) :]:
        stands = stand_in.assign(each)
        if stands.workloads != each.workloads:
            raise WitnessUnsound(
                f"assignment {each.number} was written by somebody else meanwhile, and is another",
                hint="Run the same command again: it looks anew.",
            )


def _with_seen(told: Sequence[Assignment], seen: Assignment | None) -> list[Assignment]:
    """What the logs told, with workloads that have no log, and numbers that reached none, as this machine saw them."""
    if seen is None:
        return list(told)
    made = [each if each.number < seen.number else _merged(each, seen) for each in told]
    for number in range(len(made) + 1, seen.number):
        before = made[-1] if made else seen
        made.append(before.model_copy(update={"number": number, "cause": "repair"}))
    return [*made, *([seen] if len(made) < seen.number else [])]


def _merged(told: Assignment, seen: Assignment) -> Assignment:
    """Of each workload the part of the later term; WitnessUnsound where two writers had the same one."""
    workloads = dict(told.workloads)
    for name, part in seen.workloads.items():
        there = workloads.get(name)
        if there is not None and there.term == part.term and there.writer != part.writer:
            raise WitnessUnsound(
                f"this machine saw {part.writer} write {name} in term {part.term}; its logs were opened for {there.writer}",
                hint="Two were made under one number: find out which of them ran before anything is promoted.",
            )
        if there is None or there.term <= part.term:
            workloads[name] = part
    return told.model_copy(update={"workloads": workloads})


def take_over(witness: Witness, stand_in: Witness, operation: str) -> bool:
    """Have the witness hold an operation's journal, byte for byte. False where it holds another's under that name."""
    if not witness.copy_journal(stand_in, operation):
        return False
    for broken in stand_in.glass().broken():
        if broken.get("operation") == operation:
            witness.glass().note(broken)
    return True


def retire(stand_in: Witness, operation: str) -> None:
    """End the operation there, so that who still executes it stops: it goes on where the witness is."""
    base, k = operation.split("-")
    journal = stand_in.journal(int(base), int(k))
    if journal.records() and journal.ended() is None:
        journal.end({"result": "superseded", "why": "the witness is back, and has it now"})
