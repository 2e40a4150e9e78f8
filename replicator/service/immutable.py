"""Destinations that put under object lock: how their store is opened, and how locks are kept while they are needed."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import structlog

from replicator.retention.locks import covered, plan_locks
from replicator.stores.immutable import PutStore
from replicator.stores.lock import S3Locks
from replicator.stores.lock_check import look, require
from replicator.stores.s3_control import s3_control
from replicator.stores.url import open_store

if TYPE_CHECKING:
    from replicator.repository.repository import Repository
    from replicator.service.config import Destination, Immutable
    from replicator.stores.lock import ObjectLocks
    from replicator.stores.store import ObjectStore

_log = structlog.get_logger("replicator")
EXTEND_EVERY_S = 3600.0
DAY_S = 86400.0


def open_destination(destination: Destination) -> ObjectStore:
    """The store of a destination; what is put there carries its lock or storage class. LockRefused before the first put."""
    store = open_store(destination.url)
    wanted = destination.immutable
    if wanted is None and destination.storage_class is None:
        return store
    control = s3_control(destination.url)
    return PutStore(
        store, control, clock=time.time, days=wanted.days if wanted else None,
        mode=wanted.mode if wanted else "compliance", storage_class=destination.storage_class,
        require=(lambda: require(look(control, wanted.mode, clock=time.time))) if wanted else None,
    )  # fmt: skip


def locks_of(destination: Destination) -> ObjectLocks | None:
    return None if destination.immutable is None else S3Locks(s3_control(destination.url))


@dataclass(slots=True)
class Extending:
    """Makes locks of one workload longer while what they cover stands. Not for two threads at once."""

    repository: Repository
    workload: str
    wanted: Immutable
    locks: ObjectLocks
    extended: int = 0
    _held: dict[str, float] = field(default_factory=dict[str, float])
    _slots: int = -1
    _at: float | None = None

    def extend(self) -> None:
        """Every hour, and when something was committed. LockRefused, StoreUnavailable."""
        now, view = self.repository.clock(), self.repository.log(self.workload).view()
        if self._at is not None and 0 <= now - self._at < EXTEND_EVERY_S and view.slots == self._slots:
            return
        needed = list(covered(view, self.workload, list(view.accepted), wrapped=self.repository.store.list("keys")))
        for key in needed:
            if key not in self._held:
                self._held[key] = self.locks.until(key) or 0.0
        plan = plan_locks(iter(needed), self._held, now=now, for_s=self.wanted.days * DAY_S)
        for each in plan:
            self.locks.lock(each.key, each.until, self.wanted.mode)
            self._held[each.key] = each.until
        if plan:
            self.extended += len(plan)
            _log.info("locks extended", destination=self.repository.name, workload=self.workload, objects=len(plan))
        self._at, self._slots = now, view.slots
