"""What a site's replicator does for its own repository: verify what arrives, and let go of what is old."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import structlog

from replicator.errors import ReplicatorError
from replicator.repository.packs import manifest_key, pack_key
from replicator.repository.retain import drop_entry, removable, retain
from replicator.repository.ruling import is_suspect
from replicator.repository.verify import verify

if TYPE_CHECKING:
    import threading

    from replicator.log.entries import Drop
    from replicator.log.replay import Accepted, LogView
    from replicator.repository.repository import Repository

_log = structlog.get_logger("replicator")
_DEMANDED = ("stored", "decoded")


@dataclass(slots=True)
class Keeping:
    """Verifier and keeper of one workload in the repository at this site. The keeper's is the only hand that deletes."""

    repository: Repository
    workload: str
    verifier: str
    keep: int
    grace_s: float
    poll_s: float
    verified: int = 0
    failed: int = 0
    trouble: str | None = None
    _judged: set[int] = field(default_factory=set[int])
    _removed: set[str] = field(default_factory=set[str])

    def run(self, stop: threading.Event) -> None:
        while not stop.wait(self.poll_s):
            try:
                self.verify_new(stop)
                self.let_go()
                self.trouble = None
            except (ReplicatorError, OSError) as error:
                self.trouble = str(error)
                _log.warning("keeping failed", repository=self.repository.name, why=str(error))

    def verify_new(self, stop: threading.Event) -> None:
        """Write receipts for commits that have none of ours, newest first."""
        view = self.repository.log(self.workload).view()
        for accepted in reversed(view.in_order()):
            if accepted.slot in self._judged or stop.is_set():
                continue
            verdicts = verify(self.repository, self.workload, accepted, self.verifier)
            self._judged.add(accepted.slot)
            self.verified += 1
            for verdict in verdicts:
                if not verdict.ok:
                    self.failed += 1
                    _log.error(
                        "checkpoint damaged", repository=self.repository.name, step=accepted.what.step,
                        level=verdict.level, why=verdict.reason,
                    )  # fmt: skip

    def let_go(self) -> None:
        """Drop by winning a slot; remove bytes after the grace."""
        log = self.repository.log(self.workload)
        if log.view().writable:
            log.append(self._decide_drop)
        now = self.repository.clock()
        view = log.view()
        others = [self.repository.log(name).view() for name in self.repository.workloads() if name != self.workload]
        packs, manifests = removable(view, others, now)
        for key in sorted([pack_key(name) for name in packs] + [manifest_key(name) for name in manifests]):
            if key not in self._removed:
                self.repository.store.delete(key)
                self._removed.add(key)

    def _decide_drop(self, view: LogView) -> Drop | None:
        if not view.writable:
            return None
        decision = retain(view, keep=self.keep, attested=self._attested, proved=self._proved, suspect=self._suspect)
        return drop_entry(decision, term=view.term, bytes_after=self.repository.clock() + self.grace_s)

    def _attested(self, accepted: Accepted) -> bool:
        """A checkpoint that was tried and found to be another is none to fall back on."""
        receipts = self.repository.receipts
        if not all(receipts.levels(self.workload, accepted.slot, _DEMANDED).values()):
            return False
        word = receipts.verdict(self.workload, accepted.slot, "proved")
        return word is None or word.ok

    def _suspect(self, accepted: Accepted) -> bool:
        return is_suspect(self.repository, self.workload, accepted)

    def _proved(self, accepted: Accepted) -> bool:
        return self.repository.receipts.levels(self.workload, accepted.slot, ("proved",))["proved"]
