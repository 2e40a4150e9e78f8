"""Storing a checkpoint anew whose bytes are damaged beyond repair here, from a repository that has it whole.

*What* stays as its writer signed it; *where* is said anew by the keeper, as a compaction says it. Invariant: it takes effect
only after every new byte was read back from the store.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from replicator.errors import DataCorrupt, NotOpen
from replicator.repository.compact import require_keeper, take_effect
from replicator.repository.move import send_copy
from replicator.repository.verify import check_decoded
from replicator.retention.compaction import over_since

if TYPE_CHECKING:
    from replicator.log.replay import Accepted
    from replicator.repository.repository import Repository


def renew(repository: Repository, peer: Repository, workload: str, accepted: Accepted, *, grace_s: float) -> None:
    """Give the checkpoint a new encoding out of the peer's; that which it had may go after `grace_s`.

    Encrypted, it takes a recipient's key and the keeper's. DataCorrupt where the peer has not the same or not whole;
    NotOpen where the log takes no entry; KeyAbsent; StoreUnavailable.
    """
    log = repository.log(workload)
    log.require_writer()
    view = log.view()
    key = accepted.what.id()
    if (over := over_since(view, view.term)) is not None:
        raise NotOpen(f"{repository.store.url}: {over}; nothing is stored anew until one is open")
    if (pin := next((name for name, commit in view.pins.items() if commit == key), None)) is not None:
        raise NotOpen(f"{repository.store.url}: {key} is pinned as {pin}, and keeps its encoding until it is not")
    require_keeper(repository, "storing a checkpoint anew")
    theirs = peer.log(workload).view().accepted.get(key)
    if theirs is None or theirs.what != accepted.what:
        raise DataCorrupt(f"it does not hold {workload} {key}")
    where = send_copy(peer, repository, view, theirs, lean=False)
    read_back = check_decoded(repository, replace(accepted, where=where))
    if not read_back.ok:
        raise DataCorrupt(f"what was stored anew does not read back: {read_back.reason}")
    after, reason = repository.clock() + grace_s, f"damaged, stored anew from {peer.store.url}"
    why = take_effect(log, accepted, where, term=view.term, bytes_after=after, reason=reason)
    if why is not None:
        raise DataCorrupt(f"{workload} {key}: {why}")
