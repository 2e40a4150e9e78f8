"""What a site's replicator does for its own repository: verify what arrives, and let go of what is old."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import structlog

from replicator.errors import ReplicatorError
from replicator.repository.compact import compact, usage_of
from replicator.repository.packs import manifest_key, pack_key
from replicator.repository.retain import drop_entry, removable
from replicator.repository.ruling import is_suspect
from replicator.repository.verify import verify
from replicator.retention.compaction import CompactionPolicy, plan_compaction
from replicator.retention.decide import Decision, retain
from replicator.retention.litter import LITTERED, MARGIN_S, Litter, litter
from replicator.retention.policy import Policy
from replicator.stores.aged import AgedStore, StagingStore, aged

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable

    from replicator.log.entries import Drop
    from replicator.log.replay import Accepted, LogView
    from replicator.model import CommitId
    from replicator.repository.repository import Repository

_log = structlog.get_logger("replicator")
_DEMANDED = ("stored", "decoded")
_NAMING = ("log/", "parts/", "receipts/")
"""Where keys name a workload next."""
SWEEP_EVERY_S = 3600.0
COMPACT_EVERY_S = 86400.0
DECIDE_EVERY_S = 30.0
"""How often it is decided anew what stays, where nothing was committed or verified meanwhile: time alone may change it."""


@dataclass(slots=True)
class Keeping:
    """Verifier and keeper of one workload in the repository at this site. The keeper's is the only hand that deletes."""

    repository: Repository
    workload: str
    verifier: str
    keep: int | Policy
    """How many checkpoints stay, or by which policy."""
    grace_s: float
    poll_s: float
    margin_s: float = MARGIN_S
    rolled_back: Callable[[], str | None] = lambda: None
    """Why nothing may be written there."""
    verified: int = 0
    failed: int = 0
    trouble: str | None = None
    compacts: CompactionPolicy | None = None
    """What is written anew, every day; None: nothing. It takes a recipient's key where the repository is encrypted."""
    compacted: int = 0
    _judged: dict[int, str] = field(default_factory=dict[int, str])
    """By slot, the manifest that was read."""
    swept: int = 0
    """Objects that nobody could need any more, and that were removed."""
    _named: set[str] = field(default_factory=set[str])
    """Every workload that was ever seen in the repository."""
    _removed: set[str] = field(default_factory=set[str])
    _swept_at: float | None = None
    _compacted_at: float | None = None
    _decided: tuple[int, int, float] = (0, 0, 0.0)
    """At which slot, with how many verified, and when it was last decided what stays."""

    def run(self, stop: threading.Event) -> None:
        while not stop.wait(self.poll_s):
            if (why := self.rolled_back()) is not None:
                self.trouble = f"{self.repository.store.url} was rolled back: {why}"
                continue
            try:
                self.repository.log(self.workload).require_writer()
                self.verify_new(stop)
                self.let_go()
                self.sweep()
                self.compact()
                self.trouble = None
            except (ReplicatorError, OSError) as error:
                self.trouble = str(error)
                _log.warning("keeping failed", repository=self.repository.name, why=str(error))

    def verify_new(self, stop: threading.Event) -> None:
        """Write receipts for commits that have none of ours, newest first."""
        view = self.repository.log(self.workload).view()
        for accepted in reversed(view.in_order()):
            manifest = accepted.where.manifest.digest
            if self._judged.get(accepted.slot) == manifest or stop.is_set():
                continue
            verdicts = verify(self.repository, self.workload, accepted, self.verifier)
            self._judged[accepted.slot] = manifest
            self.verified += 1
            for verdict in verdicts:
                if not verdict.ok:
                    self.failed += 1
                    _log.error(
                        "checkpoint damaged", repository=self.repository.name, step=accepted.what.step,
                        level=verdict.level, why=verdict.reason,
                    )  # fmt: skip

    @property
    def policy(self) -> Policy:
        return Policy(last=self.keep) if isinstance(self.keep, int) else self.keep

    def let_go(self) -> None:
        """Drop by winning a slot; remove bytes after the grace."""
        log = self.repository.log(self.workload)
        log.require_writer()
        view, now = log.view(), self.repository.clock()
        if self._is_due(view, now):
            log.append(self._decide_drop)
            self._decided = (view.slots, self.verified, now)
        view, now = log.view(), self.repository.clock()
        others = [self.repository.log(name).view() for name in self.repository.workloads() if name != self.workload]
        packs, manifests = removable(view, others, now, doubted=self._doubted(view))
        for key in sorted([pack_key(name) for name in packs] + [manifest_key(name) for name in manifests]):
            if key not in self._removed:
                self.repository.store.delete(key)
                self._removed.add(key)

    def _doubted(self, view: LogView) -> set[CommitId]:
        """Commits encoded anew whose encoding some verifier found damaged: what they had before stays."""
        waiting = {
            each.commit
            for each in view.replaced
            if manifest_key(each.where.manifest.digest) not in self._removed and each.commit in view.accepted
        }
        return {key for key in waiting if self.repository.receipts.damaged(self.workload, view.accepted[key].slot)}

    def compact(self) -> None:
        """Write anew what is worth it; every day. KeyAbsent where nobody here can read what is encrypted."""
        now = self.repository.clock()
        if self.compacts is None or (
            self._compacted_at is not None and 0 <= now - self._compacted_at < COMPACT_EVERY_S
        ):
            return
        view = self.repository.log(self.workload).view()
        if view.writable:
            plan = plan_compaction(view, usage_of(self.repository, view), self.compacts)
            if plan.rewrites:
                done = compact(self.repository, self.workload, plan, view, grace_s=self.grace_s)
                self.compacted += len(done.done)
                _log.info(
                    "compacted", repository=self.repository.name, workload=self.workload, checkpoints=len(done.done),
                    freed_bytes=plan.freed_bytes, written_bytes=done.written_bytes, left=done.left,
                )  # fmt: skip
        self._compacted_at = now

    def sweep(self) -> None:
        """Remove what pushes that never committed, void commits and killed writers left; every hour."""
        now = self.repository.clock()
        if self._swept_at is not None and 0 <= now - self._swept_at < SWEEP_EVERY_S:
            return
        self.repository.log(self.workload).require_writer()
        if isinstance(self.repository.store, AgedStore):
            for key in sorted(self.litter().keys):
                self.repository.store.delete(key)
                self.swept += 1
        if isinstance(self.repository.store, StagingStore):
            self.swept += self.repository.store.unstage(now - self.grace_s)
        self._swept_at = now

    def litter(self) -> Litter:
        """What may go now. What is made or committed meanwhile is newer than the `open` that the logs were read to.

        A listing may lack a workload's log: its name is looked for wherever it stands, and its log is read by GET.
        """
        store = self.repository.store
        objects = [each for kind in ("log", *LITTERED) for each in aged(store, kind)]
        keys = [*(each.key for each in objects), *store.list("log"), *store.list("receipts")]
        self._named |= {self.workload, *(key.split("/")[1] for key in keys if key.startswith(_NAMING))}
        return litter(
            objects,
            {name: self.repository.log(name).entries() for name in sorted(self._named)},
            grace_s=self.grace_s,
            margin_s=self.margin_s,
        )

    def _is_due(self, view: LogView, now: float) -> bool:
        slots, verified, at = self._decided
        return view.writable and (
            (view.slots, self.verified) != (slots, verified) or not 0 <= now - at < DECIDE_EVERY_S
        )

    def decide(self, view: LogView) -> Decision:
        """What stays and what goes, and why."""
        now = self.repository.clock()
        return retain(view, self.policy, now=now, attested=self._attested, proved=self._proved, suspect=self._suspect)

    def _decide_drop(self, view: LogView) -> Drop | None:
        if not view.writable:
            return None
        return drop_entry(self.decide(view), term=view.term, bytes_after=self.repository.clock() + self.grace_s)

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
