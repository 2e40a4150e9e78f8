"""Who runs an operation: begin it, join it, resume it, abandon it, or find that it is done (DESIGN, rule 12).

An unfinished operation is found by GET, from the newest assignment down to the one on which the last promotion was
planned: before that one began, none was unfinished. One with another target is in the way.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from drstack.errors import OperationConflict

if TYPE_CHECKING:
    from collections.abc import Mapping

    from drstack.witness.journal import Journal
    from drstack.witness.witness import Witness


def unfinished(witness: Witness) -> Journal | None:
    """The operation that began and has no end. At most one: nobody begins another while it stands."""
    every = witness.assignments()
    promoted = [parse(each.operation)[0] for each in every if each.operation is not None]
    for base in range(len(every), max(promoted, default=1) - 1, -1):
        for journal in witness.journals(base):
            if journal.ended() is None:
                return journal
    return None


def maker(witness: Witness, workload: str) -> Journal | None:
    """The operation that opened a workload's term, if one did."""
    every = witness.assignments()
    operation = every[every[-1].workloads[workload].term - 1].operation
    return witness.journal(*parse(operation)) if operation is not None else None


def now_at(witness: Witness) -> str:
    """The order of what acts now without an operation of its own: before any that has not ended, or is begun later."""
    running = unfinished(witness)
    if running is not None:
        base, k = parse(running.identity)
        return f"{base}-{k - 1}"
    base = len(witness.assignments())
    return f"{base}-{sum(journal.ended() is not None for journal in witness.journals(base))}"


def parse(identity: str) -> tuple[int, int]:
    """An operation's name, or an order, as (assignment it was planned on, its number there)."""
    base, k = identity.split("-")
    return int(base), int(k)


def begin(witness: Witness, plan: dict[str, Any]) -> tuple[Journal, bool]:
    """Take the next operation slot of the plan's assignment, or join whoever took it for the same target.

    Returns the journal, and whether it is of this very plan. OperationConflict if an operation with another target runs.
    The slot is chosen before it is looked whether one runs: one that is begun in between has taken it, or is seen.
    """
    base, target, kind = int(plan["base"]), str(plan["target"]), str(plan.get("kind", "promote"))
    while True:
        free = len(witness.journals(base)) + 1
        running = unfinished(witness)
        if running is not None and gives_way(running, target, kind):
            running.end({"result": "superseded", "why": f"a {kind} to {target} goes before it"})
            continue
        if running is not None:
            return join(running, target, kind), False
        journal = witness.journal(base, free)
        if journal.begin(plan):
            return journal, True


def told(journal: Journal) -> str:
    """`operation 3-1 (promote to west, begun by ana at 03:12:09Z)`."""
    records = journal.records()
    plan: Mapping[str, Any] = records[0].body if records else {}
    what = f"{plan.get('kind', 'promote')} to {plan.get('target')}"
    at = f" at {datetime.fromtimestamp(records[0].at, UTC):%H:%M:%SZ}" if records else ""
    return f"operation {journal.identity} ({what}, begun by {plan.get('by') or 'somebody'}{at})"


def join(running: Journal, target: str, kind: str) -> Journal:
    """The running operation, if it has this target and is of this kind. OperationConflict otherwise."""
    plan = running.plan() or {}
    environment, theirs = plan.get("environment"), str(plan.get("kind", "promote"))
    if plan.get("target") != target or _family(theirs) != _family(kind):
        raise OperationConflict(
            f"{told(running)} has not ended",
            hint=f"Finish it: drstack resume {environment}; or end it: drstack abort {environment} --reason '…'; or, if what "
            f"it needs is lost: drstack promote {environment} --to {target} --abandon {running.identity} --reason '…'",
        )
    return running


def gives_way(running: Journal, target: str, kind: str) -> bool:
    """Whether it is a fence of another site, which need not end first: what promotes fences by itself."""
    plan = running.plan() or {}
    return plan.get("kind") == "fence" and kind != "fence" and plan.get("target") != target


def takes_all(running: Journal, site: str) -> bool:
    """Whether it is a promotion that takes from this site all that it writes, and that nobody told to leave it alone."""
    plan = running.plan() or {}
    left_alone = ["skip-fence", site] in [list(each) for each in plan.get("consents", ())]
    return (
        plan.get("kind", "promote") == "promote"
        and site in plan.get("fence", ())
        and not (left_alone or plan.get("alone"))
    )


def _family(kind: str) -> str:
    """Kinds that are carried out alike: what promotes, by whatever reason, joins what promotes."""
    return kind if kind in ("switchover", "fence") else "promote"


def abandon(running: Journal, *, by: str, reason: str) -> None:
    """End an operation that shall not be finished. What it did stands; whoever still executes it stops."""
    running.end({"result": "abandoned", "by": by, "why": reason})
