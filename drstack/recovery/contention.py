"""Two operators who want different sites: who was faster stands, and the other is told who that was.

Invariant: whoever set out to move the work from one site never takes it, unasked, from another one that was promoted
meanwhile: what he knew of the disaster says nothing of that one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from drstack.errors import OperationConflict
from drstack.recovery.operation import maker, told

if TYPE_CHECKING:
    from drstack.recovery.world import World
    from drstack.witness.assignment import Assignment
    from drstack.witness.journal import Journal


def require_unmoved(
    world: World, set_out: Assignment | None, current: Assignment | None, target: str, only: tuple[str, ...]
) -> None:
    """OperationConflict where what should move to `target` was moved to a third site between the two."""
    if set_out is None or current is None or current.number == set_out.number:
        return
    for name in only or tuple(world.needs):
        if name not in set_out.workloads or name not in current.workloads:
            continue
        writer = current.writer(name)
        if writer not in (set_out.writer(name), target):
            made = maker(world.witness, name)
            raise OperationConflict(
                f"{name} was moved from {set_out.writer(name)} to {writer} meanwhile{_by(made)}: nothing was done for {target}",
                hint=f"drstack status {world.environment} shows how {writer} fares; if {target} shall write all the same, run "
                "the same command again.",
            )


def _by(made: Journal | None) -> str:
    return f", by {told(made)}" if made is not None else ""
