"""Reading ranges of a checkpoint's files, never whole ones.

Invariant: nothing outside the checkpoint's folder is opened, nothing that is not a regular file is read, and a
`Window` gives no byte outside its range and no more bytes in all than its budget.
"""

from __future__ import annotations

import io
import os
import stat
import unicodedata
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from replicator.formats.errors import PathRefused, SourceUnreadable

if TYPE_CHECKING:
    from collections.abc import Generator

    from _typeshed import WriteableBuffer

MAX_PATH_CHARS = 4096
UNPRINTABLE = frozenset({"Cc", "Cs"})
"""Control characters, and the surrogates that stand for bytes that are no text."""


def check_relative(path: str) -> str:
    """`path` unchanged if it is a normal relative posix path that stays inside its root; raises PathRefused."""
    pure = PurePosixPath(path)
    if (
        not path
        or len(path) > MAX_PATH_CHARS
        or pure.is_absolute()
        or str(pure) != path
        or path == "."
        or ".." in pure.parts
        or "\\" in path
        or any(unicodedata.category(char) in UNPRINTABLE for char in path if not char.isprintable())
    ):
        raise PathRefused(f"{path[:200]!r} is not a plain path inside the checkpoint")
    return path


@dataclass(frozen=True, slots=True)
class Source:
    """One open file: its descriptor, its name below the root, and its length when it was opened."""

    fd: int
    name: str
    size_bytes: int

    def read(self, offset: int, length: int) -> bytes:
        """Exactly `length` bytes from `offset`; raises SourceUnreadable where the file has fewer."""
        if offset < 0 or length < 0 or offset + length > self.size_bytes:
            raise SourceUnreadable(f"`{self.name}` has {self.size_bytes} of {offset + length} bytes")
        pieces: list[bytes] = []
        while length:
            try:
                piece = os.pread(self.fd, min(length, 1 << 30), offset)
            except OSError as error:
                raise SourceUnreadable(f"`{self.name}`: {error.strerror}") from error
            if not piece:
                raise SourceUnreadable(f"`{self.name}` became shorter while it was read")
            pieces.append(piece)
            offset += len(piece)
            length -= len(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def window(self, offset: int, length: int, *, budget_bytes: int) -> Window:
        if offset < 0 or length < 0 or offset + length > self.size_bytes:
            raise SourceUnreadable(f"`{self.name}` has {self.size_bytes} of {offset + length} bytes")
        return Window(self, offset, length, budget_bytes)


class Window(io.RawIOBase):
    """A range of a file as a file of its own, for parsers that want one. Raises SourceUnreadable past its budget."""

    def __init__(self, source: Source, start: int, length: int, budget_bytes: int) -> None:
        super().__init__()
        self.source = source
        self.start = start
        self.length = length
        self._budget_bytes = budget_bytes
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET, /) -> int:
        base = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self.length}[whence]
        if base + offset < 0:
            raise OSError(22, "seek before the start")
        self._position = base + offset
        return self._position

    def read(self, size: int = -1, /) -> bytes:
        left = max(0, self.length - self._position)
        wanted = left if size < 0 else min(size, left)
        self._budget_bytes -= wanted
        if self._budget_bytes < 0:
            raise SourceUnreadable(f"`{self.source.name}`: reading its directory takes too many bytes")
        piece = self.source.read(self.start + self._position, wanted)
        self._position += wanted
        return piece

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        view = memoryview(buffer).cast("B")
        piece = self.read(len(view))
        view[: len(piece)] = piece
        return len(piece)


@contextmanager
def open_source(root: Path, name: str) -> Generator[Source]:
    """Open the regular file `name` below `root`; raises PathRefused or SourceUnreadable."""
    check_relative(name)
    try:
        path = (root / name).resolve(strict=True)
        if not path.is_relative_to(root.resolve(strict=True)):
            raise PathRefused(f"`{name}` is a link that leads out of the checkpoint")
        fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, RuntimeError) as error:
        raise SourceUnreadable(f"`{name}` cannot be opened: {error}") from error
    try:
        status = os.fstat(fd)
        if not stat.S_ISREG(status.st_mode):
            raise SourceUnreadable(f"`{name}` is not a regular file")
        yield Source(fd, name, status.st_size)
    finally:
        os.close(fd)
