"""Files on their way: beside the destination, checked as they are written, renamed into place when all are whole.

What a killed restore left is taken up: blocks that are there and match are not fetched again. One process holds a
staging folder at a time; another one that comes meanwhile takes a folder of its own.
"""

from __future__ import annotations

import contextlib
import fcntl
import glob
import os
import secrets
import shutil
import threading
from collections import deque
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from typing import TYPE_CHECKING

from blake3 import blake3

from replicator.errors import DataCorrupt, DestinationOccupied, ReplicatorError
from replicator.repository.names import to_disk
from replicator.repository.sinks import sink

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence
    from concurrent.futures import Future
    from pathlib import Path

    from replicator.repository.ladder import Ladder
    from replicator.repository.manifest import File
    from replicator.repository.sinks import Sink

_FILES_AT_ONCE = 4
_READS_AT_ONCE = 8
_AHEAD = 3
"""Units that are read ahead for each file: with those above, what bounds the memory."""
_SUFFIX = ".restoring"
_NAME_BYTES = 180
"""The longest name to which a token is added as it is; file systems end at 255."""


class _Stopped(Exception):
    """Another file of the same restore failed; what that raised is what is told."""


@contextlib.contextmanager
def staging(destination: Path, token: str) -> Generator[Path]:
    """A folder beside `destination` for contents that `token` names, held by this process alone.

    Kept where the caller fails, for the next try; the caller removes it where no try can end otherwise.
    """
    destination.parent.mkdir(parents=True, exist_ok=True)
    folder = staging_folder(destination, token)
    held = _hold(folder)
    if held is None:
        folder = staging_folder(destination, f"{token}-{secrets.token_hex(4)}")
        held = _hold(folder)
    try:
        yield folder
    finally:
        if held is not None:
            os.close(held)


def staging_folder(destination: Path, token: str) -> Path:
    """Where contents that `token` names are staged. A long name is cut, so that this one is none too long."""
    return destination.parent / f".{_stem(destination)}.{token}{_SUFFIX}"


def _stem(destination: Path) -> str:
    name = destination.name
    return (
        name if len(os.fsencode(name)) <= _NAME_BYTES else f"{name[:40]}-{blake3(os.fsencode(name)).hexdigest()[:16]}"
    )


def leftovers(destination: Path) -> list[Path]:
    """Staging folders for `destination` that no process holds."""
    found: list[Path] = []
    for folder in destination.parent.glob(f".{glob.escape(_stem(destination))}.*{_SUFFIX}"):
        held = _hold(folder) if folder.is_dir() else None
        if held is not None:
            os.close(held)
            found.append(folder)
    return found


def _hold(folder: Path) -> int | None:
    """A lock on the folder that ends with this process; None if another has it."""
    folder.mkdir(exist_ok=True)
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    return descriptor


def missing_bytes(files: Sequence[File], folder: Path) -> int:
    """What has still to be written, by sizes alone."""
    paths = {file.path: folder / to_disk(file.path) for file in files}
    there = {name: path.stat().st_size for name, path in paths.items() if path.is_file()}
    return sum(max(0, file.size_bytes - there.get(file.path, 0)) for file in files)


def write_files(
    ladder: Ladder, files: Sequence[File], folder: Path, progress: Callable[[int], None] | None = None
) -> None:
    """Make `files` whole below `folder`, reading several ranges at once. DataCorrupt, StoreUnavailable, OSError.

    `progress` gets bytes that are there and checked, from several threads.
    """
    _drop_strangers(folder, files)
    with (
        ThreadPoolExecutor(_READS_AT_ONCE, thread_name_prefix="read") as reads,
        ThreadPoolExecutor(_FILES_AT_ONCE, thread_name_prefix="write") as writes,
    ):
        stop = threading.Event()
        jobs = [writes.submit(_Writer(ladder, file, folder, reads, progress, stop).run) for file in files]
        try:
            wait(jobs, return_when=FIRST_EXCEPTION)
        finally:
            stop.set()
            writes.shutdown(wait=False, cancel_futures=True)
        wait([job for job in jobs if not job.cancelled()])  # for what was cancelled `wait` waits for ever
        failures = [error for job in jobs if not job.cancelled() and (error := job.exception()) is not None]
        for error in failures:
            if not isinstance(error, _Stopped):
                raise error


def _drop_strangers(folder: Path, files: Sequence[File]) -> None:
    wanted = {to_disk(file.path) for file in files}
    for path in [path for path in folder.rglob("*") if not path.is_dir() or path.is_symlink()]:
        if path.is_symlink() or path.relative_to(folder).as_posix() not in wanted:
            path.unlink()


class _Writer:
    """One file: what is there and right stays, the rest is read ahead in units and written in order."""

    def __init__(
        self,
        ladder: Ladder,
        file: File,
        folder: Path,
        reads: ThreadPoolExecutor,
        progress: Callable[[int], None] | None,
        stop: threading.Event,
    ) -> None:
        self._ladder = ladder
        self._file = file
        self._path = folder / to_disk(file.path)
        self._reads = reads
        self._progress = progress
        self._stop = stop
        self._whole = blake3()

    def run(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        if self._path.exists():
            self._path.chmod(0o600)
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        with os.fdopen(descriptor, "r+b") as out:
            first = self._kept(out.fileno())
            at = os.lseek(out.fileno(), 0, os.SEEK_CUR)
            to = sink(self._path, out.fileno(), at, self._file.size_bytes, self._reads)
            try:
                self._fill(to, first)
                to.finish()
            finally:
                to.close()
            os.ftruncate(out.fileno(), self._file.size_bytes)
            if self._whole.hexdigest() != self._file.digest:
                raise DataCorrupt(f"{self._file.path} is not what its commit says")
            os.fsync(out.fileno())
            os.fchmod(out.fileno(), self._file.mode)
        os.utime(self._path, ns=(self._file.mtime_ns, self._file.mtime_ns))

    def _kept(self, descriptor: int) -> int:
        """How many blocks from the beginning are there already; the file is cut behind them."""
        manifest = self._ladder.manifest
        blocks = manifest.blocks
        at = 0
        count = 0
        os.lseek(descriptor, 0, os.SEEK_SET)
        for index in self._file.blocks if os.fstat(descriptor).st_size else ():
            there = _read(descriptor, blocks[index].size_bytes)
            if manifest.block_name(blake3(there).hexdigest()) != blocks[index].digest:
                break
            self._whole.update(there)
            self._tell(len(there))
            at += len(there)
            count += 1
        os.ftruncate(descriptor, at)
        os.lseek(descriptor, at, os.SEEK_SET)
        return count

    def _fill(self, to: Sink, first: int) -> None:
        waiting: deque[Future[bytes]] = deque()
        units = self._ladder.units(self._file, first=first)
        try:
            for unit in units:
                if self._stop.is_set():
                    raise _Stopped(self._file.path)
                waiting.append(self._reads.submit(self._ladder.read, unit))
                if len(waiting) > _AHEAD:
                    self._take(to, waiting.popleft())
            while waiting:
                self._take(to, waiting.popleft())
        finally:
            for each in waiting:
                each.cancel()

    def _take(self, to: Sink, coming: Future[bytes]) -> None:
        plain = coming.result()
        self._whole.update(plain)
        to.put(plain)
        self._tell(len(plain))

    def _tell(self, count: int) -> None:
        if self._progress is not None:
            self._progress(count)


def _read(descriptor: int, length: int) -> bytes:
    pieces: list[bytes] = []
    while length and (piece := os.read(descriptor, length)):
        pieces.append(piece)
        length -= len(piece)
    return b"".join(pieces)


def place(folder: Path, destination: Path, same: Callable[[], bool]) -> None:
    """Give `folder` its final name, lastingly. DestinationOccupied unless what appeared there meanwhile is the `same`."""
    for path in [folder, *folder.rglob("*")]:
        if path.is_dir():
            sync_folder(path)
    try:
        folder.rename(destination)
    except OSError as error:
        if not same():
            raise DestinationOccupied(f"{destination} appeared while it was being restored") from error
        shutil.rmtree(folder)
    sync_folder(destination.parent)


def require_room(destination: Path, needed: int) -> None:
    """ReplicatorError if the file system of `destination` has less than `needed` bytes."""
    place_ = destination
    while not place_.exists():
        place_ = place_.parent
    free = shutil.disk_usage(place_).free
    if free < needed:
        raise ReplicatorError(
            f"No space left for {destination}: {needed:,} bytes are needed, {free:,} are free",
            hint="Free space there, or use another --to. Nothing was fetched.",
        )


def sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
