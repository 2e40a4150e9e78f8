"""The `.metadata` of a torch DCP checkpoint: which item lies where in which file.

Invariant: every `StoredItem` names a plain path, a range of non-negative numbers, and, for a tensor, a piece that
lies inside its whole; a `.metadata` of which that cannot be said is refused as one.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from replicator.formats.dcp_classes import allowed_in_metadata
from replicator.formats.dtypes import canonical
from replicator.formats.errors import MetadataInvalid, SourceUnreadable
from replicator.formats.pickle_machine import Record, Symbol
from replicator.formats.pickle_reader import read_pickle
from replicator.formats.pickle_values import as_dict, as_int, as_record, as_sequence, as_sizes, as_text, state_of
from replicator.formats.source import check_relative

if TYPE_CHECKING:
    from collections.abc import Mapping

    from replicator.formats.source import Source

MAX_METADATA_BYTES = 256 << 20
_REMEMBERED_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Piece:
    """A shard of a tensor, or all of it, as `.metadata` describes it."""

    dtype: str
    shape: tuple[int, ...]
    offsets: tuple[int, ...]
    global_shape: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class StoredItem:
    name: str
    file: str
    """Relative to the folder of the `.metadata`."""
    offset: int
    length: int
    transformed: bool
    """A stream extension (compression, say) was applied: the bytes are not what the format says."""
    piece: Piece | None
    """None for a byte item."""


@dataclass(frozen=True, slots=True)
class DcpMetadata:
    items: tuple[StoredItem, ...]

    def needs(self) -> dict[str, int]:
        """The least length in bytes of every file that the metadata names."""
        needs: defaultdict[str, int] = defaultdict(int)
        for item in self.items:
            needs[item.file] = max(needs[item.file], item.offset + item.length)
        return dict(needs)


def read_metadata(source: Source, *, limit_bytes: int = MAX_METADATA_BYTES) -> DcpMetadata:
    """Raises SourceUnreadable, PickleRefused (UnknownClass), PathRefused or MetadataInvalid."""
    if source.size_bytes > limit_bytes:
        raise SourceUnreadable(f"`{source.name}` has {source.size_bytes} bytes, more than the limit of {limit_bytes}")
    return decode_metadata(source.read(0, source.size_bytes))


def decode_metadata(data: bytes) -> DcpMetadata:
    """Small ones are remembered: a layout asks what is complete, and then the parser where tensors lie."""
    return _remembered(data) if len(data) <= _REMEMBERED_BYTES else _decode(data)


@lru_cache(maxsize=2)
def _remembered(data: bytes) -> DcpMetadata:
    return _decode(data)


def _decode(data: bytes) -> DcpMetadata:
    state = state_of(as_record(read_pickle(data, allowed_in_metadata), "Metadata", "MCoreMetadata"))
    tensors: dict[str, Mapping[tuple[int, ...], Piece] | None] = {}
    chunks = 0
    for name, entry in as_dict(state.get("state_dict_metadata")).items():
        pieces = _pieces(as_record(entry, "TensorStorageMetadata", "BytesStorageMetadata"))
        tensors[as_text(name)] = pieces
        chunks += len(pieces or ())
        if chunks > len(data):
            raise MetadataInvalid("one list of chunks serves for many tensors")
    stored = as_dict(state.get("storage_data"))
    return DcpMetadata(tuple(_item(tensors, index, info) for index, info in stored.items()))


def _pieces(entry: Record) -> Mapping[tuple[int, ...], Piece] | None:
    if entry.symbol.name == "BytesStorageMetadata":
        return None
    state = state_of(entry)
    whole = as_sizes(state.get("size"))
    dtype = _dtype(as_record(state.get("properties"), "TensorProperties"))
    pieces: dict[tuple[int, ...], Piece] = {}
    for chunk in as_sequence(state.get("chunks")):
        part = state_of(as_record(chunk, "ChunkStorageMetadata"))
        offsets, sizes = as_sizes(part.get("offsets")), as_sizes(part.get("sizes"))
        if len(offsets) != len(whole) or len(sizes) != len(whole):
            raise MetadataInvalid("a chunk has other dimensions than its tensor")
        if any(o + s > w for o, s, w in zip(offsets, sizes, whole, strict=True)):
            raise MetadataInvalid("a chunk reaches out of its tensor")
        pieces[offsets] = Piece(dtype, sizes, offsets, whole)
    return pieces


def _dtype(properties: Record) -> str:
    first, *_ = as_sequence(properties.state) or (None,)
    if isinstance(first, Symbol) and first.module == "torch":
        return canonical(first.name)
    raise MetadataInvalid("a tensor has no dtype")


def _item(tensors: Mapping[str, Mapping[tuple[int, ...], Piece] | None], index: object, info: object) -> StoredItem:
    key = state_of(as_record(index, "MetadataIndex"))
    place = state_of(as_record(info, "_StorageInfo"))
    name = as_text(key.get("fqn"))
    if name not in tensors:
        raise MetadataInvalid(f"{name!r} is stored, and the state dict does not have it")
    pieces = tensors[name]
    piece: Piece | None = None
    if pieces is not None:
        offset = key.get("offset")
        piece = next(iter(pieces.values()), None) if offset is None else pieces.get(as_sizes(offset))
        if piece is None or (offset is None and len(pieces) != 1):
            raise MetadataInvalid(f"{name!r} is stored at an offset where the state dict has no chunk")
    return StoredItem(
        name=name,
        file=check_relative(as_text(place.get("relative_path"))),
        offset=as_int(place.get("offset")),
        length=as_int(place.get("length")),
        transformed=bool(place.get("transform_descriptors")),
        piece=piece,
    )
