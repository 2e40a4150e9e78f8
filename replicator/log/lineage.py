"""Which commits the run that counts now has behind it, and which are of a branch that was left. Pure.

A term begins from one checkpoint, the head that its assignment chose. What an earlier term has above it stands, and can
be restored by name, but nobody takes it unasked: the work made since does not go on from there. Invariant: nothing
becomes void by it, and where no head is known, nothing is left.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pydantic import ValidationError

from replicator.model import CommitId, Id

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from replicator.log.entries import Open
    from replicator.log.replay import Accepted, LogView


@dataclass(frozen=True, slots=True)
class Lineage:
    """`heads`: from which commit each term on the way began, newest first. Empty: nothing is left."""

    heads: tuple[CommitId, ...] = ()
    term: int = 0
    """The term that began from the first of them."""

    def left(self, commit: CommitId) -> bool:
        """Whether `commit` is of a branch that a later term did not go on from."""
        upper = self.term
        for head in self.heads:
            if head.term < commit.term < upper or (commit.term == head.term and commit > head):
                return True
            if commit <= head and commit.term == head.term:
                return False
            upper = head.term
        return False


def trace(began_from: Mapping[int, CommitId | None], term: int) -> Lineage:
    """`began_from`: per term, the commit that it began from; None, or absent, where that is not known."""
    heads: list[CommitId] = []
    at = term
    while (head := began_from.get(at)) is not None and head.term < at:
        heads.append(head)
        at = head.term
    return Lineage(tuple(heads), term)


def lineage(*views: LogView) -> Lineage:
    """As far as these logs of a workload know it: each `open` copies the assignment, with the head that was chosen."""
    known: dict[int, CommitId | None] = {}
    for view in views:
        for term, entry in view.opened.items():
            known[term] = known.get(term) or began_from(entry)
    return trace(known, max((view.term for view in views), default=0))


def began_from(entry: Open) -> CommitId | None:
    """The head in the assignment that the entry copies; None where it copies none, or that names none.

    Beside term and height a later version may say more: what it is the head of stays the same.
    """
    workload = (entry.assignment or {}).get("workload")
    head = workload.get("head") if isinstance(workload, dict) else None  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
    if not isinstance(head, dict):
        return None
    try:
        return Id.model_validate({name: head.get(name) for name in Id.model_fields}).key()  # pyright: ignore[reportUnknownMemberType]
    except ValidationError:
        return None


def newest_first(view: LogView) -> list[Accepted]:
    """Commits of a log that stand, best first."""
    return best_first(view.accepted.values(), lineage(view))


def best_first(standing: Iterable[Accepted], behind: Lineage) -> list[Accepted]:
    """The newest of those behind the run that counts now, then those of branches that were left."""
    return sorted(standing, key=lambda each: (not behind.left(each.what.id()), each.what.id()), reverse=True)
