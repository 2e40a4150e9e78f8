"""Where bytes of no known structure are cut: where their content says so.

A file that grows, or gets bytes inserted, is the same blocks but for a few.
FastCDC 2020 by pyfastcdc. Nobody needs it to read: a manifest lists the blocks, and names the chunker for writers only.
Memory is bounded by one window.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyfastcdc import FastCDC

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MIN_BYTES = 256 * 1024
AVERAGE_BYTES = 1024 * 1024
MAX_BYTES = 4 * 1024 * 1024
NAME = "fastcdc-2020"
_WINDOW_BYTES = 4 * MAX_BYTES


def chunks(read: Callable[[int], bytes], length: int) -> Iterator[bytes]:
    """The next `length` bytes of a stream, cut by content. The cuts depend on these bytes alone.

    `read` gives exactly as many bytes as it is asked for, or raises.
    """
    if length <= MIN_BYTES:
        if length:
            yield read(length)
        return
    chunker = FastCDC(AVERAGE_BYTES, min_size=MIN_BYTES, max_size=MAX_BYTES, normalized_chunking=1)
    carried = b""
    while length or carried:
        wanted = min(length, _WINDOW_BYTES - len(carried))
        window = carried + read(wanted)
        length -= wanted
        taken = 0
        for chunk in chunker.cut_buf(window):
            if length and len(window) - taken < MAX_BYTES:
                break
            yield window[taken : taken + chunk.length]
            taken += chunk.length
        carried = window[taken:]
