"""A person's word on a step of users' own: it is done, or it did not happen.

It is a record in the operation's journal, with who said it, when and why, that every operator heeds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from drstack.errors import OperationConflict
from drstack.recovery.control import running
from drstack.recovery.standing import standing
from drstack.recovery.steps import steps_of

if TYPE_CHECKING:
    from drstack.recovery.steps import Step
    from drstack.witness.journal import Journal
    from drstack.witness.witness import Witness

Doc = dict[str, Any]


def confirm(witness: Witness, step: str, *, by: str, reason: str, at: float, again: bool) -> Journal:
    """Record that a step is done, or with `again` that it did not happen. OperationConflict where nobody has to say so."""
    journal = running(witness)
    found = _own(journal, step)
    now = standing(journal.records(), step)
    if now.state == "done":
        raise OperationConflict(f"{step} is done already")
    if again:
        if now.state not in ("open", "unknown"):
            raise OperationConflict(
                f"{step} is not in doubt: it is done again by itself", hint=f"drstack resume {witness.environment}"
            )
        journal.write("again", {"step": step, "by": by, "reason": reason, "at": at})
        return journal
    if found.act != "wait" and now.state == "fresh":
        raise OperationConflict(
            f"{step} was not begun, so that there is nothing to confirm",
            hint=f"To leave it out: drstack skip {witness.environment} {step} --reason '…'",
        )
    detail = f"confirmed by {by}: {reason}"
    body: Doc = {"began_at": at, "ended_at": at, "detail": detail, "confirmed": reason, "by": by, "result": {}}
    if journal.settle(step, body).get("confirmed") is None:
        raise OperationConflict(f"{step} is done already")
    return journal


def _own(journal: Journal, step: str) -> Step:
    own = {each.id: each for each in steps_of(journal.plan() or {}) or () if each.own is not None}
    if step not in own:
        raise OperationConflict(
            f"operation {journal.identity} has no step {step!r} of your own",
            hint=f"Those that it has: {', '.join(own)}." if own else None,
        )
    return own[step]
