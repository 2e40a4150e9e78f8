"""A full disk, and a store that applies writes late and in another order: nothing partial is ever handed on."""

from __future__ import annotations

import random
import shutil
import subprocess

import pytest

from replicator.errors import DataCorrupt, KeyMissing, StoreError
from replicator.repository.repository import newest_recovery_point
from replicator.repository.restore import restore
from replicator.repository.ship import ship
from replicator.repository.verify import verify
from replicator.stores.cloud import memory_store
from replicator.stores.local import LocalStore
from tests.replicator.repository.rig import checkpoint, contents, push, repository
from tools.notrun import not_run


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 1 MiB."""
    folder = tmp_path / "small"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)], capture_output=True, timeout=10, check=False
    )
    if mounted.returncode:
        not_run(f"no tmpfs can be mounted here: {mounted.stderr.decode().strip()}")
    yield folder
    subprocess.run(["umount", str(folder)], check=True, timeout=10)


def test_a_full_disk_at_the_destination_is_said_and_the_push_ends_once_there_is_room(tmp_path, small_disk):
    ballast = small_disk / "ballast"
    ballast.write_bytes(b"x" * 700_000)
    there = repository(LocalStore(small_disk))
    snapshot = checkpoint(tmp_path / "a", 10, size=600_000)
    with pytest.raises(StoreError, match="no space left"):
        ship(push(1, 10), snapshot, there)
    assert there.log("gpt").view().accepted == {}
    ballast.unlink()
    accepted = ship(push(1, 10), snapshot, there)
    restore(there, accepted, tmp_path / "b")
    assert contents(tmp_path / "b") == contents(tmp_path / "a")
    assert list((small_disk / ".staging").iterdir()) == []


def test_a_full_disk_at_the_restoring_site_leaves_nothing_behind(tmp_path, small_disk):
    there = repository()
    accepted = ship(push(1, 10), checkpoint(tmp_path / "a", 10, size=3_000_000), there)
    with pytest.raises(Exception, match="No space left"):
        restore(there, accepted, small_disk / "out")
    assert list(small_disk.iterdir()) == []


class LateStore:
    """Says that a write is done and applies it later, in any order: a store that breaks its word."""

    def __init__(self, dice: random.Random) -> None:
        self.inner = memory_store()
        self.waiting: list[tuple[str, bytes]] = []
        self.late = False
        self._dice = dice

    @property
    def url(self) -> str:
        return "memory://late"

    def create(self, key: str, body: bytes) -> None:
        if self.late and key.startswith(("packs/", "manifests/")):
            self.waiting.append((key, body))
        else:
            self.inner.create(key, body)

    def apply_one(self) -> bool:
        if not self.waiting:
            return False
        self.inner.create(*self.waiting.pop(self._dice.randrange(len(self.waiting))))
        return True

    def get(self, key: str) -> bytes:
        for waiting, body in self.waiting:
            if self.late and waiting == key and key.startswith("manifests/"):
                return body
        return self.inner.get(key)

    def get_range(self, key: str, offset: int, length: int) -> bytes:
        return self.inner.get_range(key, offset, length)

    def size(self, key: str) -> int:
        return self.inner.size(key)

    def list(self, prefix: str):
        return self.inner.list(prefix)

    def delete(self, key: str) -> None:
        self.inner.delete(key)


@pytest.mark.parametrize("seed", range(6))
def test_with_writes_applied_late_and_out_of_order_a_checkpoint_is_whole_or_not_there(tmp_path, seed, monkeypatch):
    monkeypatch.setattr("replicator.repository.packs.PACK_BYTES", 100_000)
    for name, size in (("MIN_BYTES", 8_000), ("AVERAGE_BYTES", 32_000), ("MAX_BYTES", 64_000)):
        monkeypatch.setattr(f"replicator.repository.chunks.{name}", size)
    store = LateStore(random.Random(seed))
    there = repository(store)
    store.late = True
    accepted = ship(push(1, 10), checkpoint(tmp_path / "a", 10, size=400_000), there)
    store.late = False
    looked = 0
    while store.waiting:
        looked += 1
        with pytest.raises((DataCorrupt, KeyMissing)):
            restore(there, accepted, tmp_path / "b")
        assert not (tmp_path / "b").exists()
        verify(there, "gpt", accepted, "west")
        assert newest_recovery_point(there, "gpt", ("stored", "decoded")) is None
        store.apply_one()
    assert looked > 3
    verify(there, "gpt", accepted, "west")
    assert newest_recovery_point(there, "gpt", ("stored", "decoded")) is not None
    restore(there, accepted, tmp_path / "b")
    assert contents(tmp_path / "b") == contents(tmp_path / "a")
    shutil.rmtree(tmp_path / "b")
