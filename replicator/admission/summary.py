"""What admission knows of one tensor, or of one shard of it: a few numbers and a digest.

Invariant: everything a rule reads is here, so a checkpoint can be judged, today or later, without its bytes.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import blake3

from replicator.formats.dtypes import FLOATS

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True)
class TensorSummary:
    name: str
    dtype: str
    """torch's name; "bytes" for an item that is not a tensor."""
    shape: tuple[int, ...]
    """Of the whole tensor where it is known, else of this piece."""
    digest: str
    """BLAKE3 over the bytes, in hex."""
    nan_count: int
    inf_count: int
    zero_fraction: float
    """0 to 1; 0 for a tensor without elements."""
    sum_squares: float
    """Over the finite elements."""
    size: int
    """Elements that were summarised. Parts of complex numbers are counted one by one in the numbers above."""
    file: str = ""
    """The file that holds it; empty where nothing is said about files."""

    @property
    def is_float(self) -> bool:
        return self.dtype in FLOATS

    @property
    def is_zero(self) -> bool:
        return self.zero_fraction == 1.0

    @property
    def norm(self) -> float:
        return self.sum_squares**0.5


def combine(pieces: Sequence[TensorSummary]) -> TensorSummary:
    """One summary of all shards of a tensor, in the order given. Shards of unequal shapes give a flat shape."""
    first = pieces[0]
    if len(pieces) == 1:
        return first
    size = sum(piece.size for piece in pieces)
    digest = blake3.blake3()
    for piece in pieces:
        digest.update(piece.digest.encode())
    zeros = sum(piece.zero_fraction * piece.size for piece in pieces)
    return replace(
        first,
        shape=first.shape if all(piece.shape == first.shape for piece in pieces) else (size,),
        digest=digest.hexdigest(),
        nan_count=sum(piece.nan_count for piece in pieces),
        inf_count=sum(piece.inf_count for piece in pieces),
        zero_fraction=1.0 if all(piece.is_zero for piece in pieces if piece.size) and size else zeros / max(size, 1),
        sum_squares=sum(piece.sum_squares for piece in pieces),
        size=size,
    )
