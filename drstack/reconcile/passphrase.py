"""The passphrase that encrypts secrets in stacks whose state is kept in a folder or a bucket.

Decides when one is made: once, at random, readable by its owner only. Invariant: an existing one is never replaced,
since what it encrypted would be lost, and nothing prints it.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import tempfile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

BYTES = 32


def make_passphrase(file: Path) -> bool:
    """Make the file if there is none; True if this call made it."""
    if file.exists():
        return False
    file.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=file.parent, prefix=".passphrase-")
    try:
        with os.fdopen(handle, "w") as out:
            out.write(secrets.token_urlsafe(BYTES) + "\n")
            out.flush()
            os.fsync(out.fileno())
        with contextlib.suppress(FileExistsError):
            os.link(temporary, file)
            return True
    finally:
        os.unlink(temporary)  # noqa: PTH108 - what mkstemp gave is a string
    return False
