"""Writing so that it is there after a power cut."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import shutil
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def link_or_copy(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError as error:
        if error.errno not in (errno.EXDEV, errno.EPERM, errno.EMLINK, errno.EOPNOTSUPP):
            raise
        shutil.copy2(source, target)


def write_durably(path: Path, body: bytes) -> None:
    staged = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with staged.open("wb") as file:
            file.write(body)
            file.flush()
            os.fsync(file.fileno())
        staged.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            staged.unlink(missing_ok=True)
        raise
    sync(path.parent)


def touch_durably(path: Path) -> None:
    """An empty file, for which also a full disk has room."""
    path.touch()
    sync(path.parent)


def sync_tree(folder: Path) -> None:
    """Make everything below `folder` survive a power cut: what is pushed after one must be what was admitted."""
    for path in [folder, *folder.rglob("*")]:
        if not path.is_symlink():
            sync(path)


def sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
