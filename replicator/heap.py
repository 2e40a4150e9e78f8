"""How this process's C library keeps freed memory: for commands that allocate and free blocks of megabytes all the time."""

from __future__ import annotations

import ctypes
import os

_TRIM_THRESHOLD, _MMAP_THRESHOLD, _ARENA_MAX = -1, -3, -8
"""Parameters of mallopt(3), as glibc's malloc.h numbers them."""
_BLOCKS_BYTES = 64 * 1024 * 1024
_KEPT_BYTES = 1024 * 1024 * 1024


def keep_freed_blocks() -> bool:
    """Have freed blocks used again rather than given back to the kernel, which clears each page anew when it is asked for.

    The peak of memory stays what it was. For commands that end, before they start threads; never in a trainer's process.
    Returns whether the C library could be told: glibc alone can.
    """
    if "CS_GNU_LIBC_VERSION" not in getattr(os, "confstr_names", {}):
        return False
    told = {_MMAP_THRESHOLD: _BLOCKS_BYTES, _TRIM_THRESHOLD: _KEPT_BYTES, _ARENA_MAX: 2}
    mallopt = ctypes.CDLL(None).mallopt
    return all(mallopt(parameter, value) for parameter, value in told.items())
