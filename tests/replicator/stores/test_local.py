"""LocalStore: the contract, and what only a folder can do to us: go away, fill up, and be left by a killed process."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from replicator.errors import KeyExists, KeyMissing, StoreError, StoreUnavailable
from replicator.log.claim import claim
from replicator.stores.local import LocalStore
from tests.replicator.stores.contract import AwayContract, StoreContract

if TYPE_CHECKING:
    from collections.abc import Callable

    from replicator.stores.store import ObjectStore


class TestLocal(StoreContract):
    @pytest.fixture
    def bare(self, tmp_path: Path) -> ObjectStore:
        return LocalStore(tmp_path)

    @pytest.fixture
    def reopen(self, tmp_path: Path) -> Callable[[], ObjectStore]:
        return lambda: LocalStore(tmp_path)


class TestLocalAway(AwayContract):
    @pytest.fixture
    def away(self, tmp_path: Path) -> ObjectStore:
        return LocalStore(tmp_path / "not" / "mounted")


class TestLocalGone(AwayContract):
    """The folder was there when the store was used first, and is not any more."""

    @pytest.fixture
    def away(self, tmp_path: Path) -> ObjectStore:
        root = tmp_path / "root"
        root.mkdir()
        store = LocalStore(root)
        store.create("a/c", b"x")
        store.create("b", b"x")
        shutil.rmtree(root)
        return store


def test_a_missing_root_is_a_store_that_is_away_and_is_never_made(tmp_path: Path) -> None:
    root = tmp_path / "not" / "mounted"
    store = LocalStore(root)
    for verb in (lambda: store.create("a/b", b"x"), lambda: store.get("a/b"), lambda: list(store.list("a"))):
        with pytest.raises(StoreUnavailable):
            verb()
    assert not (tmp_path / "not").exists()


def test_a_root_that_goes_away_during_a_create_is_not_made_again(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()

    class Unmounted(LocalStore):
        def _link(self, staged: Path, target: Path) -> bool:
            shutil.rmtree(root)
            return super()._link(staged, target)

    with pytest.raises(StoreUnavailable):
        Unmounted(root).create("log/w/1", b"x")
    assert not root.exists()


def test_a_root_that_is_a_file_is_away(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StoreUnavailable):
        LocalStore(tmp_path / "file").get("a")


def test_an_object_where_a_folder_would_be_needed_is_an_error_and_not_exists(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    store.create("a", b"x")
    with pytest.raises(StoreError) as refused:
        store.create("a/b", b"y")
    assert not isinstance(refused.value, KeyExists | KeyMissing)


def test_what_is_staged_is_no_object_and_is_cleared_away(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    store.create("a", b"x")
    with pytest.raises(KeyExists):
        store.create("a", b"y")
    assert list((tmp_path / ".staging").iterdir()) == []
    assert sorted(path.name for path in tmp_path.iterdir()) == [".staging", "a"]


def test_what_killed_writers_left_half_written_goes_once_it_is_old_and_no_object_with_it(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    assert store.unstage(1e12) == 0
    store.create("a", b"x")
    for name, at in (("old", 100.0), ("young", 200.0)):
        (tmp_path / ".staging" / name).write_bytes(b"half")
        os.utime(tmp_path / ".staging" / name, (at, at))
    assert store.unstage(150.0) == 1
    assert [path.name for path in (tmp_path / ".staging").iterdir()] == ["young"]
    assert store.get("a") == b"x"


def test_a_folder_that_cannot_be_read_is_an_error_and_not_an_empty_list(tmp_path: Path) -> None:
    store = LocalStore(tmp_path)
    store.create("a/b", b"x")
    loop = tmp_path / "a" / "loop"
    loop.symlink_to(loop)
    with pytest.raises(StoreError):
        list(store.list("a/loop"))


def test_says_created_or_exists_only_after_the_name_and_every_folder_above_it_were_synced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[str] = []
    real = os.fsync

    def recording(descriptor: int) -> None:
        real(descriptor)
        synced.append(Path(f"/proc/self/fd/{descriptor}").readlink().relative_to(tmp_path).as_posix())

    LocalStore(tmp_path).create("packs/aa/one", b"x")  # by another process, which may have died before it synced
    monkeypatch.setattr(os, "fsync", recording)
    mine = LocalStore(tmp_path)
    mine.create("packs/aa/two", b"x")
    assert {".", "packs", "packs/aa"} <= set(synced)
    synced.clear()
    with pytest.raises(KeyExists):
        mine.create("packs/aa/one", b"x")
    assert "packs/aa" in synced


def test_a_record_whose_folder_cannot_be_synced_is_never_called_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = LocalStore(tmp_path)
    store.create("log/w/1", b"x")
    real = os.fsync

    def failing(descriptor: int) -> None:
        if os.path.isdir(f"/proc/self/fd/{descriptor}"):  # noqa: PTH112 - a link of the kernel's
            raise OSError(errno.EIO, "Input/output error")
        real(descriptor)

    monkeypatch.setattr(os, "fsync", failing)
    with pytest.raises(StoreError, match="not synced"):
        claim(store, "log/w/2", b"y", sleep=lambda _: None)
