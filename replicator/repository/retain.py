"""Which checkpoints stay. A pure decision; it takes effect only by winning a slot of the log (DESIGN, rule 6).

Kept: the newest N, every pin, the newest with all the receipts that are demanded, the newest that is proved, and
everything if none has its receipts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from replicator.log.entries import Drop
from replicator.model import Id

if TYPE_CHECKING:
    from collections.abc import Callable

    from replicator.log.replay import Accepted, LogView
    from replicator.model import CommitId


@dataclass(frozen=True, slots=True)
class Decision:
    """`keep` and `drop`, each with its reason."""

    keep: dict[CommitId, str]
    drop: dict[CommitId, str]


def _none(_accepted: Accepted) -> bool:
    return False


def _found(accepted: Accepted) -> bool:
    return accepted.what.suspect


def retain(
    view: LogView,
    *,
    keep: int,
    attested: Callable[[Accepted], bool],
    proved: Callable[[Accepted], bool] = _none,
    suspect: Callable[[Accepted], bool] = _found,
) -> Decision:
    """Judge every commit that stands. `attested` says whether one has every receipt that its class demands.

    `suspect` says what counts of one, where people said otherwise than admission. `proved` says whether one is proved;
    it is asked only while something would go.
    """
    newest_first = list(reversed(view.in_order()))
    kept: dict[CommitId, str] = {}
    dropped: dict[CommitId, str] = {}
    pinned = {commit: name for name, commit in view.pins.items()}
    anchor = next((c for c in newest_first if attested(c) and not suspect(c)), None)
    for rank, commit in enumerate(newest_first, 1):
        key = commit.what.id()
        if anchor is None:
            kept[key] = "no checkpoint has its receipts yet"
        elif key == anchor.what.id():
            kept[key] = "the newest with its receipts"
        elif key in pinned:
            kept[key] = f"pinned as {pinned[key]}"
        elif rank <= keep:
            kept[key] = f"among the newest {keep}"
        else:
            dropped[key] = f"older than the newest {keep}"
    best = next((c.what.id() for c in newest_first if proved(c) and not suspect(c)), None) if dropped else None
    if best is not None and dropped.pop(best, None):
        kept[best] = "the newest that is proved"
    return Decision(kept, dropped)


def drop_entry(decision: Decision, *, term: int, bytes_after: float) -> Drop | None:
    """The entry that carries the decision out; None if nothing goes."""
    if not decision.drop:
        return None
    commits = tuple(Id(term=key.term, height=key.height) for key in sorted(decision.drop))
    return Drop(
        term=term, commits=commits, bytes_after=bytes_after, reason="; ".join(sorted(set(decision.drop.values())))
    )


def removable(view: LogView, others: list[LogView], now: float) -> tuple[set[str], set[str]]:
    """(packs, manifests) by digest that only dropped checkpoints name, after their grace.

    `others` are the views of the repository's other workloads: what any of them holds stays.
    """
    packs: set[str] = set()
    manifests: set[str] = set()
    for accepted, bytes_after in view.dropped.values():
        if bytes_after <= now:
            packs.update(pack.digest for pack in accepted.where.packs)
            manifests.add(accepted.where.manifest.digest)
    for each in [view, *others]:
        living = [*each.accepted.values(), *(gone for gone, after in each.dropped.values() if after > now)]
        for accepted in living:
            packs.difference_update(pack.digest for pack in accepted.where.packs)
            manifests.discard(accepted.where.manifest.digest)
    return packs, manifests
