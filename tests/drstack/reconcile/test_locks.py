"""Locks as backends keep them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from drstack.reconcile.locks import FOLDER, BucketLocks, NoLocks, locks_of
from replicator.stores.cloud import memory_store

if TYPE_CHECKING:
    from pathlib import Path

BODY = json.dumps({"pid": 3, "username": "ana", "hostname": "vm", "timestamp": "2026-11-21T06:01:56.05Z"}).encode()


def test_a_folder_without_locks_has_none(tmp_path: Path):
    assert locks_of(tmp_path.as_uri(), "drstack", "gpt.east").list() == []


def test_a_lock_in_a_folder_is_removed_by_its_name_and_a_newer_one_stays(tmp_path: Path):
    folder = tmp_path / "a folder"
    locks = locks_of(folder.as_uri(), "drstack", "gpt.east")
    (folder / FOLDER / "drstack" / "gpt.east").mkdir(parents=True)
    (folder / FOLDER / "drstack" / "gpt.east" / "1.json").write_bytes(BODY)
    [lock] = locks.list()
    (folder / FOLDER / "drstack" / "gpt.east" / "2.json").write_bytes(BODY)
    locks.remove(lock)
    locks.remove(lock)
    assert [each.key for each in locks.list()] == ["2.json"]


def test_a_lock_in_a_bucket_is_found_and_removed():
    store = memory_store()
    store.create("gpt.east/1.json", BODY)
    store.create("gpt.east2/1.json", BODY)
    locks = BucketLocks(store, "gpt.east")
    [lock] = locks.list()
    assert (lock.pid, lock.host) == (3, "vm")
    locks.remove(lock)
    assert locks.list() == []
    assert len(BucketLocks(store, "gpt.east2").list()) == 1


def test_other_backends_show_no_locks_and_refuse_by_themselves():
    assert isinstance(locks_of("azblob://acme", "drstack", "gpt.east"), NoLocks)
    assert locks_of("https://api.pulumi.com", "drstack", "gpt.east").list() == []
