"""The newest `open` of each workload in a repository: what the repository itself says of who writes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from drstack.platforms.local.keys import site_keys
from drstack.platforms.local.ownership import read_record
from drstack.provider.repositories import open_with
from replicator.errors import ReplicatorError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from drstack.platforms.local.folder import SiteFolder
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


def site_writes(folder: SiteFolder, workload: str) -> bool | None:
    """Whether the site's own repository says that it writes this workload; not where its term was sealed since.

    None: the repository does not say. What a program was told before it began, roles say; this is asked right before
    something is started.
    """
    record = read_record(folder)
    if record is None:
        return None
    try:
        view = open_with(folder.store.as_uri(), site_keys(folder)).log(workload).view()
    except ReplicatorError:
        return None
    if not view.opened:
        return None
    newest = max(view.opened)
    return view.opened[newest].writer == record.site and view.sealed < newest
