"""Legal holds: pins that no keeper, promotion or prover lets go of, each with who asked for it and why.

A hold is an entry of the log like any other: it takes effect by its slot, survives promotions, and who released it and
why stays in the log. Invariant: a name that is held is never moved to another checkpoint.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from replicator.errors import HoldUnknown, ReplicatorError
from replicator.log.entries import Pin
from replicator.retention.decide import HOLD

if TYPE_CHECKING:
    from collections.abc import Iterable

    from replicator.log.entries import Entry
    from replicator.log.replay import LogView
    from replicator.log.workload import WorkloadLog
    from replicator.model import CommitId


@dataclass(frozen=True, slots=True)
class Hold:
    name: str
    commit: CommitId
    reason: str
    stands: bool
    """Whether the checkpoint still does: a promotion may have left it out, and its bytes stay all the same."""


def holds(entries: Iterable[Entry], view: LogView) -> list[Hold]:
    """All that hold now, by name."""
    said = {entry.name: entry.reason for entry in entries if isinstance(entry, Pin)}
    return [
        Hold(name.removeprefix(HOLD), commit, said[name], commit in view.accepted)
        for name, commit in sorted(view.pins.items())
        if name.startswith(HOLD)
    ]


def hold(log: WorkloadLog, name: str, commit: CommitId, *, reason: str, by: str) -> None:
    """Sealed where the repository takes no entry now, NothingToRestore where the commit does not stand."""
    if not reason.strip() or not by.strip():
        raise ReplicatorError("a hold needs a reason and a name", hint="Add: --reason '…' --by NAME")
    log.pin(HOLD + name, commit, reason=f"{by}: {reason}", term=log.view().term)


def release(log: WorkloadLog, name: str, *, reason: str, by: str) -> None:
    """HoldUnknown where nothing is held under that name."""
    if not reason.strip() or not by.strip():
        raise ReplicatorError("releasing a hold needs a reason and a name", hint="Add: --reason '…' --by NAME")
    view = log.view()
    if HOLD + name not in view.pins:
        there = ", ".join(each.removeprefix(HOLD) for each in sorted(view.pins) if each.startswith(HOLD))
        raise HoldUnknown(f"{log.workload} has no hold {name!r}; held: {there or 'nothing'}")
    log.unpin(HOLD + name, term=view.term, reason=f"{by}: {reason}")
