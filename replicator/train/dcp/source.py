"""One checkpoint of a repository, and what was fetched and checked of its files for a load."""

from __future__ import annotations

from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from torch.distributed.checkpoint.filesystem import FileSystemReader

from replicator.errors import NothingToRestore
from replicator.repository.ladder import Ladder
from replicator.train.dcp.needs import Range, items_of, merged, ranges_of
from replicator.train.dcp.part import METADATA_NAME
from replicator.train.dcp.sparse import SparseFile
from replicator.train.scratch import Scratch

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping
    from pathlib import Path

    from torch.distributed.checkpoint.metadata import Metadata
    from torch.distributed.checkpoint.planner import LoadPlan

    from replicator.log.replay import Accepted
    from replicator.repository.manifest import File
    from replicator.repository.repository import Repository
    from replicator.train.dcp.needs import Item

_AT_ONCE = 8


class Source:
    """Invariant: whatever of a file is no hole was checked against the commit."""

    def __init__(self, repository: Repository, accepted: Accepted, spool: str | os.PathLike[str] | None) -> None:
        self.repository = repository
        self.accepted = accepted
        self._spool = spool
        self._opened: Ladder | None = None
        self._scratch: Scratch | None = None
        self._reader: FileSystemReader | None = None
        self._files: dict[str, SparseFile] = {}

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

    def fetch(self, name: str) -> None:
        """Bring one whole file. NothingToRestore, DataCorrupt."""
        self._bring({name: [Range(0, self._size(name))]})

    def fetch_for(self, plan: LoadPlan, metadata: Metadata) -> None:
        """Bring what the plan reads: of a file, the blocks that hold it. NothingToRestore, DataCorrupt.

        Whole files where a keeper packed them anew: its word alone, and not the writer's, says which blocks they have.
        """
        items = items_of(plan, self.torchs.storage_data, metadata)
        for name in sorted({item.file for item in items}):
            self._file(name)
        if self.accepted.compacted:
            self._bring({item.file: [Range(0, self._size(item.file))] for item in items})
            return
        wanted: defaultdict[str, list[Range]] = defaultdict(list)
        with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="drstack-dcp") as pool:
            found = pool.map(self._ranges, items)
            for item, ranges in zip(items, found, strict=True):
                wanted[item.file] += ranges
        self._bring(wanted)

    def empty(self) -> None:
        """Let go of what was fetched."""
        for file in self._files.values():
            file.close()
        self._files = {}
        if self._scratch is not None:
            self._scratch.close()
        self._scratch = self._reader = None

    def _ranges(self, item: Item) -> list[Range]:
        return ranges_of(item, self._file(item.file).source)

    def _bring(self, wanted: Mapping[str, list[Range]]) -> None:
        files = {name: self._file(name) for name in wanted}
        claims = [(files[name], *files[name].claim(merged(ranges))) for name, ranges in wanted.items()]
        with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="drstack-dcp") as pool:
            reads = [pool.submit(file.read, missing) for file, mine, _ in claims for missing in mine]
        for done in (*reads, *(future for _, _, coming in claims for future in coming)):
            done.result()
        for file in files.values():
            file.check()

    def _file(self, name: str) -> SparseFile:
        if name not in self._files:
            self._files[name] = SparseFile(self._ladder, self._entry(name), self.folder / name)
        return self._files[name]

    def _size(self, name: str) -> int:
        return self._entry(name).size_bytes

    def _entry(self, name: str) -> File:
        file = next((each for each in self._ladder.manifest.files if each.path == name), None)
        if file is None:
            what = self.accepted.what
            raise NothingToRestore(
                f"{self.repository.store.url}: {what.workload} {what.id()} has no `{name}`: "
                + ("no DCP checkpoint" if name == METADATA_NAME else "its `.metadata` names a file that it lacks"),
                hint="Restore it as files: replicator restore",
            )
        return file

    @property
    def _ladder(self) -> Ladder:
        if self._opened is None:
            self._opened = Ladder([(self.repository, self.accepted)])
        return self._opened
