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
from replicator.repository.ship import ship

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Sequence

    from replicator.repository.repository import Repository
    from replicator.service.spool import Entry, Spool

_log = structlog.get_logger("replicator")
_MAX_PENDING = 4


@dataclass(slots=True)
class DestinationStatus:
    """What a destination's worker has done, for the status file."""

    committed: int = 0
    refused: int = 0
    last_step: int | None = None
    last_commit: str | None = None
    last_saved_at: float | None = None
    committed_at: float | None = None
    shipped_bytes: int = 0
    trouble: str | None = None


@dataclass(slots=True)
class Shipping:
    """A worker for one workload and one destination. `on_sealed(term, why)` ends the terms up to that one."""

    repository: Repository
    spool: Spool
    wake: threading.Event
    on_sealed: Callable[[int, str], None]
    retry_s: float = 1.0
    status: DestinationStatus = field(default_factory=DestinationStatus)

    def run(self, stop: threading.Event) -> None:
        while not stop.is_set():
            self.wake.wait(self.retry_s)
            self.wake.clear()
            try:
                self.ship_pending(stop)
            except (ReplicatorError, OSError) as error:
                self.status.trouble = str(error)
                _log.error("shipping failed", destination=self.repository.name, why=str(error))

    def ship_pending(self, stop: threading.Event) -> None:
        """Ship what is pending here. What an unreachable destination misses stays pending."""
        name = self.repository.name
        wanted, late = choose(self.spool.pending(name))
        if not wanted:
            self.status.trouble = None
        for entry in late:
            entry.mark(name, "skipped: newer checkpoints were waiting")
        for entry in wanted:
            if name in entry.marks():
                continue
            if stop.is_set() or not self._ship(entry):
                return

    def _ship(self, entry: Entry) -> bool:
        name, push = self.repository.name, entry.push
        try:
            accepted = ship(push, self.spool.snapshot(entry), self.repository)
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
            _log.warning("checkpoint given up", destination=name, step=push.step, why=str(error))
            return True
        except (ReplicatorError, OSError) as error:
            return self._goes_on_after(error, entry)
        if accepted is not None:
            self._done(entry, accepted.where.shipped_bytes)
        return True

    def _goes_on_after(self, error: ReplicatorError | OSError, entry: Entry) -> bool:
        """Whether the error is only that the entry went meanwhile; else it is recorded, and tried again later."""
        if not entry.folder.is_dir():
            return True
        self.status.trouble = str(error)
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

    def _done(self, entry: Entry, shipped_bytes: int) -> None:
        push, status = entry.push, self.status
        entry.mark(self.repository.name, "committed")
        status.committed += 1
        status.trouble = None
        status.shipped_bytes += shipped_bytes
        status.committed_at = time.time()
        if status.last_step is None or push.step >= status.last_step:
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
