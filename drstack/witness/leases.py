"""Leases of writers: `leases/<workload>/<n>` on the witness, dense create-only slots (DESIGN, rule 7).

A `hold` says for how long its site may go on from before it sent it, by a clock of its own; a `take` ends it: the site
renews no more, and whoever took the slot waits that long, by a clock of its own, before it counts on the end. No clock
is ever compared with another's. Invariant: of one term only its writer holds, and nobody once it was taken, unless the
operation that took it has ended and left the writer as it was.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from drstack.errors import LeaseLost, OperationConflict
from drstack.witness.guard import guarded
from replicator.errors import RecordCorrupt
from replicator.log.tail import TailLog

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from replicator.log.records import Record
    from replicator.stores.store import ObjectStore

T = TypeVar("T")
HOLD, TAKE = "hold", "take"


@dataclass(frozen=True, slots=True)
class Lease:
    """The last record of a workload's leases. `for_s`: the longest that its holder may act from before it was sent.

    `for_s` of a `take` is what the lease that it ended had; None where nobody held one in that term.
    """

    n: int
    kind: str
    term: int
    for_s: float | None
    site: str | None = None
    """Who holds; None of a take."""
    operation: str | None = None
    """What took it."""
    at: float = 0.0
    """When it was written, unix seconds by the clock of whoever wrote it: for people, and never to decide by."""

    @property
    def taken(self) -> bool:
        return self.kind == TAKE


class LeaseLog:
    """The leases of one workload. Not for use by two threads at once."""

    def __init__(
        self,
        store: ObjectStore,
        environment: str,
        workload: str,
        *,
        clock: Callable[[], float],
        token: Callable[[], str],
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.workload = workload
        self._url = store.url
        prefix = f"{environment}/leases/{workload}"
        self._log = TailLog(store, prefix, clock=clock, token=token, sleep=sleep, follows=_fell)

    def last(self) -> Lease | None:
        """WitnessUnreachable, WitnessUnsound."""

        def read() -> Lease | None:
            record = self._log.last()
            return None if record is None else _lease(record)

        return self._guard(read)

    def hold(self, *, site: str, term: int, for_s: float, over: Callable[[str], bool]) -> Lease:
        """Renew, or begin to hold. `over`: whether an operation has ended that took the lease.

        LeaseLost where another holds or took it; WitnessUnreachable also where nobody can say whether it was written.
        """

        def decide(record: Record | None) -> tuple[str, Mapping[str, Any]]:
            last = None if record is None else _lease(record)
            if last is not None and (why := _bars(last, site, term, over)) is not None:
                raise LeaseLost(f"{self.workload}: {why}")
            return HOLD, {"site": site, "term": term, "for_s": for_s}

        return self._written(decide)

    def take(self, *, term: int, operation: str) -> Lease:
        """End the lease of `term`: its holder renews no more. What stands, where this operation took it before.

        OperationConflict where the lease is of a later term.
        """

        def decide(record: Record | None) -> tuple[str, Mapping[str, Any]] | None:
            last = None if record is None else _lease(record)
            if last is not None and last.term > term:
                raise OperationConflict(f"{self.workload}: the lease is of term {last.term} already")
            if last is not None and last.taken and (last.term, last.operation) == (term, operation):
                return None
            held = last.for_s if last is not None and last.term == term else None
            return TAKE, {"term": term, "operation": operation, "for_s": held}

        return self._written(decide)

    def _written(self, decide: Callable[[Record | None], tuple[str, Mapping[str, Any]] | None]) -> Lease:
        def write() -> Lease:
            record = self._log.append(decide) or self._log.last()
            if record is None:
                raise RecordCorrupt(f"{self._url}: leases/{self.workload}: a lease was written and is not there")
            return _lease(record)

        return self._guard(write)

    def _guard(self, call: Callable[[], T]) -> T:
        with guarded(self._url):
            return call()


def _bars(last: Lease, site: str, term: int, over: Callable[[str], bool]) -> str | None:
    """Why `site` may not hold in `term` after this record."""
    if last.term > term:
        return f"term {last.term} has begun, and {site} holds in term {term}"
    if last.term < term:
        return None
    if last.taken and not over(str(last.operation)):
        return f"operation {last.operation} took the lease of term {term}"
    if not last.taken and last.site != site:
        return f"{last.site} holds the lease of term {term}"
    return None


def _fell(earlier: Record, last: Record) -> str | None:
    before, now = _lease(earlier).term, _lease(last).term
    return f"it is of term {now}, and slot {earlier.n} before it of term {before}" if now < before else None


def _lease(record: Record) -> Lease:
    body = record.body
    try:
        told = body["for_s"]
        return Lease(
            record.n, record.kind, int(body["term"]), None if told is None else float(told), body.get("site"),
            body.get("operation"), record.at,
        )  # fmt: skip
    except (KeyError, TypeError, ValueError) as error:
        raise RecordCorrupt(f"lease {record.n} cannot be read: {error!r}") from error
