"""Putting a log back from a copy of it: record by record, byte for byte, only where each links to the one before.

A mirror is a copy of the same log (of a bucket, a snapshot, a backup): its records name those before them by digest, so
that what a mirror adds is either what was there or is refused. Another repository's log is none: its records link to
others. Nothing that can be read is ever replaced; a record that cannot be read is, where its successor, or a head seen
before, names the digest of what belongs there.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from replicator.errors import KeyMissing, RecordCorrupt, RolledBack
from replicator.log.claim import claim
from replicator.log.notary import UNSIGNED
from replicator.log.records import decode, digest, record_of
from replicator.log.slots import slot_key

if TYPE_CHECKING:
    from collections.abc import Iterable

    from replicator.log.notary import Notary
    from replicator.repository.heads import Head
    from replicator.stores.store import ObjectStore


@dataclass(slots=True)
class PutBack:
    """What was written: slots of the log, and keys of receipts."""

    slots: list[int] = field(default_factory=list[int])
    receipts: list[str] = field(default_factory=list[str])


def read_raw(store: ObjectStore, prefix: str) -> list[bytes]:
    """The bytes of every record of a log, unchecked."""
    found: list[bytes] = []
    while True:
        try:
            found.append(store.get(slot_key(prefix, len(found) + 1)))
        except KeyMissing:
            return found


def sound(records: list[bytes], prefix: str, notary: Notary = UNSIGNED) -> int:
    """How many records, from the first on, can be read, are signed as they must be, and follow each other."""
    previous: str | None = None
    for n, stored in enumerate(records, 1):
        try:
            opened = notary.open(stored, f"{prefix}/{n}")
            record = record_of(opened.payload, digest(stored), prefix, n, opened.signer)
        except RecordCorrupt:
            return n - 1
        if record.previous != previous:
            return n - 1
        previous = record.digest
    return len(records)


def put_back_log(
    store: ObjectStore, mirror: ObjectStore, workload: str, known: Iterable[Head], notary: Notary = UNSIGNED
) -> list[int]:
    """Write the records that `mirror` has and `store` lacks, or cannot read; their slots. `notary` judges the mirror's.

    RolledBack where the mirror's log is another one, or continues otherwise: a person decides then.
    """
    prefix = f"log/{workload}"
    theirs, ours = read_raw(mirror, prefix), read_raw(store, prefix)
    theirs = theirs[: sound(theirs, prefix, notary)]
    proven = {head.n: head.digest for head in known}
    for n, stored in enumerate(theirs, 1):
        if n < len(theirs):
            proven.setdefault(n, digest(stored))
    if not theirs or (ours and sound(ours, prefix, notary) and ours[0] != theirs[0]):
        raise RolledBack(f"{mirror.url}: its log of {workload} is no copy of that in {store.url}", hint=_OTHER)
    written: list[int] = []
    for n, stored in enumerate(theirs, 1):
        if n <= len(ours) and ours[n - 1] == stored:
            continue
        if n <= len(ours):
            _require_unreadable(ours, n, prefix, mirror.url)
            if proven.get(n) != digest(stored):
                raise RolledBack(f"{store.url}: {prefix}/{n} cannot be read, and nothing proves what belongs there")
            _require_same_end(store, slot_key(prefix, n), ours[n - 1])
            store.delete(slot_key(prefix, n))
        elif _holds(store, slot_key(prefix, n), stored):
            continue
        outcome = claim(store, slot_key(prefix, n), stored)
        if not outcome.ours:
            raise RolledBack(f"{store.url}: {prefix}/{n} was written by another meanwhile", hint=_OTHER)
        written.append(n)
    return written


_OTHER = "Only a copy of the same log can put it back. Keep this repository aside, and ship to a new one from a peer."


def _require_unreadable(ours: list[bytes], n: int, prefix: str, mirror: str) -> None:
    try:
        record = decode(ours[n - 1], prefix, n)
    except RecordCorrupt:
        return
    raise RolledBack(
        f"{prefix}/{n} ({record.kind}) is another record than in {mirror}: the logs went apart", hint=_OTHER
    )


def _holds(store: ObjectStore, key: str, stored: bytes) -> bool:
    """Whether a record behind a gap is there."""
    try:
        return store.get(key) == stored
    except KeyMissing:
        return False


def _require_same_end(store: ObjectStore, key: str, seen: bytes) -> None:
    if store.get(key) != seen:
        raise RecordCorrupt(
            f"{store.url}: {key} reads otherwise each time", hint="Check the store before repairing it."
        )


def put_back_receipts(store: ObjectStore, mirror: ObjectStore, workload: str, notary: Notary = UNSIGNED) -> list[str]:
    """Write the receipts that `mirror` has and `store` lacks, each verifier's in order; their keys.

    Only the sound beginning of each verifier's words is taken, as of a log. Where a verifier said something else since, its
    words here stay alone: what does not follow them would block them.
    """
    written: list[str] = []
    for prefix in sorted({key.rpartition("/")[0] for key in mirror.list(f"receipts/{workload}")}):
        ours = read_raw(store, prefix)
        theirs = read_raw(mirror, prefix)
        for n, stored in enumerate(theirs[: sound(theirs, prefix, notary)], 1):
            key = slot_key(prefix, n)
            if (ours[n - 1] if n <= len(ours) else claim(store, key, stored).found) != stored:
                break
            if n > len(ours):
                written.append(key)
    return written
