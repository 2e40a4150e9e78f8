"""Which bytes of a DCP checkpoint's files a load needs: those of the items in its plan, and of a shard only the rows asked for.

A load onto another number of ranks wants a part of each shard; DCP's own reader would take the shard whole.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple, Protocol

from torch.distributed.checkpoint.metadata import TensorStorageMetadata
from torch.distributed.checkpoint.planner import LoadItemType

from replicator.formats.dtypes import ITEM_BYTES
from replicator.formats.errors import FormatError
from replicator.formats.torch_archive import DIRECTORY_BUDGET_BYTES, find_tensor

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from torch.distributed.checkpoint.metadata import Metadata, MetadataIndex
    from torch.distributed.checkpoint.planner import LoadPlan

    from replicator.formats.source import Source

WORTH_BYTES = 1 << 20
"""A shard smaller than this is taken whole: finding its rows would cost about as much."""


class Item(NamedTuple):
    """One read of a plan: `length` bytes of a file from `offset` hold the stored shard, of which a part is wanted."""

    file: str
    offset: int
    length: int
    begins: tuple[int, ...] | None
    """Where the part begins in the shard, in elements for each dimension; None: all of it is wanted."""
    lengths: tuple[int, ...]


class Range(NamedTuple):
    offset: int
    length: int


class Stored(Protocol):
    """Where a shard lies; torch's `_StorageInfo`."""

    relative_path: str
    offset: int
    length: int
    transform_descriptors: Sequence[str] | None


def items_of(plan: LoadPlan, stored: Mapping[MetadataIndex, Stored], metadata: Metadata) -> list[Item]:
    found: list[Item] = []
    for item in plan.items:
        info = stored[item.storage_index]
        partial = (
            item.type == LoadItemType.TENSOR
            and info.length >= WORTH_BYTES
            and not info.transform_descriptors
            and _size_of(item.storage_index, metadata) != tuple(item.lengths)
        )
        begins = tuple(item.storage_offsets) if partial else None
        found.append(Item(info.relative_path, info.offset, info.length, begins, tuple(item.lengths)))
    return found


def _size_of(index: MetadataIndex, metadata: Metadata) -> tuple[int, ...] | None:
    known = metadata.state_dict_metadata[index.fqn]
    if not isinstance(known, TensorStorageMetadata):
        return None
    return next((tuple(chunk.sizes) for chunk in known.chunks if chunk.offsets == index.offset), None)


def ranges_of(item: Item, source: Source) -> list[Range]:
    """What of the file is needed beyond what reading the shard's directory in `source` brought."""
    whole = Range(item.offset, item.length)
    if item.begins is None:
        return [whole]
    try:
        tensor = find_tensor(source.window(item.offset, item.length, budget_bytes=DIRECTORY_BUDGET_BYTES))
    except FormatError:
        return [whole]  # torch's own safetensors body, or what it refuses: its reader is to judge all of it
    rows = rows_of(tensor.shape, tensor.strides, item.begins, item.lengths, ITEM_BYTES[tensor.dtype])
    if rows is None:
        return [whole]
    end, data_end = item.offset + item.length, tensor.offset + tensor.length
    return [
        Range(item.offset, tensor.offset - item.offset),
        Range(tensor.offset + rows.offset, rows.length),
        Range(data_end, end - data_end),
    ]


def rows_of(
    shape: Sequence[int],
    strides: Sequence[int] | None,
    begins: Sequence[int],
    lengths: Sequence[int],
    item_bytes: int,
) -> Range | None:
    """The bytes that hold `lengths` elements from `begins` of a tensor, in whole rows of its first dimension.

    None where it is not row-major, or where the part does not lie inside it.
    """
    inside = len(shape) == len(begins) == len(lengths) and all(
        min(begin, length) >= 0 and begin + length <= size
        for begin, length, size in zip(begins, lengths, shape, strict=False)
    )
    if strides is not None or not inside or not shape:
        return None
    row_bytes = math.prod(shape[1:]) * item_bytes
    return Range(begins[0] * row_bytes, lengths[0] * row_bytes)


def merged(ranges: Iterable[Range]) -> list[Range]:
    """The same bytes as ranges in order that neither overlap nor touch."""
    found: list[Range] = []
    for each in sorted(ranges):
        if not each.length:
            continue
        if found and each.offset <= found[-1].offset + found[-1].length:
            end = max(found[-1].offset + found[-1].length, each.offset + each.length)
            found[-1] = Range(found[-1].offset, end - found[-1].offset)
        else:
            found.append(each)
    return found
