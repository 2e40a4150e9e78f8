"""Blocks as they are, or under zstandard where that is smaller. A coder is named with every block, so others can join."""

from __future__ import annotations

import zstandard

from replicator.errors import DataCorrupt

RAW = "raw"
ZSTD = "zstd"
LEVEL = 1


def encode(block: bytes) -> tuple[str, bytes]:
    """(coder, bytes), never longer than the block."""
    packed = zstandard.ZstdCompressor(level=LEVEL).compress(block)
    return (ZSTD, packed) if len(packed) < len(block) else (RAW, block)


def decode(coder: str, stored: bytes, size_bytes: int) -> bytes:
    """The block of `size_bytes`. DataCorrupt if it is not that, or the coder is unknown."""
    if coder == RAW:
        block = stored
    elif coder == ZSTD:
        try:
            if zstandard.frame_content_size(stored) != size_bytes:
                raise DataCorrupt("a zstd frame announces another size than the manifest")
            block = zstandard.ZstdDecompressor().decompress(stored, max_output_size=size_bytes)
        except zstandard.ZstdError as error:
            raise DataCorrupt(f"a block does not decompress: {error}") from error
    else:
        raise DataCorrupt(f"coder {coder!r} is unknown", hint="Use a newer drstack for this repository.")
    if len(block) != size_bytes:
        raise DataCorrupt(f"a block has {len(block)} bytes, not {size_bytes}")
    return block
