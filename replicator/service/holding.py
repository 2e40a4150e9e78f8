"""One process for a spool: two would number the same checkpoints twice.

The lock is the kernel's and ends with its process, however that ends.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
from typing import TYPE_CHECKING

from replicator.errors import ReplicatorError

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

_NO_LOCKS = {errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS}


@contextlib.contextmanager
def holding(spool: Path) -> Generator[None]:
    """ReplicatorError if another process ships from the spool."""
    refused = ReplicatorError(
        f"{spool} is in use: another replicator ships from this spool", hint="Stop that one, or name another spool."
    )
    held = hold(spool / ".lock", refused)
    try:
        yield
    finally:
        os.close(held)


def hold(file: Path, refused: ReplicatorError) -> int:
    """A descriptor that holds the lock on `file` until it is closed; raises `refused` if another process has it.

    Nothing is held where the file system has no locks.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    held = os.open(file, os.O_CREAT | os.O_RDWR, 0o600)
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(held)
        raise refused from error
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            os.close(held)
            raise
    return held
