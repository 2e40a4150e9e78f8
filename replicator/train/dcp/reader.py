"""A DCP storage reader: what a load needs is fetched and checked on every rank before any rank loads any of it.

Invariant (DESIGN, rule 13): a file is opened by torch's loader only after its digest, and the manifest that names it,
matched the commit; `.metadata` besides only after the restricted reader took every class in it. All ranks fetch while
they plan, and DCP gathers all plans before the first reads: damage anywhere stops the load before any tensor changes.
"""

from __future__ import annotations

import os
from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING, cast

from blake3 import blake3
from torch.distributed.checkpoint.filesystem import FileSystemReader
from torch.distributed.checkpoint.storage import StorageReader

from replicator.errors import DataCorrupt, NothingToRestore, ReplicatorError
from replicator.formats.dcp_metadata import read_metadata as read_restricted
from replicator.formats.errors import FormatError
from replicator.formats.source import open_source
from replicator.repository import manifest as manifests
from replicator.repository.pinning import pinned
from replicator.repository.restore import read_block
from replicator.repository.select import select
from replicator.train.dcp.part import METADATA_NAME
from replicator.train.scratch import Scratch
from replicator.train.targets import log, open_repositories, say_if_plain

if TYPE_CHECKING:
    from pathlib import Path

    from torch.distributed.checkpoint.metadata import Metadata
    from torch.distributed.checkpoint.planner import LoadPlan, LoadPlanner
    from torch.futures import Future

    from replicator.log.replay import Accepted
    from replicator.repository.manifest import Manifest
    from replicator.repository.repository import Repository


class RepositoryReader(StorageReader):
    """Loads from a repository: `dcp.load(state, storage_reader=RepositoryReader(url, workload="gpt"))`.

    `checkpoint` is `latest`, `step:N` or `TERM.HEIGHT`. Each rank fetches whole files that hold something it needs, to
    `spool`, the system's temporary folder by default; they go when it has loaded. Any number of ranks may load what
    any other number saved.
    """

    def __init__(
        self, repo: str, *, workload: str, checkpoint: str = "latest", spool: str | os.PathLike[str] | None = None
    ) -> None:
        super().__init__()
        self._url = repo
        self._workload = workload
        self._selector = checkpoint
        self._spool = spool
        self._held = ExitStack()
        self._source: _Source | None = None

    @property
    def step(self) -> int:
        """The training step of the checkpoint. NothingToRestore."""
        return self._open().accepted.what.step

    @property
    def commit(self) -> str:
        """The checkpoint's name, TERM.HEIGHT. NothingToRestore."""
        return str(self._open().accepted.what.id())

    def reset(self, checkpoint_id: str | os.PathLike[str] | None = None) -> None:
        """Begin a load. A selector that moves (`latest`) is looked up once for the reader, so that `step` stays true."""
        if checkpoint_id is not None and str(checkpoint_id):
            self.close()
            self._source = None
            self._selector = os.fspath(checkpoint_id)

    def read_metadata(self) -> Metadata:  # pyright: ignore[reportIncompatibleMethodOverride]  # no rank's own: no kwargs
        source = self._open()
        source.fetch(METADATA_NAME)
        try:
            with open_source(source.folder, METADATA_NAME) as stored:
                read_restricted(stored)
        except FormatError as error:
            raise ReplicatorError(
                f"{self._url}: {self._workload} {source.accepted.what.id()}: `{METADATA_NAME}` is not unpickled: {error}",
                hint="Save with a planner that puts nothing but what DCP's own does there.",
            ) from error
        return source.torchs.read_metadata()

    def set_up_storage_reader(self, metadata: Metadata, is_coordinator: bool) -> None:  # pyright: ignore[reportIncompatibleMethodOverride]  # noqa: FBT001
        source = self._open()
        source.torchs.set_up_storage_reader(metadata, is_coordinator)
        if is_coordinator:
            held = self._held.enter_context(
                pinned(source.repository, self._workload, source.accepted, reason="loaded by torch DCP")
            )
            if not held:
                log.warning("no pin is held; a keeper may drop %s while it is read", self.commit)

    def prepare_local_plan(self, plan: LoadPlan) -> LoadPlan:
        source = self._open()
        try:
            for name in source.needed(plan):
                source.fetch(name)
        except BaseException:
            self._held.close()
            raise
        return replace(plan, storage_data=self.commit)

    def prepare_global_plan(self, plans: list[LoadPlan]) -> list[LoadPlan]:
        """The coordinator's: every rank has all it needs by now, and of the same checkpoint."""
        self._held.close()
        chosen = {cast("str", plan.storage_data) for plan in plans}
        if len(chosen) != 1:
            raise ReplicatorError(
                f"ranks chose different checkpoints of {self._workload}: {', '.join(sorted(chosen))}",
                hint='One was committed meanwhile: load again, or name it on all ranks, as checkpoint="TERM.HEIGHT".',
            )
        return plans

    def read_data(self, plan: LoadPlan, planner: LoadPlanner) -> Future[None]:
        source = self._open()
        for name in source.needed(plan):
            source.fetch(name)
        done = source.torchs.read_data(plan, planner)
        source.empty()
        return done

    def close(self) -> None:
        """Let go of what was fetched."""
        self._held.close()
        if self._source is not None:
            self._source.empty()

    def _open(self) -> _Source:
        if self._source is None:
            repository = open_repositories([self._url])[0]
            say_if_plain(repository)
            accepted = select(repository, self._workload, self._selector)
            self._source = _Source(repository, accepted, self._spool)
        return self._source

    @classmethod
    def validate_checkpoint_id(cls, checkpoint_id: str | os.PathLike[str]) -> bool:
        return bool(os.fspath(checkpoint_id))


class _Source:
    """One checkpoint, and those of its files that were fetched and checked."""

    def __init__(self, repository: Repository, accepted: Accepted, spool: str | os.PathLike[str] | None) -> None:
        self.repository = repository
        self.accepted = accepted
        self._spool = spool
        self._manifest: Manifest | None = None
        self._scratch: Scratch | None = None
        self._reader: FileSystemReader | None = None

    @property
    def manifest(self) -> Manifest:
        if self._manifest is None:
            found = self.repository.manifest(self.accepted.where.manifest)
            if manifests.root_of(found) != self.accepted.what.root:
                raise DataCorrupt(f"the manifest of {self.accepted.what.id()} lists other files than its commit")
            self._manifest = found
        return self._manifest

    @property
    def folder(self) -> Path:
        if self._scratch is None:
            self._scratch = Scratch(self._spool)
        return self._scratch.files

    @property
    def torchs(self) -> FileSystemReader:
        """The reader of torch itself, for the files fetched."""
        if self._reader is None:
            self._reader = FileSystemReader(self.folder)
        return self._reader

    def needed(self, plan: LoadPlan) -> list[str]:
        stored = self.torchs.storage_data
        return sorted({cast("str", stored[item.storage_index].relative_path) for item in plan.items})

    def fetch(self, name: str) -> None:
        """Bring one whole file, if it is not there yet. NothingToRestore, DataCorrupt."""
        if (self.folder / name).exists():
            return
        file = next((each for each in self.manifest.files if each.path == name), None)
        if file is None:
            what = self.accepted.what
            raise NothingToRestore(
                f"{self.repository.store.url}: {what.workload} {what.id()} has no `{name}`: "
                + ("no DCP checkpoint" if name == METADATA_NAME else "its `.metadata` names a file that it lacks"),
                hint="Restore it as files: replicator restore",
            )
        target = self.folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        staged = target.with_name(f".{target.name}.fetching")
        whole = blake3()
        with staged.open("wb") as out:
            for index in file.blocks:
                plain = read_block(self.repository, self.manifest, self.manifest.blocks[index])
                whole.update(plain)
                out.write(plain)
        if whole.hexdigest() != file.digest:
            raise DataCorrupt(f"{name} is not what its commit says")
        staged.rename(target)

    def empty(self) -> None:
        if self._scratch is not None:
            self._scratch.close()
        self._scratch = self._reader = None
