"""Which commits of earlier terms an `open` lets stand, and how the repositories that were sealed settle that.

Whatever order logs are brought up in, and whoever was away meanwhile: of one (term, height) at most one content stands.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from replicator.log.counters import counter_at, runs_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from replicator.log.counters import Run
    from replicator.log.entries import Open
    from replicator.model import What


def uncovered(entry: Open, what: What) -> str | None:
    """Why `entry` voids that commit of an earlier term; None if it stands, or is of a term that is not over."""
    term = str(what.term)
    if what.term >= entry.term:
        return None
    if what.height > entry.heads.get(term, 0):
        return f"the open of term {entry.term} does not cover it"
    runs = entry.counters.get(term)
    if runs and counter_at(runs, what.height) != what.counted_by:
        return f"the open of term {entry.term} names another checkpoint {what.id()}"
    return None


def settle(held: Iterable[Mapping[int, str]]) -> tuple[int, tuple[Run, ...]]:
    """(head, runs) of a term that ends. `held`: per repository, best first, each height it holds and who counted it.

    Every height that any of them holds stands, as the first that holds it has it: what all of some repositories hold is
    what the first of them holds. (0, ()) where none holds any.
    """
    counted: dict[int, str] = {}
    for each in held:
        counted = {**each, **counted}
    return max(counted, default=0), runs_of(counted)
