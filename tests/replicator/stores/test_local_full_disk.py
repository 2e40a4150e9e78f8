"""A folder that really fills up: a small tmpfs where we may mount one, else a limit on the size of files."""

from __future__ import annotations

import contextlib
import os
import resource
import shutil
import signal
import subprocess
from typing import TYPE_CHECKING

import pytest

from replicator.errors import KeyExists, KeyMissing, OutcomeUnknown, StoreError
from replicator.stores.local import LocalStore
from tools.notrun import not_run

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ROOM = 1024 * 1024


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={ROOM}", "tmpfs", str(folder)]
    mounts = shutil.which("mount") and os.geteuid() == 0
    if mounts and subprocess.run(command, capture_output=True, check=False).returncode == 0:
        try:
            yield folder
        finally:
            subprocess.run(["umount", "-l", str(folder)], check=True)
    else:
        with _file_size_limit(ROOM // 2):
            yield folder


@contextlib.contextmanager
def _file_size_limit(size_bytes: int) -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, ignored)


def _refused(store: LocalStore, key: str) -> StoreError:
    with pytest.raises(StoreError) as refused:
        store.create(key, b"x" * 2 * ROOM)
    return refused.value


def _check(store: LocalStore, folder: Path) -> None:
    store.create("log/w/1", b"small")
    error = _refused(store, "packs/aa/big")
    assert not isinstance(error, KeyExists | KeyMissing | OutcomeUnknown)
    with pytest.raises(KeyMissing):
        store.get("packs/aa/big")
    assert list((folder / ".staging").iterdir()) == []
    assert store.get("log/w/1") == b"small"
    store.create("log/w/2", b"there is room again")
    assert store.get("log/w/2") == b"there is room again"


def test_a_full_disk_leaves_neither_object_nor_litter_and_what_fits_still_goes_in(small_disk: Path) -> None:
    _check(LocalStore(small_disk), small_disk)


def test_a_limit_on_file_sizes_leaves_neither_object_nor_litter(tmp_path: Path) -> None:
    with _file_size_limit(ROOM // 2):
        _check(LocalStore(tmp_path), tmp_path)


def test_a_full_disk_is_named_with_a_way_out(small_disk: Path) -> None:
    error = _refused(LocalStore(small_disk), "packs/aa/big")
    if not os.path.ismount(small_disk):
        not_run("mounting a tmpfs needs root")
    assert "no space left" in str(error)
    assert error.hint == "Free space there, then run the command again."


def test_a_disk_without_room_for_a_single_name_is_an_error(small_disk: Path) -> None:
    if not os.path.ismount(small_disk):
        not_run("mounting a tmpfs needs root")
    with contextlib.suppress(OSError), (small_disk / "filler").open("wb", buffering=0) as filler:
        while True:
            filler.write(b"x" * 4096)
    with pytest.raises(StoreError, match="no space left"):
        LocalStore(small_disk).create("log/w/1", b"small")
