"""Large safetensors files that do not compress, written in pieces."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from pathlib import Path

PIECE = 4 << 20


def write_tensors(path: Path, size_bytes: int, seed: int, *, tensors: int = 32) -> None:
    """`size_bytes` of random bytes in so many tensors, and a header. The name appears when all is written."""
    path.parent.mkdir(parents=True, exist_ok=True)
    each = size_bytes // tensors
    header = {
        f"w{n:02}": {"dtype": "U8", "shape": [each], "data_offsets": [n * each, (n + 1) * each]} for n in range(tensors)
    }
    text = json.dumps(header).encode()
    rng = np.random.Generator(np.random.SFC64(seed))
    staged = path.with_name(".staged")
    with staged.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        left = each * tensors
        while left:
            piece = min(PIECE, left)
            file.write(rng.bytes(piece))
            left -= piece
    staged.rename(path)
