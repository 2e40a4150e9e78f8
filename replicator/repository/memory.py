"""What a writer remembers of its own pushes: their manifests, in the clear, on its own disk, for its own user alone.

A writer holds no recipient's key, so it cannot read a manifest back. Lost memory costs a keyframe, never a checkpoint.
"""

from __future__ import annotations

import os
from pathlib import Path

from blake3 import blake3

from replicator.crypto.trust import write_whole

KEEP = 16
_CHECK_BYTES = 32


class ManifestMemory:
    """Files in `folder`, made when first needed, named by the digest of the object that was shipped; the newest stay."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def put(self, digest: str, encoded: bytes) -> None:
        write_whole(self._folder / digest, blake3(encoded).digest() + encoded, mode=0o600)
        there = [path for path in self._folder.iterdir() if len(path.name) == len(digest)]
        for old in sorted(there, key=lambda path: path.stat().st_mtime_ns, reverse=True)[KEEP:]:
            old.unlink(missing_ok=True)

    def get(self, digest: str) -> bytes | None:
        """None if it is not remembered, or its file was damaged."""
        try:
            body = (self._folder / digest).read_bytes()
        except FileNotFoundError:
            return None
        check, encoded = body[:_CHECK_BYTES], body[_CHECK_BYTES:]
        return encoded if blake3(encoded).digest() == check else None


def default_memory(repository: str) -> Path:
    """In the user's cache folder, one for each repository."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "drstack" / "manifests" / repository
