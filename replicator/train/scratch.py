"""A folder that lives as long as its process: what a save writes before it is shipped, what a load fetches.

Invariant: a folder whose lock is held is never touched; one that a killed process left goes at the next start.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
from pathlib import Path

_PREFIX = "drstack-train-"
_LOCK = "lock"


class Scratch:
    """A new folder `files` below `parent` (the system's temporary folder by default), held until `close`."""

    def __init__(self, parent: str | os.PathLike[str] | None = None) -> None:
        place = Path(parent) if parent is not None else Path(tempfile.gettempdir())
        place.mkdir(parents=True, exist_ok=True)
        _sweep(place)
        making = Path(tempfile.mkdtemp(prefix=f".{_PREFIX}", dir=place))
        self._lock = os.open(making / _LOCK, os.O_CREAT | os.O_RDWR, 0o600)
        fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        self._folder = making.rename(place / making.name[1:])  # held before another rank's sweep can see it
        self.files = self._folder / "files"
        self.files.mkdir()

    def close(self) -> None:
        """Remove the folder. A second time changes nothing."""
        if self._lock < 0:
            return
        shutil.rmtree(self._folder, ignore_errors=True)
        os.close(self._lock)
        self._lock = -1

    def __del__(self) -> None:
        if getattr(self, "_lock", -1) >= 0:
            self.close()


def _sweep(place: Path) -> None:
    """Remove what killed processes left: folders of ours whose lock nobody holds."""
    for leftover in place.glob(f"{_PREFIX}*"):
        with contextlib.suppress(OSError):  # another user's, or gone meanwhile
            lock = os.open(leftover / _LOCK, os.O_RDWR)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(leftover, ignore_errors=True)
            finally:
                os.close(lock)
