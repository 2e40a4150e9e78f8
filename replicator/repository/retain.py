"""Carrying out what retention decided: the entry that drops, and the bytes that may go then (DESIGN, rule 6). Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from replicator.log.entries import Drop
from replicator.model import Id

if TYPE_CHECKING:
    from replicator.log.replay import LogView
    from replicator.retention.decide import Decision


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
