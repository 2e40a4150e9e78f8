"""A folder as a store: create is a temporary file, fsync, link(), fsync of the folder (DESIGN, rule 2).

A process killed at any point leaves either no object or the whole object under its key; `O_EXCL` would leave
an empty one that blocks the slot for good. Neither "created" nor "exists" is said before the object's name, and
every folder above it, was synced: who builds on an object may rely on it after a power cut.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from replicator.disk import is_full
from replicator.errors import KeyExists, KeyMissing, StoreError, StoreUnavailable
from replicator.stores.aged import Aged
from replicator.stores.store import check_key

if TYPE_CHECKING:
    from collections.abc import Iterator

_STAGING = ".staging"


class LocalStore:
    """Objects are files below `root`, which must exist: a missing root is a store that is away."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._durable: set[Path] = set()

    @property
    def url(self) -> str:
        return self._root.absolute().as_uri()

    def create(self, key: str, body: bytes) -> None:
        target = self._root / check_key(key)
        staged = self._stage(body)
        try:
            made = self._link(staged, target)
        except OSError as error:
            raise _translate(error, key, self.url) from error
        finally:
            with contextlib.suppress(OSError):
                staged.unlink(missing_ok=True)
        try:
            _sync_folder(target.parent)
        except OSError as error:  # not OutcomeUnknown: reading it back would not tell whether it lasts
            raise StoreError(f"{self.url}: {key} is there, but its folder was not synced: {error.strerror}") from error
        if not made:
            raise KeyExists(f"{key} exists in {self.url}")

    def get(self, key: str) -> bytes:
        try:
            return (self._root / check_key(key)).read_bytes()
        except OSError as error:
            raise self._missing_or(error, key) from error

    def get_range(self, key: str, offset: int, length: int) -> bytes:
        try:
            with (self._root / check_key(key)).open("rb") as file:
                file.seek(offset)
                return file.read(length)
        except OSError as error:
            raise self._missing_or(error, key) from error

    def size(self, key: str) -> int:
        try:
            status = (self._root / check_key(key)).stat()
        except OSError as error:
            raise self._missing_or(error, key) from error
        if not stat.S_ISREG(status.st_mode):
            raise KeyMissing(f"{key} is a folder in {self.url}")
        return status.st_size

    def list(self, prefix: str) -> Iterator[str]:
        self._require_root()
        top = self._root / check_key(prefix)

        def trouble(error: OSError) -> None:
            if not isinstance(error, FileNotFoundError | NotADirectoryError):
                raise _translate(error, prefix, self.url) from error

        for folder, _, names in os.walk(top, onerror=trouble):
            for name in names:
                yield (Path(folder) / name).relative_to(self._root).as_posix()

    def aged(self, prefix: str) -> Iterator[Aged]:
        for key in self.list(prefix):
            with contextlib.suppress(FileNotFoundError):
                status = (self._root / key).stat()
                yield Aged(key, status.st_mtime, status.st_size)

    def unstage(self, before: float) -> int:
        """A writer that was only stopped, and goes on, fails to make its object; none is ever made half."""
        self._require_root()
        gone = 0
        folder = self._root / _STAGING
        for staged in sorted(folder.iterdir()) if folder.is_dir() else ():
            with contextlib.suppress(FileNotFoundError):
                if staged.stat().st_mtime < before:
                    staged.unlink()
                    gone += 1
        return gone

    def delete(self, key: str) -> None:
        self._require_root()
        try:
            (self._root / check_key(key)).unlink(missing_ok=True)
        except (IsADirectoryError, NotADirectoryError):
            return
        except OSError as error:
            raise _translate(error, key, self.url) from error

    def _stage(self, body: bytes) -> Path:
        self._require_root()
        staged = self._root / _STAGING / secrets.token_hex(12)
        try:
            staged.parent.mkdir(exist_ok=True)
            with staged.open("xb") as file:
                file.write(body)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            with contextlib.suppress(OSError):
                staged.unlink(missing_ok=True)
            raise _translate(error, "a staged object", self.url) from error
        return staged

    def _link(self, staged: Path, target: Path) -> bool:
        self._make_folders(target.parent)
        try:
            os.link(staged, target)
        except FileExistsError:
            return False
        return True

    def _make_folders(self, folder: Path) -> None:
        """Make `folder` below the root, never the root itself; each is synced once even if another process made it."""
        if folder == self._root or (folder in self._durable and folder.is_dir()):
            return
        self._make_folders(folder.parent)
        with contextlib.suppress(FileExistsError):
            folder.mkdir()
        _sync_folder(folder.parent)
        self._durable.add(folder)

    def _missing_or(self, error: OSError, key: str) -> StoreError:
        if isinstance(error, FileNotFoundError | NotADirectoryError | IsADirectoryError):
            self._require_root()
            return KeyMissing(f"{key} is not in {self.url}")
        return _translate(error, key, self.url)

    def _require_root(self) -> None:
        if not self._root.is_dir():
            raise StoreUnavailable(f"{self.url}: the folder is not there")


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _translate(error: OSError, key: str, url: str) -> StoreError:
    if is_full(error):
        return StoreError(f"{url}: no space left for {key}", hint="Free space there, then run the command again.")
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return StoreError(f"{url}: not allowed to touch {key}: {error.strerror}")
    if error.errno in (errno.ENOENT, errno.EIO, errno.ESTALE, errno.ETIMEDOUT, errno.EHOSTDOWN):
        return StoreUnavailable(f"{url}: {key}: {error.strerror}")
    return StoreError(f"{url}: {key}: {error.strerror}")
