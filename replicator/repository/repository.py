"""A site's store of checkpoints: its logs, manifests, packs and receipts, read and checked.

Everything that is read is checked against the digest that names it before anyone sees it.
"""

from __future__ import annotations

import secrets
import time
from typing import TYPE_CHECKING

from replicator.errors import DataCorrupt, KeyMissing
from replicator.log.records import digest
from replicator.log.workload import WorkloadLog
from replicator.repository.format import Format, read_format
from replicator.repository.manifest import Manifest, decode
from replicator.repository.packs import manifest_key
from replicator.repository.receipts import Receipts
from replicator.repository.ruling import is_suspect

if TYPE_CHECKING:
    from collections.abc import Callable

    from replicator.log.replay import Accepted
    from replicator.model import CommitId, Level, PackRef
    from replicator.stores.store import ObjectStore


def random_token() -> str:
    """16 random bytes as hex: an attempt id."""
    return secrets.token_hex(16)


class Repository:
    """The repository in `store`; `name` is its site's. Logs are for one thread at a time."""

    def __init__(
        self,
        name: str,
        store: ObjectStore,
        *,
        clock: Callable[[], float] = time.time,
        token: Callable[[], str] = random_token,
    ) -> None:
        self.name = name
        self.store = store
        self.clock = clock
        self.token = token
        self._logs: dict[str, WorkloadLog] = {}
        self.receipts = Receipts(store, clock=clock, token=token, record_of=self._record_of)

    def format(self) -> Format:
        return read_format(self.store)

    def log(self, workload: str) -> WorkloadLog:
        if workload not in self._logs:
            self._logs[workload] = WorkloadLog(self.store, workload, clock=self.clock, token=self.token)
        return self._logs[workload]

    def _record_of(self, workload: str, slot: int) -> str | None:
        try:
            return self.log(workload).slot(slot).digest
        except IndexError:
            return None

    def manifest(self, ref: PackRef) -> Manifest:
        """The manifest that `ref` names. DataCorrupt if it is missing or is not that."""
        where = f"{self.store.url}: {manifest_key(ref.digest)}"
        try:
            stored = self.store.get(manifest_key(ref.digest))
        except KeyMissing as error:
            raise DataCorrupt(f"{where} is missing") from error
        if digest(stored) != ref.digest:
            raise DataCorrupt(f"{where} is not what its name says")
        return decode(stored, where)

    def workloads(self) -> list[str]:
        """Workloads that have a log here, as LIST shows them."""
        return sorted({key.split("/")[1] for key in self.store.list("log") if key.count("/") == 2})  # noqa: PLR2004


def newest_recovery_point(
    repository: Repository, workload: str, demanded: tuple[Level, ...], *, at_most: CommitId | None = None
) -> Accepted | None:
    """The greatest (term, height) that is not suspect and has every demanded receipt (DESIGN, rule 14)."""
    for accepted in reversed(repository.log(workload).view().in_order()):
        if at_most is not None and accepted.what.id() > at_most:
            continue
        if not is_suspect(repository, workload, accepted) and all(
            repository.receipts.levels(workload, accepted.slot, demanded).values()
        ):
            return accepted
    return None
