"""A DCP storage reader: what a load needs is fetched and checked on every rank before any rank loads any of it.

Invariant (DESIGN, rule 13): torch's loader gets a byte only after its block, and the manifest that names it,
matched the commit; `.metadata` besides only after the restricted reader took every class in it. All ranks fetch while
they plan, and DCP gathers all plans before the first reads: damage anywhere stops the load before any tensor changes.
"""

from __future__ import annotations

import os
from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING, cast

from torch.distributed.checkpoint.metadata import Metadata
from torch.distributed.checkpoint.storage import StorageReader

from replicator.errors import ReplicatorError
from replicator.formats.dcp_metadata import read_metadata as read_restricted
from replicator.formats.errors import FormatError
from replicator.formats.source import open_source
from replicator.repository.pinning import pinned
from replicator.repository.select import select
from replicator.train.dcp.part import METADATA_NAME
from replicator.train.dcp.source import Source
from replicator.train.targets import log, open_repositories, say_if_plain

if TYPE_CHECKING:
    from torch.distributed.checkpoint.planner import LoadPlan, LoadPlanner
    from torch.futures import Future


class RepositoryReader(StorageReader):
    """Loads from a repository: `dcp.load(state, storage_reader=RepositoryReader(url, workload="gpt"))`.

    `checkpoint` is `latest`, `step:N` or `TERM.HEIGHT`. Each rank fetches the blocks that hold what it needs, to
    `spool`, the system's temporary folder by default; they go when it has loaded. Any number of ranks may load what
    any other number saved, and each reads of a shard the rows that it wants.
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
        self._source: Source | None = None
        self._metadata = Metadata(state_dict_metadata={})

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
        self._metadata = metadata
        if is_coordinator:
            held = self._held.enter_context(
                pinned(source.repository, self._workload, source.accepted, reason="loaded by torch DCP")
            )
            if not held:
                log.warning("no pin is held; a keeper may drop %s while it is read", self.commit)

    def prepare_local_plan(self, plan: LoadPlan) -> LoadPlan:
        source = self._open()
        try:
            source.fetch_for(plan, self._metadata)
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
        source.fetch_for(plan, self._metadata)
        done = source.torchs.read_data(plan, planner)
        source.empty()
        return done

    def close(self) -> None:
        """Let go of what was fetched."""
        self._held.close()
        if self._source is not None:
            self._source.empty()

    def _open(self) -> Source:
        if self._source is None:
            repository = open_repositories([self._url])[0]
            say_if_plain(repository)
            accepted = select(repository, self._workload, self._selector)
            self._source = Source(repository, accepted, self._spool)
        return self._source

    @classmethod
    def validate_checkpoint_id(cls, checkpoint_id: str | os.PathLike[str]) -> bool:
        return bool(os.fspath(checkpoint_id))
