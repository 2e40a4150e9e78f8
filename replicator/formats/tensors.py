"""A checkpoint seen as tensors at byte ranges of its files.

Invariant: every range in a `ParsedCheckpoint` lies inside its file, has exactly the bytes that its dtype and shape
need, and shares no byte with another; `keep_sound` drops whole files rather than let one doubtful range through.
"""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from replicator.formats.dtypes import ITEM_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from replicator.formats.shard_index import ShardIndex


@dataclass(frozen=True, slots=True)
class TensorRange:
    """One tensor, or one shard of one. `name` is unique only together with `file` and `offsets`."""

    name: str
    file: str
    """Posix path relative to the checkpoint's root."""
    offset: int
    length: int
    dtype: str
    shape: tuple[int, ...]
    """The shape of this piece."""
    global_shape: tuple[int, ...] | None = None
    offsets: tuple[int, ...] | None = None
    """Where this piece begins in the whole tensor, where the format says so."""
    strides: tuple[int, ...] | None = None
    """In elements; None for row-major, which nearly all are. Always dense: every byte of the range is an element."""


@dataclass(frozen=True, slots=True)
class ObjectRange:
    """An item that is not a tensor: a pickled loader state, a learning rate, a step count."""

    name: str
    file: str
    offset: int
    length: int


@dataclass(frozen=True, slots=True)
class ParsedCheckpoint:
    tensors: tuple[TensorRange, ...]
    notes: tuple[str, ...]
    """Whatever stayed opaque although it looked like a known format, and why."""
    objects: tuple[ObjectRange, ...] = ()
    indices: tuple[ShardIndex, ...] = ()
    """What `*.index.json` files say of which tensor lies in which shard."""


def byte_length(dtype: str, shape: tuple[int, ...]) -> int:
    """Bytes of a dense tensor. KeyError for a dtype outside `ITEM_BYTES`."""
    return math.prod(shape) * ITEM_BYTES[dtype]


def keep_sound(
    tensors: Iterable[TensorRange], sizes: Mapping[str, int]
) -> tuple[tuple[TensorRange, ...], tuple[str, ...]]:
    """Tensors of the files whose ranges are all sound, ordered by file and offset, and a note for every other file."""
    by_file: defaultdict[str, list[TensorRange]] = defaultdict(list)
    for tensor in tensors:
        by_file[tensor.file].append(tensor)
    kept: list[TensorRange] = []
    notes: list[str] = []
    for file, ranges in sorted(by_file.items()):
        ranges.sort(key=lambda r: (r.offset, r.length))
        fault = _fault(ranges, sizes.get(file, 0))
        if fault is None:
            kept.extend(ranges)
        else:
            notes.append(f"`{file}`: {fault}")
    return tuple(kept), tuple(notes)


def _fault(ranges: list[TensorRange], size_bytes: int) -> str | None:
    end = 0
    before = ""
    for tensor in ranges:
        if tensor.length != byte_length(tensor.dtype, tensor.shape):
            return f"{tensor.name!r} has {tensor.length} bytes, which is not what {tensor.dtype}{tensor.shape} needs"
        if tensor.offset < 0 or tensor.offset + tensor.length > size_bytes:
            return f"{tensor.name!r} ends at byte {tensor.offset + tensor.length} of {size_bytes}"
        if tensor.length == 0:
            continue
        if tensor.offset < end:
            return f"{tensor.name!r} overlaps {before!r}"
        end, before = tensor.offset + tensor.length, tensor.name
    return None
