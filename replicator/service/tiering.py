"""The service's keeper of tiers: looks now and then, and moves what is to move, unattended."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from replicator.errors import ReplicatorError
from replicator.repository.repository import Repository
from replicator.repository.tiering import carry_out, look, tidy
from replicator.service.config import Destination
from replicator.service.immutable import open_destination

if TYPE_CHECKING:
    import threading
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from replicator.crypto.keyring import Keyring
    from replicator.retention.tiers import Tier


def open_tier(tier: Tier, keys: Keyring | None, memory: Path | None = None) -> Repository:
    """The repository of a tier, with the storage class that it declares. LockRefused where its store has no such."""
    store = open_destination(Destination(name=tier.name, url=tier.url, storage_class=tier.storage_class))
    return Repository(tier.name, store, keys=keys, memory=memory)


_log = structlog.get_logger("replicator")


@dataclass(slots=True)
class Tiering:
    """Of one site. `repositories` by tier, opened for this thread alone: logs are for one at a time."""

    tiers: Sequence[Tier]
    repositories: Mapping[str, Repository]
    workloads: Sequence[str]
    verifier: str
    grace_s: float
    every_s: float
    moved: int = 0
    trouble: str | None = None

    def run(self, stop: threading.Event) -> None:
        while not stop.is_set():
            self.trouble = None
            for workload in self.workloads:
                try:
                    self.look(workload)
                except (ReplicatorError, OSError) as error:
                    self.trouble = str(error)
                    _log.warning("tiers stay as they are", workload=workload, why=str(error))
            stop.wait(self.every_s)

    def look(self, workload: str) -> None:
        tidy(self.tiers, self.repositories, workload)
        first = self.repositories[self.tiers[0].name]
        if not first.log(workload).view().writable:
            return
        placement = look(self.tiers, self.repositories, workload, first.clock())
        for each in carry_out(placement, self.repositories, workload, self.verifier, grace_s=self.grace_s):
            told = {
                "workload": workload,
                "commit": str(each.move.commit),
                "tier": each.move.target,
                "why": each.move.reason,
            }
            if each.why_not is None:
                self.moved += 1
                _log.info("copied to a tier" if each.move.do == "copy" else "left a tier", **told)
            else:
                _log.warning("not moved", why_not=each.why_not, **told)
