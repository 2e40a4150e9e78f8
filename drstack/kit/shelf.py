"""A folder of numbered kits: the newest has the greatest number, and each is whole or absent.

A kit is made aside, made durable and renamed into place. Invariant: whatever stops a writing, full disk and power cut
included, the kits that stood before stand after it; a kit that was made ready is never removed, since what a promotion
started may run from it.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import shutil
import time
from typing import TYPE_CHECKING

from drstack.errors import KitNotMade
from drstack.kit.start import NAME, READY

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from pathlib import Path

KEEP = 3
LOCK_TIMEOUT_S = 1800.0
_ASIDE = ".new-"
_GOING = ".old-"
_SAID_EVERY_S = 2.0


def numbers(shelf: Path) -> tuple[int, ...]:
    """The kits that there are, oldest first."""
    if not shelf.is_dir():
        return ()
    return tuple(sorted(int(path.name) for path in shelf.iterdir() if path.name.isdigit() and (path / NAME).is_file()))


def newest(path: Path) -> Path:
    """The kit at `path`, or the newest of the shelf that it is."""
    known = numbers(path)
    return path / str(known[-1]) if known and not (path / NAME).exists() else path


def place(shelf: Path, fill: Callable[[Path], None], say: Callable[[str], None], *, keep: int = KEEP) -> Path:
    """Let `fill` write a kit and give it the next number; then remove all but the newest `keep`. KitNotMade."""
    try:
        shelf.mkdir(parents=True, exist_ok=True)
        with _alone(shelf, say):
            for left in (*shelf.glob(f"{_ASIDE}*"), *shelf.glob(f"{_GOING}*")):
                shutil.rmtree(left, ignore_errors=True)
            aside = shelf / f"{_ASIDE}{secrets.token_hex(4)}"
            try:
                aside.mkdir()
                fill(aside)
                _sync(aside)
                target = shelf / str(max((0, *_taken(shelf))) + 1)
                aside.rename(target)
            finally:
                shutil.rmtree(aside, ignore_errors=True)
            _sync_folder(shelf)
            _prune(shelf, keep)
    except OSError as error:
        raise KitNotMade(
            f"no kit could be written in {shelf}: {error.strerror or error}; those that were there stay",
            hint="Free space there or choose another place with --to; --no-engine leaves out the largest part.",
        ) from error
    return target


def _taken(shelf: Path) -> list[int]:
    """Numbers in use, by kits and by whatever else."""
    return [int(path.name) for path in shelf.iterdir() if path.name.isdigit()]


def _prune(shelf: Path, keep: int) -> None:
    for number in numbers(shelf)[:-keep]:
        kit = shelf / str(number)
        if not (kit / READY).exists():
            going = shelf / f"{_GOING}{number}"
            kit.rename(going)
            shutil.rmtree(going, ignore_errors=True)


@contextlib.contextmanager
def _alone(shelf: Path, say: Callable[[str], None]) -> Generator[None]:
    ends, said = time.monotonic() + LOCK_TIMEOUT_S, time.monotonic()
    with (shelf / ".lock").open("a") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError as error:
                if time.monotonic() > ends:
                    raise KitNotMade(f"another kit was being written in {shelf} for {LOCK_TIMEOUT_S:.0f} s") from error
                if time.monotonic() - said > _SAID_EVERY_S:
                    said = time.monotonic()
                    say(f"waiting: another kit is being written in {shelf}")
                time.sleep(0.1)
        yield


def _sync(folder: Path) -> None:
    for parent, _, names in os.walk(folder, topdown=False):
        for name in names:
            path = os.path.join(parent, name)  # noqa: PTH118 - what os.walk gave is a string
            if not os.path.islink(path):  # noqa: PTH114 - the same
                _sync_path(path)
        _sync_path(parent)


def _sync_folder(folder: Path) -> None:
    _sync_path(str(folder))


def _sync_path(path: str) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
