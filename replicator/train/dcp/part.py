"""One rank's files of a DCP save, read once, with the tensors in them.

Where a tensor lies is said in the `.metadata` that the coordinator writes last, on its own node. A rank says the same
of its own files in a `.metadata` of its own, for our reader only: it is not shipped.
"""

from __future__ import annotations

import pickle
from dataclasses import replace
from typing import TYPE_CHECKING

from torch.distributed.checkpoint.metadata import (
    BytesStorageMetadata,
    ChunkStorageMetadata,
    Metadata,
    TensorStorageMetadata,
)

from replicator.repository.snapshot import Snapshot, take_snapshot

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from torch.distributed.checkpoint.planner import WriteItem
    from torch.distributed.checkpoint.storage import WriteResult

METADATA_NAME = ".metadata"


def snapshot_part(folder: Path, items: Sequence[WriteItem], results: Sequence[WriteResult]) -> Snapshot:
    """The files that this rank wrote to `folder`, which hold `items` at the places that `results` name."""
    names = sorted(path.name for path in folder.iterdir() if path.name != METADATA_NAME)
    own = folder / METADATA_NAME
    own.write_bytes(pickle.dumps(_describe(items, results)))
    try:
        return _without_metadata(take_snapshot(folder, [*names, METADATA_NAME]))
    finally:
        own.unlink()


def snapshot_metadata(folder: Path) -> Snapshot:
    """The coordinator's `.metadata`, alone: its tensors are in other parts, so that nothing is missing."""
    return replace(take_snapshot(folder, [METADATA_NAME]), notes=())


def _without_metadata(whole: Snapshot) -> Snapshot:
    files = tuple(source for source in whole.files if source.file.path != METADATA_NAME)
    return replace(whole, files=files, tensors=tuple(t for t in whole.tensors if t.file != METADATA_NAME))


def _describe(items: Sequence[WriteItem], results: Sequence[WriteResult]) -> Metadata:
    found: dict[str, TensorStorageMetadata | BytesStorageMetadata] = {}
    for item in items:
        data = item.tensor_data
        if data is None:
            found[item.index.fqn] = BytesStorageMetadata()
            continue
        known = found.get(item.index.fqn)
        chunks = known.chunks if isinstance(known, TensorStorageMetadata) else list[ChunkStorageMetadata]()
        found[item.index.fqn] = TensorStorageMetadata(data.properties, data.size, [*chunks, data.chunk])
    return Metadata(found, storage_data={result.index: result.storage_data for result in results})
