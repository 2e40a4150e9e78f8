"""How much room a spool's entries take, and whether there is any.

Links to files that the trainer still holds count too: it may prune them at any time.
"""

from __future__ import annotations

import tempfile
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from replicator.service.spool import Entry


def size_of(entry: Entry) -> int:
    """Bytes of its files; those that went meanwhile count nothing."""
    total = 0
    for name in entry.names:
        with suppress(FileNotFoundError):
            total += (entry.files / name).stat().st_size
    return total


def not_writable(folder: Path) -> str | None:
    """Why nothing can be written to `folder`; None if something was."""
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(b"drstack")
            file.flush()
    except OSError as error:
        return f"{folder}: {error.strerror}"
    return None
