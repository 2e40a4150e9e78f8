"""Negative controls: planted faults, each of which must make the demo end with an error that names it.

They show that the demo's checks can fail. Nothing outside the demo's own folder is touched.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from replicator.log.workload import Slot, WorkloadLog
from replicator.repository.repository import Repository

if TYPE_CHECKING:
    from pathlib import Path

Break = Literal["verify", "seal", "restore", "reference"]


class SeallessLog(WorkloadLog):
    """A log whose `seal` says that it sealed and does nothing."""

    def seal(self, term: int, *, reason: str, operation: str | None = None) -> Slot:
        del term, reason, operation
        return self.slot(self.view().slots)


class SeallessRepository(Repository):
    """A repository in which nothing gets sealed."""

    def log(self, workload: str) -> WorkloadLog:
        if workload not in self._logs:
            self._logs[workload] = SeallessLog(
                self.store, workload, clock=self.clock, token=self.token, notary=self.notary
            )
        return self._logs[workload]


def sealless(repository: Repository) -> Repository:
    return SeallessRepository(
        repository.name, repository.store, clock=repository.clock, token=repository.token, keys=repository.keys,
        memory=repository.memory,
    )  # fmt: skip


def damage_packs(store: Path) -> int:
    """Flip one byte in the middle of every pack of a local repository. Returns how many."""
    packs = [path for path in (store / "packs").rglob("*") if path.is_file()]
    for path in packs:
        body = bytearray(path.read_bytes())
        body[len(body) // 2] ^= 0xFF
        path.write_bytes(bytes(body))
    return len(packs)
