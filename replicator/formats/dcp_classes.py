"""The names that torch's DCP and `torch.save` put into their pickles. Nothing else may be named.

Invariant: every entry is read as an inert `Record` or `Symbol`; adding one grants no code anything.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from replicator.formats.dtypes import LEGACY_STORAGES, is_dtype_name
from replicator.formats.pickle_machine import ORDERED_DICT

if TYPE_CHECKING:
    from replicator.formats.pickle_machine import Symbol

METADATA_MODULES = frozenset({"torch.distributed.checkpoint.metadata", "torch.distributed._shard.checkpoint.metadata"})
METADATA_NAMES = frozenset(
    {
        "Metadata",
        "MetadataIndex",
        "TensorStorageMetadata",
        "BytesStorageMetadata",
        "ChunkStorageMetadata",
        "TensorProperties",
        "_MEM_FORMAT_ENCODING",
        "StorageMeta",
    }
)
OTHER_METADATA = frozenset(
    {
        ("torch.distributed.checkpoint.filesystem", "_StorageInfo"),
        ("torch.distributed._shard.checkpoint.filesystem", "_StorageInfo"),
        ("torch.serialization", "_get_layout"),
        ("torch", "Size"),
        ("pathlib", "PosixPath"),
        ("pathlib", "PurePosixPath"),
        ("pathlib", "WindowsPath"),
        ("pathlib._local", "PosixPath"),
        ("pathlib._local", "WindowsPath"),
        ("megatron.core.dist_checkpointing.strategies.torch", "MCoreMetadata"),
        ("megatron.core.dist_checkpointing.mapping", "MCoreMetadata"),
    }
)
REBUILDERS = frozenset({"_rebuild_tensor_v2", "_rebuild_tensor_v3", "_rebuild_parameter"})


def allowed_in_metadata(symbol: Symbol) -> bool:
    return (
        (symbol.module in METADATA_MODULES and symbol.name in METADATA_NAMES)
        or (symbol.module, symbol.name) in OTHER_METADATA
        or (symbol.module == "torch" and is_dtype_name(symbol.name))
        or symbol == ORDERED_DICT
    )


def allowed_in_archive(symbol: Symbol) -> bool:
    return (
        (symbol.module == "torch._utils" and symbol.name in REBUILDERS)
        or (symbol.module == "torch" and (symbol.name in LEGACY_STORAGES or is_dtype_name(symbol.name)))
        or (symbol.module == "torch.storage" and symbol.name == "UntypedStorage")
        or symbol == ORDERED_DICT
    )
