"""Creates objects in a loop until it is killed; a program of its own, so that the kill takes a whole process.

Usage: creator.py FOLDER RUN. Prints `ready` once, then the key of each object after its create returned.
"""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path

from replicator.stores.local import LocalStore

SIZES = (10, 4096, 300_000, 2_000_000)


def body_of(key: str, size: int) -> bytes:
    """Bytes that tell by themselves whether they are whole: length, then a stream that the key decides."""
    seed = hashlib.sha256(key.encode()).digest()
    return size.to_bytes(8, "big") + (seed * (size // len(seed) + 1))[:size]


def main(folder: str, run: str) -> None:
    store = LocalStore(Path(folder))
    print("ready", flush=True)
    n = 0
    while True:
        n += 1
        key = f"log/run-{run}/{n:06d}"
        store.create(key, body_of(key, SIZES[n % len(SIZES)]))
        print(key, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
