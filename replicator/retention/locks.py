"""What must not be deletable by anyone for how long, so that each checkpoint that stands can be restored whole. Pure.

A lock on a commit covers every object that restoring it reads: its manifest, every pack that it names, whichever commit
brought it, the log up to its end, the keys that recipients unwrap, and the repository's `format.json`.
Invariant: locks are only made longer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from replicator.log.slots import slot_key
from replicator.repository.packs import manifest_key, pack_key

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from replicator.log.replay import Accepted, LogView
    from replicator.model import CommitId

RENEW_BELOW = 0.5
"""A lock is made longer once less than this share of its time is left."""


@dataclass(frozen=True, slots=True)
class Lock:
    """`until`: unix seconds."""

    key: str
    until: float


def covered(
    view: LogView, workload: str, commits: Collection[CommitId], *, wrapped: Iterable[str] = ()
) -> Iterator[str]:
    """What the commits need, each once, packs first: the log says of nothing that it is there before it is locked.

    `wrapped`: the objects below `keys/`, of an encrypted repository.
    """
    chosen = [view.accepted[key] for key in sorted(commits)]
    yield from dict.fromkeys(key for each in chosen for key in _of(each))
    for n in range(1, view.slots + 1):
        yield slot_key(f"log/{workload}", n)
    yield from wrapped
    yield "format.json"


def _of(accepted: Accepted) -> Iterator[str]:
    for pack in accepted.where.packs:
        yield pack_key(pack.digest)
    yield manifest_key(accepted.where.manifest.digest)


def plan_locks(keys: Iterator[str], held: Mapping[str, float], *, now: float, for_s: float) -> list[Lock]:
    """`held`: until when each key is locked already (unix seconds); absent: it is not."""
    return [Lock(key, now + for_s) for key in keys if held.get(key, 0.0) < now + for_s * RENEW_BELOW]
