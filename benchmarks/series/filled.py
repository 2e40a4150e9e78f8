"""Files of a given size: tensors in one safetensors file, or bytes of no structure.

`python -m benchmarks.series.filled KIND BYTES SEED TO`. `normal` has values as weights have them. `counted` and `opaque`
differ from block to block and compress well, for files that matter by their length alone.
"""

from __future__ import annotations

import json
import struct
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

TENSOR_BYTES = 16 << 20
_SMALL_TENSOR_BYTES = 1 << 20
_REPEATED = 64 << 10


def _pieces(kind: str, sizes: list[int], rng: np.random.Generator) -> Iterator[bytes]:
    if kind == "normal":
        for size in sizes:
            yield (rng.standard_normal(size // 4, dtype=np.float32) * 0.02).tobytes()
        return
    pattern = rng.integers(0, 1 << 16, _REPEATED // 4, dtype=np.uint32)
    count = 0
    for size in sizes:
        whole = np.empty(size // _REPEATED * (_REPEATED // 4), np.uint32).reshape(-1, _REPEATED // 4)
        whole[:] = pattern
        whole[:, 0] = np.arange(count, count + len(whole), dtype=np.uint32)
        count += len(whole)
        yield whole.tobytes()


def fill(kind: str, size_bytes: int, seed: int, to: Path) -> None:
    """Write `to` with about `size_bytes`: whole tensors."""
    to.parent.mkdir(parents=True, exist_ok=True)
    each = TENSOR_BYTES if size_bytes >= 8 * TENSOR_BYTES else _SMALL_TENSOR_BYTES
    sizes = [each] * max(1, size_bytes // each)
    rng = np.random.default_rng(seed)
    with to.open("wb") as file:
        if kind != "opaque":
            header = json.dumps({
                f"layers.{n}.weight": {
                    "dtype": "F32", "shape": [size // 4096, 1024], "data_offsets": [n * each, n * each + size],
                }
                for n, size in enumerate(sizes)
            }).encode()  # fmt: skip
            header += b" " * (-len(header) % 8)
            file.write(struct.pack("<Q", len(header)) + header)
        for piece in _pieces(kind, sizes, rng):
            file.write(piece)


def main() -> None:
    kind, size_bytes, seed, to = sys.argv[1:]
    fill(kind, int(size_bytes), int(seed), Path(to))


if __name__ == "__main__":
    main()
