"""Looking at a site's tiers, and carrying out where each checkpoint is to lie (replicator.retention.tiers)."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

from replicator.errors import ReplicatorError
from replicator.repository.move import DEMANDED, copy, let_go, reads_of, unpin_moved
from replicator.retention.tiers import Move, Placement, Shelf, place

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from replicator.log.replay import Accepted
    from replicator.model import CommitId
    from replicator.repository.repository import Repository
    from replicator.retention.tiers import Tier


@dataclass(frozen=True, slots=True)
class Moved:
    """`why_not`: why it could not be done now; None where it was."""

    move: Move
    why_not: str | None


def look(tiers: Sequence[Tier], repositories: Mapping[str, Repository], workload: str, now: float) -> Placement:
    """What is to move. StoreUnavailable where a tier does not answer: nothing is decided without it."""
    reads: dict[CommitId, list[float]] = {}
    shelves: list[Shelf] = []
    for tier in tiers:
        there = repositories[tier.name]
        for key, times in reads_of(there, workload).items():
            reads.setdefault(key, []).extend(times)

        shelves.append(Shelf(tier, there.log(workload).view(), _attested_in(there, workload)))
    return place(shelves, reads, now)


def _attested_in(there: Repository, workload: str) -> Callable[[Accepted], bool]:
    def attested(accepted: Accepted) -> bool:
        return all(there.receipts.levels(workload, accepted.slot, DEMANDED).values())

    return attested


def carry_out(
    placement: Placement,
    repositories: Mapping[str, Repository],
    workload: str,
    verifier: str,
    *,
    grace_s: float,
    progress: Callable[[int], None] | None = None,
) -> list[Moved]:
    """One after another; what cannot be done is told, and tried at the next look."""
    done: list[Moved] = []
    for move in placement.moves:
        source, target = repositories[move.source], repositories[move.target]
        why: str | None = None
        try:
            if move.do == "drop":
                if not let_go(source, target, workload, move.commit, grace_s=grace_s):
                    why = f"it is pinned in {move.source}, or {move.target} does not stand for it now"
            else:
                accepted = source.log(workload).view().accepted.get(move.commit)
                if accepted is None:
                    why = f"{move.source} does not hold it any more"
                elif not copy(source, target, workload, accepted, verifier, progress=progress):
                    why = f"it was not read back well from {move.target}"
        except ReplicatorError as error:
            why = str(error)
        done.append(Moved(move, why))
    return done


def tidy(tiers: Sequence[Tier], repositories: Mapping[str, Repository], workload: str) -> None:
    """Let go of pins that a killed mover left."""
    for hot, cold in itertools.pairwise(tiers):
        unpin_moved(repositories[hot.name], repositories[cold.name], workload)
