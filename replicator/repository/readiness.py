"""Whether a repository was ever restored from by one who would have to: a recipient's signed note in it.

An encrypted repository is not ready before: keys that nobody tried are a hope. Under suite `none` it always is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from replicator.crypto.roles import RESTORED
from replicator.log.slots import SlotLog

if TYPE_CHECKING:
    from collections.abc import Mapping

    from replicator.log.replay import Accepted
    from replicator.repository.repository import Repository


def restored_by(repository: Repository) -> tuple[str, ...] | None:
    """Recipients that restored something from it, by their own word; None where nothing is encrypted."""
    keys = repository.keys
    if keys is None or repository.format().suites.crypto == "none":
        return None
    found: list[str] = []
    for key in keys.trust.recipients():
        if any(record.signer == key.name for record in _log(repository, key.name).read()):
            found.append(key.name)
    return tuple(found)


def note_restore(repository: Repository, accepted: Accepted) -> str | None:
    """Write the note of the recipient that read, if it has none yet: who it is; None where nothing is encrypted.

    KeyAbsent, StoreError.
    """
    keys = repository.keys
    if keys is None or not keys.recipients() or repository.format().suites.crypto == "none":
        return None
    name = keys.recipients()[0].name
    what = accepted.what
    record = repository.log(what.workload).slot(accepted.slot).digest
    body = {"workload": what.workload, "commit": {"term": what.term, "height": what.height}, "record": record}

    def decide(records: tuple[Any, ...]) -> tuple[str, Mapping[str, Any]] | None:
        return None if records else (RESTORED, body)

    _log(repository, name, among=(name,)).append(decide)
    return name


def _log(repository: Repository, recipient: str, among: tuple[str, ...] | None = None) -> SlotLog:
    return SlotLog(
        repository.store, f"restores/{recipient}", clock=repository.clock, token=repository.token,
        notary=repository.notary, among=lambda _: among,
    )  # fmt: skip
