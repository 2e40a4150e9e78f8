"""A log of create-only slots: dense from 1, each record linked to the one before by its digest.

A slot is taken only after everything below it was read; who loses it reads the winner and decides anew. The end
is found by GET, never by LIST. A record that cannot be read blocks the log: it is never skipped (DESIGN, rule 2).
"""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from replicator.errors import KeyMissing, RecordCorrupt, TermRegressed
from replicator.log.claim import claim
from replicator.log.notary import UNSIGNED
from replicator.log.records import Record, digest, payload_of, record_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from replicator.log.notary import Notary
    from replicator.stores.store import ObjectStore


_FAR_S = 0.002


def _anybody(payload: Mapping[str, Any]) -> Iterable[str] | None:
    del payload
    return None


class SlotLog:
    """The log below `prefix` of a store. Keeps what it has read: records never change.

    `clock` gives unix seconds for the reader's eye; `token` gives a random attempt id; `sleep` waits between tries;
    `notary` signs and judges; `among` says of a payload whose keys may sign it, None where its role is enough;
    `at_once`: how many slots may be asked for side by side, once a few in a row were there; one after another where a store
    answers sooner than a thread begins.
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
        among: Callable[[Mapping[str, Any]], Iterable[str] | None] = _anybody,
        at_once: int = 1,
    ) -> None:
        self._store = store
        self._prefix = prefix
        self._clock = clock
        self._token = token
        self._sleep = sleep
        self._notary = notary
        self._among = among
        self._at_once = at_once
        self._known: list[Record] = []

    @property
    def name(self) -> str:
        return self._prefix

    def read(self) -> tuple[Record, ...]:
        """Every record there is now, in order. RecordCorrupt, StoreUnavailable."""
        width, full = 1, True
        while full:
            n = len(self._known) + 1
            began = time.perf_counter()
            found = self._found(n, width)
            far = width > 1 or time.perf_counter() - began > _FAR_S
            for stored in found:
                self._known.append(self._linked(stored, len(self._known) + 1))
            full, width = len(found) == width, min(width * 2, self._at_once) if far else 1
        return tuple(self._known)

    def _found(self, n: int, width: int) -> list[bytes]:
        """Slots from n on, at most `width`, up to the first that is not there. Trouble behind that one is nobody's."""
        if width == 1:
            try:
                return [self._store.get(slot_key(self._prefix, n))]
            except KeyMissing:
                return []
        with ThreadPoolExecutor(width, thread_name_prefix="slots") as pool:
            asked = [pool.submit(self._store.get, slot_key(self._prefix, n + each)) for each in range(width)]
        found: list[bytes] = []
        for each in asked:
            try:
                found.append(each.result())
            except KeyMissing:
                break
        return found

    @property
    def known(self) -> tuple[Record, ...]:
        """What was read or written so far."""
        return tuple(self._known)

    def record(self, n: int) -> Record:
        """Record n, read at most once. IndexError if the log ends before it."""
        return self._known[n - 1] if n <= len(self._known) else self.read()[n - 1]

    def append(
        self, decide: Callable[[tuple[Record, ...]], tuple[str, Mapping[str, Any]] | None], *, eager: bool = False
    ) -> Record | None:
        """Take the next slot with what `decide` makes of all records so far; decide anew whenever it is lost.

        `decide` returns (kind, body), or None when there is nothing left to write; it may raise to refuse.
        The result is the record written, or None. With `eager`, what is known already is all that is decided on at first,
        and the slot is tried for unread: a record of somebody else there makes it lost.
        """
        while True:
            records = tuple(self._known) if eager and self._known else self.read()
            decision = decide(records)
            if decision is None:
                return None
            kind, body = decision
            self._require_end(records)
            n = len(records) + 1
            previous = records[-1].digest if records else None
            payload = payload_of(self._prefix, n, previous, self._token(), kind, self._clock(), body)
            stored = self._notary.seal(payload, kind, among=self._among(payload))
            outcome = claim(self._store, slot_key(self._prefix, n), stored, sleep=self._sleep)
            record = self._linked(outcome.found, n)
            if len(self._known) < n:
                self._known.append(record)
            if outcome.ours:
                return record
            eager = False

    def _require_end(self, records: tuple[Record, ...]) -> None:
        """Nothing is written after a record that the store no longer has: that would leave a gap."""
        if not records:
            return
        last = records[-1]
        try:
            if digest(self._store.get(slot_key(self._prefix, last.n))) == last.digest:
                return
        except KeyMissing:
            pass
        raise TermRegressed(f"{self._store.url}: {self._prefix}/{last.n} is not there any more as it was read before")

    def _linked(self, stored: bytes, n: int) -> Record:
        opened = self._notary.open(stored, f"{self._prefix}/{n}")
        record = record_of(opened.payload, digest(stored), self._prefix, n, opened.signer)
        expected = self._known[n - 2].digest if n > 1 else None
        if record.previous != expected:
            raise RecordCorrupt(f"{self._store.url}: {self._prefix}/{n} does not follow slot {n - 1}")
        return record


def slot_key(prefix: str, n: int) -> str:
    """`prefix/` and n as 20 decimal digits."""
    return f"{prefix}/{n:020d}"
