"""A local folder of blocks that were fetched before, as they are stored: by pack and offset, up to a size.

What comes out is checked by the reader like anything from a store, so that a cache can be slow or stale and never
wrong; encrypted blocks stay encrypted in it. Files appear by rename; several processes may share a folder.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

_ROOM = 0.9
"""Cleaning goes on down to this share of the limit, so that it is not done for every block."""
_AGAIN = 0.05
"""After adding this share of the limit, what other processes added is counted too."""
_LOST_S = 3600.0
"""A staged file this old belongs to nobody any more."""


class EdgeCache:
    """At most about `limit_bytes` below `folder`; what was used longest ago goes first. For any thread.

    A folder that cannot be written any more turns it off: `trouble` says why, and the restore goes on without.
    """

    def __init__(self, folder: Path, limit_bytes: int) -> None:
        self._folder = folder
        self._limit = limit_bytes
        self._lock = threading.Lock()
        self._held = 0
        self._unseen = limit_bytes
        self.hits = 0
        self.hit_bytes = 0
        self.trouble: str | None = None

    def get(self, pack: str, offset: int) -> bytes | None:
        path = self._path(pack, offset)
        try:
            stored = path.read_bytes()
            os.utime(path)
        except FileNotFoundError:
            return None
        except OSError as error:
            self.trouble = str(error)
            return None
        with self._lock:
            self.hits += 1
            self.hit_bytes += len(stored)
        return stored

    def put(self, pack: str, offset: int, stored: bytes) -> None:
        """Keep `stored`, and let go of what is oldest where there is no room. Nothing if it is larger than all of it."""
        if self.trouble is not None or len(stored) > self._limit * _ROOM:
            return
        path = self._path(pack, offset)
        staged = path.with_name(f".{secrets.token_hex(8)}")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            staged.write_bytes(stored)
            staged.rename(path)
            self._account(len(stored))
        except OSError as error:
            self.trouble = f"the cache in {self._folder} is off: {error.strerror or error}"
            with contextlib.suppress(OSError):
                staged.unlink(missing_ok=True)

    def drop(self, pack: str, offset: int) -> None:
        """Let go of a block that is not what it should be."""
        self._path(pack, offset).unlink(missing_ok=True)

    def _path(self, pack: str, offset: int) -> Path:
        return self._folder / pack[:2] / f"{pack}-{offset}"

    def _account(self, added: int) -> None:
        with self._lock:
            self._held += added
            self._unseen += added
            if self._unseen > self._limit * _AGAIN:
                self._held = sum(size for _, size, _ in self._files())
                self._unseen = 0
            if self._held > self._limit:
                with self._alone():
                    self._held = self._clean()

    def _clean(self) -> int:
        """Remove what was used longest ago; the bytes left. Other processes' files count, whatever this one knew."""
        files = sorted(self._files())
        held = sum(size for _, size, _ in files)
        for used_at, size, path in files:
            staged = path.name.startswith(".")
            if staged and time.time() - used_at < _LOST_S:
                continue
            if held <= self._limit * _ROOM and not staged:
                break
            path.unlink(missing_ok=True)
            held -= size
        return held

    def _files(self) -> list[tuple[float, int, Path]]:
        found: list[tuple[float, int, Path]] = []
        for folder in self._folder.iterdir():
            for path in folder.iterdir() if folder.is_dir() else ():
                with contextlib.suppress(FileNotFoundError):
                    status = path.stat()
                    found.append((status.st_mtime, status.st_size, path))
        return found

    @contextlib.contextmanager
    def _alone(self) -> Generator[None]:
        with (self._folder / "lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield
