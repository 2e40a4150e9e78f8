"""What each workload's newest checkpoint needs of a machine, as `restore --explain` reads it.

The log's few words are enough where no standby has GPUs; where one has, the manifest and `versions.json` beside the checkpoint
are read, once for each checkpoint.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from replicator.errors import ReplicatorError
from replicator.repository.beside import require_beside
from replicator.versions.explain import versions_of, work_of
from replicator.versions.fit import Work

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from drstack.recovery.facts import CommitFact, Facts, WorkloadFact
    from replicator.model import Versions
    from replicator.repository.repository import Repository
    from replicator.versions.fit import Machine


class Fitting:
    """Remembers what it read of the newest checkpoint of each workload."""

    def __init__(self) -> None:
        self._read: dict[str, tuple[str, Work]] = {}

    def works(
        self, facts: Facts, repositories: Mapping[str, Repository], machines: Iterable[Machine | None]
    ) -> dict[str, Work]:
        """By workload; nothing of one without a checkpoint, or whose checkpoint says nothing of what made it."""
        deep = any(machine is not None and machine.gpus for machine in machines)
        found: dict[str, Work] = {}
        for name, each in facts.workloads.items():
            newest = _newest(each)
            if newest is None or (made_with := newest[1].versions) is None:
                continue
            site, commit = newest
            read = self._whole(repositories.get(site), name, commit) if deep else None
            found[name] = read or _from_log(made_with, commit.size_bytes)
        return found

    def _whole(self, repository: Repository | None, workload: str, commit: CommitFact) -> Work | None:
        """None where it cannot be read here, for want of a key, say: the log's words count then."""
        known = self._read.get(workload)
        if known is not None and known[0] == commit.root:
            return known[1]
        if repository is None:
            return None
        try:
            accepted = repository.log(workload).view().accepted.get(commit.id)
            if accepted is None:
                return None
            manifest = repository.manifest(accepted.where.manifest)
            require_beside(manifest, accepted)
            work = work_of(manifest, versions_of(repository, accepted))
            work = replace(work, state_bytes=work.state_bytes or commit.size_bytes)  # of files without known tensors
        except ReplicatorError:
            return None
        self._read[workload] = (commit.root, work)
        return work


def _newest(each: WorkloadFact) -> tuple[str, CommitFact] | None:
    found = [(r.name, commit) for r in each.repositories.values() for commit in r.newest[:1]]
    return max(found, key=lambda one: (one[1].id, one[0] != each.writer), default=None)


def _from_log(made_with: Versions, size_bytes: int) -> Work:
    dtypes = frozenset(made_with.dtype.split("+")) if made_with.dtype else frozenset[str]()
    return Work(state_bytes=size_bytes, dtypes=dtypes, world=made_with.world, gpus=made_with.gpus, cuda=made_with.cuda)
