"""One watcher for a spool: two would number the same checkpoints twice.

The lock is the kernel's and ends with its process, however that ends.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
from typing import TYPE_CHECKING

from replicator.errors import ReplicatorError

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

_NO_LOCKS = {errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS}


@contextlib.contextmanager
def holding(spool: Path) -> Generator[None]:
    """ReplicatorError if another process holds the spool. Nothing is held where the file system has no locks."""
    spool.mkdir(parents=True, exist_ok=True)
    with (spool / "lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ReplicatorError(
                f"{spool} is in use: another watch follows this folder", hint="Stop that one, or name another --spool."
            ) from error
        except OSError as error:
            if error.errno not in _NO_LOCKS:
                raise
        yield
