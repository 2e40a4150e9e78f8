"""One destination's worker: ships the spool's entries there, newest first, and never holds another destination up.

Meeting a seal ends the term of what was shipped, and those before it, everywhere: their pending entries are refused,
entries of later terms go on. Trouble is recorded in the status and tried again; it never ends the worker.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import structlog

from replicator.errors import (
    BaseGone,
    CheckpointTorn,
    HeightTaken,
    NotOpen,
    ReplicatorError,
    RepositoryUnknown,
    Sealed,
    SourceChanged,
    StoreError,
)
from replicator.model import CommitId
from replicator.repository.packs import PACK_BYTES
from replicator.repository.progress import KeptProgress
from replicator.repository.ship import ship
from replicator.service.spool import COMMITTED
from replicator.stores.meter import Meter

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Sequence

    from replicator.log.replay import Accepted
    from replicator.repository.repository import Repository
    from replicator.service.attestation import Attestation
    from replicator.service.spool import Entry, Spool

_log = structlog.get_logger("replicator")
_MAX_PENDING = 4
_PACKS = 40
_LEAST_PACK = 256 * 1024
_LOOK_S = 0.2
_PROBE_S = 15.0
"""An idle destination is asked so often whether it is there."""


@dataclass(slots=True)
class DestinationStatus:
    """What a destination's worker has done, for the status file."""

    committed: int = 0
    refused: int = 0
    skipped: int = 0
    last_step: int | None = None
    last_commit: str | None = None
    last_saved_at: float | None = None
    committed_at: float | None = None
    raw_bytes: int = 0
    shipped_bytes: int = 0
    last_receipt_at: float | None = None
    trouble: str | None = None


def _new_meter() -> Meter:
    return Meter(time.time)


@dataclass(slots=True)
class Shipping:
    """A worker for one workload and one destination. `on_sealed(term, why)` ends the terms up to that one.

    `workload`: whose log says at the start what the destination holds already; None: that is not asked.
    """

    repository: Repository
    spool: Spool
    wake: threading.Event
    on_sealed: Callable[[int, str], None]
    retry_s: float = 1.0
    status: DestinationStatus = field(default_factory=DestinationStatus)
    workload: str | None = None
    meter: Meter = field(default_factory=_new_meter)
    attestation: Attestation | None = None
    rolled_back: Callable[[], str | None] = lambda: None
    """Why nothing may be written there."""
    pack_bytes: Callable[[], int] | None = None
    """How large the next pack may be; None: as usual."""
    extend: Callable[[], None] | None = None
    """Makes locks longer, where what lies there is locked."""
    sending: CommitId | None = None
    """What is on its way now."""
    sending_saved_at: float = 0.0
    sent_before: int = 0
    """Bytes sent before it."""
    _asked_at: float = 0.0

    def run(self, stop: threading.Event) -> None:
        while not stop.is_set():
            self.wake.wait(_LOOK_S if self._awaited else self.retry_s)
            self.wake.clear()
            try:
                self._catch_up()
                self.ship_pending(stop)
                self._attest()
                self._probe()
                if self.extend is not None:
                    self.extend()
            except (ReplicatorError, OSError) as error:
                self._trouble(error)
                _log.error("shipping failed", destination=self.repository.name, why=str(error))

    @property
    def _awaited(self) -> bool:
        """Whether a save waits for a receipt from here."""
        return self.attestation is not None and self.attestation.urgent and self.attestation.waits

    def _catch_up(self) -> None:
        """Take over from the log what the destination holds since before this process."""
        if self.workload is None:
            return
        sound = [a for a in self.repository.log(self.workload).view().in_order() if not a.what.suspect]
        if sound and self.status.last_step is None:
            what = sound[-1].what
            self.status.last_step, self.status.last_saved_at, self.status.last_commit = (
                what.step, what.saved_at, str(what.id()),
            )  # fmt: skip
        self.workload = None

    def _attest(self) -> None:
        attestation = self.attestation
        if attestation is None:
            return
        if attestation.urgent:
            self._expect_again(attestation)
        sealed = attestation.look()
        self.status.last_receipt_at = attestation.newest_at
        if sealed is not None:
            self.on_sealed(*sealed)

    def _expect_again(self, attestation: Attestation) -> None:
        """After a restart: what was committed before it, and whose receipts were not seen."""
        name = self.repository.name
        for entry in self.spool.entries():
            commit = CommitId(entry.push.term, entry.push.height)
            if commit not in attestation.attested and entry.marks().get(name) == COMMITTED:
                accepted = self.repository.log(entry.push.workload).view().accepted.get(commit)
                if accepted is not None:
                    attestation.expect(accepted)

    def _probe(self) -> None:
        """Ask an idle destination whether it is there, so that one that went is known before it is needed."""
        now = time.monotonic()
        if now - self._asked_at < _PROBE_S:
            return
        self._asked_at = now
        try:
            self.repository.format()
        except (ReplicatorError, OSError) as error:
            self._trouble(error)

    def _trouble(self, error: ReplicatorError | OSError) -> None:
        self.status.trouble = str(error)
        if not isinstance(error, StoreError):  # those the store's meter counts
            self.meter.failed(type(error).__name__)

    def ship_pending(self, stop: threading.Event) -> None:
        """Ship what is pending here. What an unreachable destination misses stays pending."""
        name = self.repository.name
        if (why := self.rolled_back()) is not None:
            self.status.trouble = f"{self.repository.store.url} was rolled back: {why}"
            return
        wanted, late = choose(self.spool.pending(name))
        if not wanted:
            self.status.trouble = None
        for entry in wanted:
            if name in entry.marks():
                continue
            if stop.is_set() or not self._ship(entry):
                break
        for entry in late:
            entry.mark(name, "skipped: newer checkpoints were waiting")
            self.status.skipped += 1
            _log.warning("checkpoint skipped", destination=name, step=entry.push.step, why="newer ones were waiting")

    def _ship(self, entry: Entry) -> bool:
        self.sending_saved_at, self.sent_before = entry.push.saved_at, self.meter.sent_bytes
        self.sending = CommitId(entry.push.term, entry.push.height)
        try:
            return self._ship_one(entry)
        finally:
            self.sending = None

    def _ship_one(self, entry: Entry) -> bool:
        name, push = self.repository.name, entry.push
        try:
            snapshot = self.spool.snapshot(entry)
            accepted = ship(push, snapshot, self.repository, self._progress(entry, snapshot.size_bytes))
        except HeightTaken as error:
            _log.error("height taken by somebody else", destination=name, step=push.step, why=str(error))
            return self._ship_renumbered(entry)
        except Sealed as error:
            entry.mark(name, f"refused: {error}")
            self.on_sealed(push.term, str(error))
            self.status.refused += 1
            _log.warning("commit refused", destination=name, step=push.step, term=push.term, why=str(error))
            return True
        except (BaseGone, SourceChanged, CheckpointTorn) as error:
            entry.mark(name, f"given up: {error}")
            self.meter.failed(type(error).__name__)
            _log.warning("checkpoint given up", destination=name, step=push.step, why=str(error))
            return True
        except (ReplicatorError, OSError) as error:
            return self._goes_on_after(error, entry)
        if accepted is not None:
            self._done(entry, accepted)
        return True

    def _progress(self, entry: Entry, size_bytes: int) -> KeptProgress:
        """No pack is more than a fortieth of the checkpoint: what a kill costs is one pack that was on its way."""
        share = max(_LEAST_PACK, size_bytes // _PACKS)
        wanted = self.pack_bytes
        return KeptProgress(
            entry.folder / f"packs-{self.repository.name}",
            lambda: min(PACK_BYTES if wanted is None else wanted(), share),
        )

    def _goes_on_after(self, error: ReplicatorError | OSError, entry: Entry) -> bool:
        """Whether the error is only that the entry went meanwhile; else it is recorded, and tried again later."""
        if not entry.folder.is_dir():
            return True
        self._trouble(error)
        ready = not isinstance(error, (StoreError, NotOpen, RepositoryUnknown))
        say, what = (_log.error, "shipping failed") if ready else (_log.info, "destination not ready")
        say(what, destination=self.repository.name, step=entry.push.step, why=str(error))
        return False

    def _ship_renumbered(self, entry: Entry) -> bool:
        """Ship it as a new push, which goes everywhere, so that its new id names one content at all destinations."""
        try:
            heads = self.repository.log(entry.push.workload).view().heads()
            made = self.spool.renumber(entry, heads.get(str(entry.push.term), 0), self.repository.token)
        except (ReplicatorError, OSError) as error:
            return self._goes_on_after(error, entry)
        return made is None or self._ship(made)

    def _done(self, entry: Entry, accepted: Accepted) -> None:
        push, status, shipped_bytes = entry.push, self.status, accepted.where.shipped_bytes
        if self.attestation is not None:
            self.attestation.expect(accepted)
        entry.mark(self.repository.name, COMMITTED)
        status.committed += 1
        status.trouble = None
        status.raw_bytes += accepted.what.size_bytes
        status.shipped_bytes += shipped_bytes
        status.committed_at = time.time()
        if not push.findings and (status.last_saved_at is None or push.saved_at >= status.last_saved_at):
            status.last_step, status.last_saved_at = push.step, push.saved_at
            status.last_commit = f"{push.term}.{push.height}"
        _log.info(
            "committed", destination=self.repository.name, workload=push.workload, step=push.step,
            commit=f"{push.term}.{push.height}", shipped_bytes=shipped_bytes, saved_at=push.saved_at,
            findings=[finding.reason for finding in push.findings],
        )  # fmt: skip


def choose(pending: Sequence[Entry]) -> tuple[list[Entry], list[Entry]]:
    """(ship, skip) of what waits, newest first: the newest few, and the newest sound one however old it is."""
    sound = next((entry for entry in pending if not entry.push.findings), None)
    late = [entry for entry in pending[_MAX_PENDING:] if entry is not sound]
    return [entry for entry in pending if entry not in late], late
