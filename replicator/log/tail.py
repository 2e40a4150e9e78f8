"""A log of slots of which only the end matters: found without reading what lies before it.

Slots are dense and never removed, so that the end is found by doubling and halving, in a number of GETs that grows with
the logarithm of the log. The record found is judged like any other, and has to name the one before it; `follows` judges
it beside every earlier one that was read: the one before it, those on the way, and the last that was known. One whose key
was revoked says nothing (its kind is `REVOKED` then) and holds its slot.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from replicator.errors import KeyMissing, KeyRevoked, RecordCorrupt, TermRegressed
from replicator.log.claim import claim
from replicator.log.notary import UNSIGNED
from replicator.log.records import digest, open_envelope, payload_of, record_of
from replicator.log.slots import slot_key

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from replicator.log.notary import Notary
    from replicator.log.records import Record
    from replicator.stores.store import ObjectStore

REVOKED = "revoked"


def _anything(earlier: Record, last: Record) -> None:
    del earlier, last


class TailLog:
    """The log below `prefix` of a store, by its last record. Not for use by two threads at once.

    `follows` says why a record cannot stand after an earlier one; None where it can.
    """

    def __init__(
        self,
        store: ObjectStore,
        prefix: str,
        *,
        clock: Callable[[], float],
        token: Callable[[], str],
        sleep: Callable[[float], None] = time.sleep,
        notary: Notary = UNSIGNED,
        follows: Callable[[Record, Record], str | None] = _anything,
    ) -> None:
        self._store = store
        self._prefix = prefix
        self._clock = clock
        self._token = token
        self._sleep = sleep
        self._notary = notary
        self._follows = follows
        self._last: Record | None = None
        self._stored = b""

    def last(self) -> Record | None:
        """The last record there is now. RecordCorrupt, SignatureRefused, StoreUnavailable."""
        low = self._last.n if self._last is not None else 0
        read: dict[int, bytes] = {}
        step = 1
        while (found := self._get(low + step)) is not None:
            low, step = low + step, step * 2
            read[low] = found
        high = low + step
        while high - low > 1:
            middle = (low + high) // 2
            found = self._get(middle)
            if found is None:
                high = middle
            else:
                low = middle
                read[low] = found
        if read:
            self._take(read.pop(low), low, read)
        return self._last

    def append(self, decide: Callable[[Record | None], tuple[str, Mapping[str, Any]] | None]) -> Record | None:
        """Take the next slot with what `decide` makes of the last record; decide anew whenever it is lost.

        None if `decide` has nothing to write. TermRegressed if the last record is not there any more.
        """
        while True:
            last = self.last()
            decision = decide(last)
            if decision is None:
                return None
            kind, body = decision
            self._require_end(last)
            n = last.n + 1 if last is not None else 1
            previous = last.digest if last is not None else None
            payload = payload_of(self._prefix, n, previous, self._token(), kind, self._clock(), body)
            outcome = claim(self._store, slot_key(self._prefix, n), self._notary.seal(payload, kind), sleep=self._sleep)
            taken = self._take(outcome.found, n, {})
            if outcome.ours:
                return taken

    def _get(self, n: int) -> bytes | None:
        try:
            return self._store.get(slot_key(self._prefix, n))
        except KeyMissing:
            return None

    def _take(self, stored: bytes, n: int, read: dict[int, bytes]) -> Record:
        """The record is the last from now on. `read`: earlier ones that were read on the way to it."""
        record = self._judged(stored, n)
        if self._last is not None:
            read[self._last.n] = self._stored
        before = read.get(n - 1) if n > 1 else None
        if n > 1 and before is None:
            before = self._get(n - 1)
            if before is None:
                raise RecordCorrupt(f"{self._store.url}: {self._prefix}/{n - 1} is missing, and {n} is there")
            read[n - 1] = before
        if record.previous != (None if before is None else digest(before)):
            raise RecordCorrupt(f"{self._store.url}: {self._prefix}/{n} does not follow slot {n - 1}")
        for m in sorted(read, reverse=True):
            why = self._follows(self._judged(read[m], m), record)
            if why is not None:
                raise RecordCorrupt(f"{self._store.url}: {self._prefix}/{n}: {why}")
        self._last, self._stored = record, stored
        return record

    def _judged(self, stored: bytes, n: int) -> Record:
        where = f"{self._prefix}/{n}"
        try:
            opened = self._notary.open(stored, where)
            payload, signer = opened.payload, opened.signer
        except KeyRevoked:
            payload, signer = {**open_envelope(stored, where), "kind": REVOKED}, None
        return record_of(payload, digest(stored), self._prefix, n, signer)

    def _require_end(self, last: Record | None) -> None:
        """Nothing is written after a record that the store no longer has: that would leave a gap."""
        if last is None:
            return
        there = self._get(last.n)
        if there is None or digest(there) != last.digest:
            raise TermRegressed(
                f"{self._store.url}: {self._prefix}/{last.n} is not there any more as it was read before"
            )
