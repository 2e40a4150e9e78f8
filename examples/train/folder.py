"""Which checkpoints a folder holds, which of them to resume and which to prune.

A checkpoint is complete when its `.metadata`, which DCP renames into place last, is there and every file is
at least as long as it says. Invariant: a folder loses `.metadata` before anything else, so that a removal
that is interrupted leaves an incomplete checkpoint and never a damaged one.

`.metadata` is a pickle: whoever restores files into the folder vouches for their digests beforehand.
"""

import fcntl
import os
import pickle
import re
import shutil
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from torch.distributed.checkpoint.filesystem import FileSystemReader

from examples.train.errors import FolderBusy, ResumeRefused

_NAME = re.compile(r"step-(\d{8})")
_UNREADABLE = (pickle.UnpicklingError, EOFError, AttributeError, ImportError, LookupError, TypeError, ValueError)


@dataclass(frozen=True)
class Found:
    """A checkpoint folder; `fault` says why it is incomplete, None that it is complete."""

    step: int
    path: Path
    fault: str | None


def folder_of(root: Path, step: int) -> Path:
    """Where the checkpoint of `step` lives."""
    return root / f"step-{step:08d}"


def fault_of(folder: Path) -> str | None:
    """Why the checkpoint is incomplete, None if it is complete."""
    try:
        stored = FileSystemReader(folder).read_metadata().storage_data
    except FileNotFoundError:
        return "no .metadata"
    except _UNREADABLE as error:
        return f".metadata cannot be read: {error!r}"
    needed: dict[str, int] = {}
    for part in (stored or {}).values():
        needed[part.relative_path] = max(needed.get(part.relative_path, 0), part.offset + part.length)
    if not needed:
        return ".metadata names no files"
    for name, length in needed.items():
        try:
            present = (folder / name).stat().st_size
        except FileNotFoundError:
            return f"{name} is missing"
        if present < length:
            return f"{name} has {present} bytes of {length}"
    return None


def survey(root: Path) -> Iterator[Found]:
    """The checkpoints, newest first; each is read only when it is asked for."""
    if not root.is_dir():
        return
    names = sorted((entry.name for entry in root.iterdir() if entry.is_dir()), reverse=True)
    for name in names:
        if match := _NAME.fullmatch(name):
            yield Found(int(match[1]), root / name, fault_of(root / name))


def choose(found: Iterable[Found], required: int | None) -> tuple[Found | None, list[Found]]:
    """The checkpoint to resume (None: start anew) and the incomplete ones passed over on the way to it.

    ResumeRefused if the required step is not there complete.
    """
    passed: list[Found] = []
    for checkpoint in found:
        if required is not None and checkpoint.step > required:
            continue
        if required is not None and checkpoint.step < required:
            break
        if checkpoint.fault is None:
            return checkpoint, passed
        if required is not None:
            raise ResumeRefused(f"step {required} is required and incomplete: {checkpoint.fault}")
        passed.append(checkpoint)
    if required is not None:
        raise ResumeRefused(f"step {required} is required and not in the folder; restore it, or ask for another")
    return None, passed


def surplus(found: Iterable[Found], keep: int) -> list[Found]:
    """Complete checkpoints beyond the newest `keep` (0: none is surplus), oldest first."""
    complete = [checkpoint for checkpoint in found if checkpoint.fault is None]
    return complete[keep:][::-1] if keep else []


def remove(folder: Path) -> None:
    """Remove one checkpoint, `.metadata` first; nothing happens if it is not there."""
    (folder / ".metadata").unlink(missing_ok=True)
    if folder.exists():
        shutil.rmtree(folder)


def hold(root: Path, patience_s: float = 10.0) -> int:
    """Make the folder if needed and become its only writer until this process ends; the lock's descriptor.

    A run that was just killed may take a moment to let go; FolderBusy if it has not after `patience_s`.
    """
    root.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(root, os.O_RDONLY)
    until = time.monotonic() + patience_s
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            if time.monotonic() > until:
                os.close(descriptor)
                raise FolderBusy(f"another run writes to {root}; stop it, or choose another folder") from error
            time.sleep(0.1)
        else:
            return descriptor


def sync(folder: Path) -> None:
    """Make the folder's names survive a power cut; DCP syncs only what is in the files."""
    for path in (folder, folder.parent):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
