"""One destination's worker: ships the spool's entries there, newest first, and never holds another destination up.

Meeting a seal ends this writer's term everywhere: every pending entry is refused, nothing more is offered.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import structlog

from replicator.errors import BaseGone, NotOpen, ReplicatorError, RepositoryUnknown, Sealed, SourceChanged, StoreError
from replicator.repository.ship import ship

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable

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
    """A worker for one workload and one destination."""

    repository: Repository
    spool: Spool
    wake: threading.Event
    on_sealed: Callable[[str], None]
    retry_s: float = 1.0
    status: DestinationStatus = field(default_factory=DestinationStatus)

    def run(self, stop: threading.Event) -> None:
        while not stop.is_set():
            self.wake.wait(self.retry_s)
            self.wake.clear()
            self.ship_pending(stop)

    def ship_pending(self, stop: threading.Event) -> None:
        """Ship what is pending here. What an unreachable destination misses stays pending."""
        pending = [entry for entry in self.spool.entries() if self.repository.name not in entry.marks()]
        for late in pending[_MAX_PENDING:]:
            late.mark(self.repository.name, "skipped: newer checkpoints were waiting")
        for entry in pending[:_MAX_PENDING]:
            if stop.is_set() or not self._ship(entry):
                return

    def _ship(self, entry: Entry) -> bool:
        name, push = self.repository.name, entry.push
        try:
            accepted = ship(push, self.spool.snapshot(entry), self.repository)
        except Sealed as error:
            entry.mark(name, f"refused: {error}")
            self.on_sealed(str(error))
            self.status.refused += 1
            _log.warning("commit refused", destination=name, step=push.step, term=push.term, why=str(error))
            return False
        except (BaseGone, SourceChanged) as error:
            entry.mark(name, f"given up: {error}")
            _log.warning("checkpoint given up", destination=name, step=push.step, why=str(error))
            return True
        except (StoreError, NotOpen, RepositoryUnknown) as error:
            self.status.trouble = str(error)
            _log.info("destination not ready", destination=name, step=push.step, why=str(error))
            return False
        except ReplicatorError as error:
            self.status.trouble = str(error)
            _log.error("shipping failed", destination=name, step=push.step, why=str(error))
            return False
        if accepted is not None:
            self._done(entry, accepted.where.shipped_bytes)
        return True

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
