"""Requests for approval on the witness: a plan in slot 1, then whatever people said of it.

`approvals/<assignment>-<k>/<n>`, dense and create-only like everything there, found by GET from the assignment that the
plan was made on. Invariant: nothing here is judged; a record is kept as it was written, whoever wrote it.
"""

from __future__ import annotations

from threading import RLock
from typing import TYPE_CHECKING, Any

from drstack.witness.guard import guarded, object_in

if TYPE_CHECKING:
    from collections.abc import Mapping

    from replicator.log.records import Record
    from replicator.log.slots import SlotLog

Doc = dict[str, Any]
REQUEST = "request"
APPROVAL = "approval"


class Request:
    """The records of one request. For any thread."""

    def __init__(self, identity: str, log: SlotLog, *, url: str) -> None:
        self.identity = identity
        self._log = log
        self._url = url
        self._lock = RLock()

    def records(self) -> tuple[Record, ...]:
        """WitnessUnreachable, WitnessUnsound."""
        with guarded(self._url), self._lock:
            return self._log.read()

    def begin(self, asked: Mapping[str, Any]) -> bool:
        """Write what is asked as slot 1. False if another request stands there."""
        with guarded(self._url), self._lock:
            return self._log.append(lambda records: None if records else (REQUEST, asked)) is not None

    def asked(self) -> Doc:
        """What slot 1 holds: `kind`, `plan`, `by`, `at`."""
        return dict(self.records()[0].body)

    def add(self, envelope: Mapping[str, Any]) -> None:
        """Keep somebody's signed word."""
        with guarded(self._url), self._lock:
            self._log.append(lambda _: (APPROVAL, {"envelope": dict(envelope)}))

    def envelopes(self) -> list[tuple[int, Doc]]:
        """Slot and envelope of everything that was said, whatever it is."""
        told = self.records()[1:]
        return [(each.n, envelope) for each in told if (envelope := object_in(each.body, "envelope")) is not None]
