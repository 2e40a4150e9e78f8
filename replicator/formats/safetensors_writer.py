"""Tensors gathered out of verified files into one safetensors file: shards assembled, strides made row-major.

Invariant: every element of the result comes from exactly one piece. Copied through memory maps, a piece at a time.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.lib.stride_tricks import as_strided

from replicator.formats.dtypes import ITEM_BYTES, SAFETENSORS
from replicator.formats.errors import FormatError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_CODES = {name: code for code, name in SAFETENSORS.items()}
WRITABLE = frozenset(_CODES)
_ALIGNMENT = 8


class NotGatherable(FormatError):
    hint = "Restore the files that hold it instead, with --files."


@dataclass(frozen=True, slots=True)
class Piece:
    """A tensor or a shard of one: its elements lie in `source` from byte `offset` on.

    `whole_shape` and `begins` place a shard in its tensor; `strides` are in elements, None for row-major.
    """

    name: str
    source: Path
    offset: int
    dtype: str
    shape: tuple[int, ...]
    whole_shape: tuple[int, ...]
    begins: tuple[int, ...]
    strides: tuple[int, ...] | None = None


def gather(path: Path, pieces: Sequence[Piece]) -> None:
    """Write `path`. NotGatherable if a tensor has no place in the format, or its shards are not all there."""
    tensors = _by_name(pieces)
    document: dict[str, object] = {}
    end = 0
    starts: dict[str, int] = {}
    for name, shards in tensors.items():
        first = shards[0]
        length = math.prod(first.whole_shape) * ITEM_BYTES[first.dtype]
        starts[name] = end
        document[name] = {
            "dtype": _CODES[first.dtype], "shape": list(first.whole_shape), "data_offsets": [end, end + length]
        }  # fmt: skip
        end += length
    header = json.dumps(document, separators=(",", ":")).encode()
    header += b" " * (-len(header) % _ALIGNMENT)
    with path.open("wb") as out:
        out.write(len(header).to_bytes(8, "little") + header)
        data = out.tell()
        out.truncate(data + end)
    for name, shards in tensors.items():
        for shard in shards:
            _copy(path, data + starts[name], shard)


def _by_name(pieces: Sequence[Piece]) -> dict[str, list[Piece]]:
    tensors: dict[str, list[Piece]] = {}
    for piece in pieces:
        shards = tensors.setdefault(piece.name, [])
        if all(shard.begins != piece.begins for shard in shards):
            shards.append(piece)
    for name, shards in tensors.items():
        fault = _fault(shards)
        if fault is not None:
            raise NotGatherable(f"tensor {name!r}: {fault}")
    return tensors


def _fault(shards: list[Piece]) -> str | None:
    first = shards[0]
    if first.dtype not in _CODES:
        return f"safetensors has no {first.dtype}"
    if any((each.dtype, each.whole_shape) != (first.dtype, first.whole_shape) for each in shards):
        return "its shards say different dtypes or shapes"
    for n, each in enumerate(shards):
        ends = [begin + size for begin, size in zip(each.begins, each.shape, strict=True)]
        if any(end > size for end, size in zip(ends, each.whole_shape, strict=True)):
            return f"the shard at {each.begins} ends outside it"
        if any(_overlap(each, other) for other in shards[:n]):
            return f"the shard at {each.begins} overlaps another"
    have, need = sum(math.prod(each.shape) for each in shards), math.prod(first.whole_shape)
    return f"its shards hold {have:,} of {need:,} elements" if have != need else None


def _overlap(a: Piece, b: Piece) -> bool:
    sides = zip(a.begins, a.shape, b.begins, b.shape, strict=True)
    return all(i < j + m and j < i + n for i, n, j, m in sides)


def _copy(path: Path, start: int, piece: Piece) -> None:
    count = math.prod(piece.shape)
    if count == 0:
        return
    element = np.dtype(f"u{ITEM_BYTES[piece.dtype]}")
    flat = np.memmap(piece.source, element, "r", piece.offset, (count,))
    target = np.memmap(path, element, "r+", start, (math.prod(piece.whole_shape),)).reshape(piece.whole_shape)
    place = tuple(slice(at, at + size) for at, size in zip(piece.begins, piece.shape, strict=True))
    if piece.strides is None:
        target[place] = flat.reshape(piece.shape)
    else:
        target[place] = as_strided(flat, piece.shape, [stride * element.itemsize for stride in piece.strides])
