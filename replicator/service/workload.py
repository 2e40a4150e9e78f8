"""One watched workload of a site's service: who writes it, what is new, and its workers.

It is written only while the newest `open` of its own site's log names this site, in that term. Losing sight of anything
never deletes anything.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from replicator.errors import ReplicatorError, RepositoryUnknown, StoreError
from replicator.log.lineage import began_from
from replicator.repository.ruling import newest_sound
from replicator.service.objective import Save, Standing
from replicator.service.sizes import size_of

if TYPE_CHECKING:
    import threading

    from replicator.log.replay import LogView
    from replicator.repository.repository import Repository
    from replicator.service.acknowledging import Acknowledging
    from replicator.service.config import WatchedWorkload
    from replicator.service.intake import Intake
    from replicator.service.keeping import Keeping
    from replicator.service.shipping import Shipping
    from replicator.service.spool import Entry, Spool

_log = structlog.get_logger("replicator")
_HISTORY = 3
_SAVES = 8


@dataclass(slots=True)
class Workload:
    """One watched workload and its workers. `ended_term`: the last term in which this writer met a seal.

    `peers` are the destinations as the main thread reads them, to number after a lost spool.
    """

    watched: WatchedWorkload
    own: Repository
    peers: list[Repository]
    intake: Intake
    spool: Spool
    shippers: list[Shipping]
    keeping: Keeping
    wake: list[threading.Event]
    acknowledging: Acknowledging
    ended_term: int = 0
    why: str | None = None
    term: int = 0
    role: str = "unknown"
    trouble: str | None = None
    primed: bool = False
    saves: tuple[float, ...] = ()
    """When the newest sound checkpoints were saved (unix s), as far as the own log and the spool say."""
    newest: Save | None = None
    """The newest sound save that is known."""
    pins: tuple[str, ...] = ()
    """Names of the pins in the own log."""
    looked_at: float | None = None
    """When the own log could last be read (unix s)."""

    def look(self) -> None:
        """One round: who writes, what is new, what can go."""
        view = self.own.log(self.watched.name).view()
        self.looked_at = self.own.clock()
        self.pins = tuple(view.pins)
        self._know(view)
        self._date(view)
        self.acknowledging.look(view, self.shippers, self.ended_why)
        if self.role != "writer":
            return
        self._number()
        self._prime(view)
        opened, held = view.opened.get(self.term), [accepted.what for accepted in view.accepted.values()]
        if self.intake.look(self.term, held, began_from(opened) if opened is not None else None):
            for event in self.wake:
                event.set()
        self.spool.forget_delivered(
            (shipper.repository.name for shipper in self.shippers), owed=self.acknowledging.owed
        )

    def _know(self, view: LogView) -> None:
        opened = view.opened.get(view.term)
        self.term = view.term
        self.spool.born(view.term)
        writes = opened is not None and view.writable and opened.writer == self.own.name
        self.role = "writer" if writes and view.term > self.ended_term else "standby"

    def _date(self, view: LogView) -> None:
        """Note when saves were made, wherever they are."""
        found = {a.what.saved_at: a.what.step for a in view.accepted.values() if not a.what.suspect}
        found |= {e.push.saved_at: e.push.step for e in self.spool.entries() if not e.push.findings}
        if self.newest is not None:
            found.setdefault(self.newest.saved_at, self.newest.step)
        self.saves = tuple(sorted({*self.saves, *found})[-_SAVES:])
        self.newest = max((Save(step, at) for at, step in found.items()), key=lambda save: save.saved_at, default=None)

    def acknowledges(self, entry: Entry) -> bool:
        """Whether a save may wait for the entry at the near site."""
        return self.acknowledging.waits(entry)

    def standing(self, shipper: Shipping, pending: list[Entry]) -> Standing:
        """How one destination stands; `pending` waits for it, newest first."""
        status, meter = shipper.status, shipper.meter
        held = None
        if status.last_saved_at is not None:
            held = Save(status.last_step or 0, status.last_saved_at)
        ratio = status.shipped_bytes / status.raw_bytes if status.raw_bytes else 1.0
        waiting: list[Save] = []
        for entry in pending:
            if not entry.push.findings:
                left = size_of(entry) * ratio
                if shipper.sending == (entry.push.term, entry.push.height):
                    left = max(0.0, left - (meter.sent_bytes - shipper.sent_before))
                waiting.append(Save(entry.push.step, entry.push.saved_at, left))
        whole = max((save.left_bytes for save in waiting), default=0.0)
        if not whole and status.committed:
            whole = status.shipped_bytes / status.committed
        return Standing(held, tuple(waiting), meter.rate_bytes_per_s, whole)

    def _number(self) -> None:
        """With a spool that is younger than the term, go on above what any destination holds of it."""
        if self.spool.numbers(self.term):
            return
        highest = 0
        for peer in self.peers:
            try:
                peer.format()
                heads = peer.log(self.watched.name).view().heads()
            except (StoreError, RepositoryUnknown) as error:
                raise ReplicatorError(
                    f"term {self.term} began before this spool, and {peer.name} cannot say what was numbered: {error}",
                    hint=f"Bring {peer.name} back, or take it out of the configuration.",
                ) from error
            highest = max(highest, heads.get(str(self.term), 0))
        self.spool.number_above(self.term, highest)

    def _prime(self, view: LogView) -> None:
        if self.primed:
            return
        for accepted in newest_sound(self.own, self.watched.name, view, _HISTORY, below=_behind(view)):
            try:
                for tensors in self.own.tensors([accepted]):
                    self.intake.remember(accepted.what.id(), accepted.what.step, tensors)
            except ReplicatorError as error:
                _log.warning("history not read", step=accepted.what.step, why=str(error))
        self.primed = True

    @property
    def ended_why(self) -> str | None:
        """Why the current term ended for this writer; None while it goes on."""
        return self.why if self.term <= self.ended_term else None

    def sealed(self, term: int, why: str) -> None:
        """Terms up to `term` are over. A later one that is open here is not touched."""
        if self.ended_term < term:
            _log.warning("writer sealed", workload=self.watched.name, term=term, why=why)
            self.why, self.ended_term = why, term
        if self.term <= self.ended_term:
            self.role = "standby"
        self.spool.refuse(term, [shipper.repository.name for shipper in self.shippers], why)


def _behind(view: LogView) -> float:
    """Steps below this one are behind the run of the open term; those above it, another run made."""
    opened = view.opened.get(view.term)
    began = began_from(opened) if opened is not None else None
    if began is None or began not in view.accepted:
        return math.inf
    made = [each.what.step for key, each in view.accepted.items() if key.term == view.term]
    return max([view.accepted[began].what.step, *made]) + 1
