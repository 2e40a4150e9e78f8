"""The planted bug "sparse slots": entries under numbers with gaps, found by LIST, linked to nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from replicator.log.claim import claim
from replicator.log.records import decode, encode
from replicator.log.replay import Fold
from replicator.log.slots import slot_key
from replicator.log.workload import WorkloadLog

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from replicator.log.records import Record
    from replicator.stores.store import ObjectStore


class SparseSlots:
    """Stands in for SlotLog. `stride`: how far ahead of the last one the next number is taken."""

    def __init__(self, store: ObjectStore, prefix: str, token: Callable[[], str], stride: Callable[[], int]) -> None:
        self._store = store
        self._prefix = prefix
        self._token = token
        self._stride = stride
        self.name = prefix

    def read(self) -> tuple[Record, ...]:
        numbers = sorted(int(key.rpartition("/")[2]) for key in self._store.list(self._prefix))
        return tuple(decode(self._store.get(slot_key(self._prefix, n)), self._prefix, n) for n in numbers)

    def record(self, n: int) -> Record:
        return self.read()[n - 1]

    def append(self, decide: Callable[[tuple[Record, ...]], tuple[str, Mapping[str, Any]] | None]) -> Record | None:
        while True:
            records = self.read()
            decision = decide(records)
            if decision is None:
                return None
            n = (records[-1].n if records else 0) + self._stride()
            body = encode(self._prefix, n, None, self._token(), decision[0], 0.0, decision[1])
            if claim(self._store, slot_key(self._prefix, n), body, sleep=lambda _: None).ours:
                return decode(body, self._prefix, n)


class SparseLog(WorkloadLog):
    """A writer that skips steps under pressure takes every other number; the others take the next."""

    stride = 1

    def __init__(self, store: ObjectStore, workload: str, *, token: Callable[[], str], **ports: Any) -> None:
        super().__init__(store, workload, token=token, **ports)
        self._slots = SparseSlots(store, f"log/{workload}", token, lambda: self.stride)  # type: ignore[assignment]

    def _parse(self, records: tuple[Record, ...]) -> None:
        self._entries.clear()
        self._fold = Fold()
        super()._parse(records)
