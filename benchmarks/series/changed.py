"""A checkpoint of which one percent is that of a later one: whole tensors, rows, or elements anywhere.

`python -m benchmarks.series.changed HOW BASE LATER TO` copies BASE and takes the changed values from LATER, where the
same training went on. It prints how many bytes of the files differ.
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from replicator.formats.dtypes import ITEM_BYTES
from replicator.formats.parse import parse

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from replicator.formats.tensors import TensorRange

    Masks = list[NDArray[np.bool_] | None]

SHARE = 0.01
SEED = 7


def change(how: str, base: Path, later: Path, to: Path, *, share: float = SHARE, seed: int = SEED) -> dict[str, int]:
    """Make `to`. KeyError for a `how` that there is not; ValueError where no tensor can be changed so."""
    pick = PICKS[how]
    shutil.copytree(base, to)
    names = [path.relative_to(base).as_posix() for path in base.rglob("*") if path.is_file()]
    ours, theirs = (_tensors(folder, names) for folder in (base, later))
    both = [(here, theirs[key]) for key, here in sorted(ours.items()) if _alike(here, theirs.get(key))]
    rng = np.random.default_rng(seed)
    taken = pick([here for here, _ in both], share, rng)
    differ = 0
    for (here, there), mask in zip(both, taken, strict=True):
        if mask is None:
            continue
        into = np.memmap(to / here.file, np.uint8, "r+", here.offset, here.length)
        source = np.fromfile(later / there.file, np.uint8, there.length, offset=there.offset)
        before = np.array(into)
        rows = mask.size
        into.reshape(rows, -1)[mask] = source.reshape(rows, -1)[mask]
        differ += int(np.count_nonzero(before != into))
        into.flush()
    if not differ:
        raise ValueError(f"{base} has nothing that can be changed by {how}")
    return {"bytes": sum(here.length for here, _ in both), "differ": differ}


def _tensors(folder: Path, names: list[str]) -> dict[tuple[str, str], TensorRange]:
    return {
        (t.name, str(t.offsets)): t for t in parse(folder, names).tensors if t.dtype.startswith(("float", "bfloat"))
    }


def _alike(here: TensorRange, there: TensorRange | None) -> bool:
    return there is not None and (here.length, here.shape, here.dtype) == (there.length, there.shape, there.dtype)


def _tensor_masks(tensors: list[TensorRange], share: float, rng: np.random.Generator) -> Masks:
    """Whole tensors, drawn until they make up the share of all bytes."""
    masks: list[NDArray[np.bool_] | None] = [None] * len(tensors)
    left = share * sum(tensor.length for tensor in tensors)
    for index in rng.permutation(len(tensors)):
        if left <= 0:
            break
        masks[index] = np.ones(1, bool)
        left -= tensors[index].length
    return masks


def _row_masks(tensors: list[TensorRange], share: float, rng: np.random.Generator) -> Masks:
    """Rows of every matrix."""
    return [rng.random(tensor.shape[0]) < share if len(tensor.shape) > 1 else None for tensor in tensors]


def _element_masks(tensors: list[TensorRange], share: float, rng: np.random.Generator) -> Masks:
    """Elements of every tensor, anywhere."""
    return [
        rng.random(tensor.length // ITEM_BYTES[tensor.dtype]) < share if tensor.length else None for tensor in tensors
    ]


PICKS: dict[str, Callable[[list[TensorRange], float, np.random.Generator], Masks]] = {
    "tensors": _tensor_masks,
    "rows": _row_masks,
    "elements": _element_masks,
}


def main() -> None:
    how, base, later, to = sys.argv[1:]
    print(json.dumps(change(how, Path(base), Path(later), Path(to))))


if __name__ == "__main__":
    main()
