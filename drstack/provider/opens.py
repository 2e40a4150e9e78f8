"""The newest `open` of each workload in a repository: what the repository itself says of who writes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from drstack.provider.reach import clock, token
from replicator.errors import ReplicatorError
from replicator.log.workload import WorkloadLog
from replicator.stores.url import open_store

if TYPE_CHECKING:
    from collections.abc import Sequence

    from replicator.log.entries import Open


def newest_opens(repository: str, workloads: Sequence[str]) -> dict[str, Open]:
    """Workloads without an `open`, or whose log cannot be read, are left out."""
    found: dict[str, Open] = {}
    for workload in workloads:
        try:
            view = WorkloadLog(open_store(repository), workload, clock=clock, token=token).view()
        except ReplicatorError:
            continue
        if view.opened:
            found[workload] = view.opened[max(view.opened)]
    return found
