"""Carrying out what retention decided: the entry that drops, and the bytes that may go then (DESIGN, rule 6). Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from replicator.log.entries import Drop
from replicator.model import Id

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from replicator.log.replay import LogView
    from replicator.model import CommitId, Where
    from replicator.retention.decide import Decision


def drop_entry(decision: Decision, *, term: int, bytes_after: float) -> Drop | None:
    """The entry that carries the decision out; None if nothing goes."""
    if not decision.drop:
        return None
    commits = tuple(Id(term=key.term, height=key.height) for key in sorted(decision.drop))
    return Drop(
        term=term, commits=commits, bytes_after=bytes_after, reason="; ".join(sorted(set(decision.drop.values())))
    )


def removable(
    view: LogView, others: list[LogView], now: float, *, doubted: Collection[CommitId] = ()
) -> tuple[set[str], set[str]]:
    """(packs, manifests) by digest that only dropped checkpoints and replaced encodings name, after their grace.

    `others` are the views of the repository's other workloads: what any of them holds stays. `doubted`: commits whose
    encoding some verifier found damaged; what it replaced stays.
    """
    packs: set[str] = set()
    manifests: set[str] = set()
    for where, after in _gone(view, doubted):
        if after is not None and after <= now:
            packs.update(pack.digest for pack in where.packs)
            manifests.add(where.manifest.digest)
    for each in [view, *others]:
        standing = [accepted.where for accepted in each.accepted.values()]
        waiting = [where for where, after in _gone(each, doubted) if after is None or after > now]
        for where in standing + waiting:
            packs.difference_update(pack.digest for pack in where.packs)
            manifests.discard(where.manifest.digest)
    return packs, manifests


def _gone(view: LogView, doubted: Collection[CommitId]) -> Iterator[tuple[Where, float | None]]:
    """Encodings that count no more, and when their bytes may go (None: not now)."""
    for accepted, after in view.dropped.values():
        yield accepted.where, after
    for each in view.replaced:
        yield each.where, None if each.commit in doubted else each.bytes_after
