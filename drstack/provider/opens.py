"""The newest `open` of each workload in a repository: what the repository itself says of who writes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from drstack.provider.repositories import open_with
from replicator.errors import ReplicatorError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from replicator.crypto.keyring import Keyring
    from replicator.log.entries import Open


def newest_opens(url: str, workloads: Sequence[str], keys: Keyring | None) -> dict[str, Open]:
    """Workloads without an `open`, or whose log cannot be read, are left out."""
    found: dict[str, Open] = {}
    repository = open_with(url, keys)
    for workload in workloads:
        try:
            view = repository.log(workload).view()
        except ReplicatorError:
            continue
        if view.opened:
            found[workload] = view.opened[max(view.opened)]
    return found
