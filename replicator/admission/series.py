"""The same tensor in this checkpoint and in older ones.

Invariant: what a series compares is comparable: shard with shard where every checkpoint cut the tensor alike, else
the whole with the whole.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from replicator.admission.summary import TensorSummary, combine

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


@dataclass(frozen=True, slots=True)
class Series:
    now: TensorSummary
    past: tuple[TensorSummary, ...]
    """Oldest first; checkpoints without this tensor are left out."""


def by_name(checkpoint: Sequence[TensorSummary]) -> Mapping[str, Sequence[TensorSummary]]:
    pieces: defaultdict[str, list[TensorSummary]] = defaultdict(list)
    for summary in checkpoint:
        pieces[summary.name].append(summary)
    return pieces


def series_of(
    current: Mapping[str, Sequence[TensorSummary]], history: Sequence[Mapping[str, Sequence[TensorSummary]]]
) -> list[Series]:
    found: list[Series] = []
    for name, now in current.items():
        past = [checkpoint[name] for checkpoint in history if name in checkpoint]
        cut = [piece.size for piece in now]
        if all([piece.size for piece in older] == cut for older in past):
            found.extend(Series(piece, tuple(older[i] for older in past)) for i, piece in enumerate(now))
        else:
            found.append(Series(combine(now), tuple(combine(older) for older in past)))
    return found
