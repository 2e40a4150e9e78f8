"""What a drill may do with the real environment's stores: read, and nothing else."""

from __future__ import annotations

import pytest

from drstack.drills.stores import LostStore, ReadOnlyStore
from replicator.errors import StoreError, StoreUnavailable
from replicator.stores.cloud import memory_store


def test_a_real_store_is_read_and_never_written():
    real = memory_store()
    real.create("a/b", b"12345")
    seen = ReadOnlyStore(real)
    assert (seen.get("a/b"), seen.get_range("a/b", 1, 2), seen.size("a/b"), list(seen.list("a"))) == (
        b"12345",
        b"23",
        5,
        ["a/b"],
    )
    for act in (lambda: seen.create("a/c", b"x"), lambda: seen.delete("a/b")):
        with pytest.raises(StoreError, match="only reads"):
            act()
    assert list(real.list("a")) == ["a/b"]


def test_nothing_of_a_lost_site_answers():
    lost = LostStore("site east", "lost, as this drill plays it")
    tries = (
        lambda: lost.create("a", b""), lambda: lost.get("a"), lambda: lost.get_range("a", 0, 1), lambda: lost.size("a"),
        lambda: lost.list("a"), lambda: lost.delete("a"),
    )  # fmt: skip
    for act in tries:
        with pytest.raises(StoreUnavailable, match="as this drill plays it"):
            act()
