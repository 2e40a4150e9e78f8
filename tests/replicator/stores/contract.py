"""What every object store keeps, whatever is behind it. A store's own test file subclasses the two suites below.

A subclass gives `bare`, a fresh store, and `reopen`, which opens the same store anew as another process would.
"""

from __future__ import annotations

import itertools
import secrets
import threading
import time
from typing import TYPE_CHECKING

import pytest

from replicator.errors import KeyExists, KeyMissing, StoreError
from replicator.stores.aged import aged
from replicator.stores.faults import FaultyStore
from replicator.stores.retry import RetryingStore
from replicator.stores.throttle import ThrottledStore

if TYPE_CHECKING:
    from collections.abc import Callable

    from replicator.stores.store import ObjectStore

THREADS = 8
KEYS = 10
BIG = 20 * 1024 * 1024
REFUSED = [
    "", "/", "/a", "a/", "a//b", "..", "../a", "a/../b", "a/.", ".staging/a", "a/.hidden", "-a", "_a", "a b", "a\n",
    "a\\b", "a:b", "ü", "a\x00b", "x" * 901,
]  # fmt: skip


class NoFaults:
    def before(self, verb: str, key: str) -> None:
        """Let it pass."""

    def after(self, verb: str, key: str) -> None:
        """Let it pass."""

    def filter(self, key: str, body: bytes) -> bytes:
        return body


def retrying(store: ObjectStore) -> ObjectStore:
    return RetryingStore(store, attempts=2, within_s=5.0, wait_s=0.01)


def throttled(store: ObjectStore) -> ObjectStore:
    return ThrottledStore(store, rate_bytes_per_s=1e9, clock=time.monotonic, sleep=time.sleep)


def faulty(store: ObjectStore) -> ObjectStore:
    return FaultyStore(store, NoFaults())


WRAPPERS: dict[str, Callable[[ObjectStore], ObjectStore]] = {
    "bare": lambda store: store, "retrying": retrying, "throttled": throttled, "faulty": faulty,
}  # fmt: skip


class StoreContract:
    @pytest.fixture(params=WRAPPERS)
    def store(self, request: pytest.FixtureRequest, bare: ObjectStore) -> ObjectStore:
        return WRAPPERS[request.param](bare)

    def test_reads_back_what_was_created(self, store: ObjectStore) -> None:
        store.create("a/b/c.txt", b"hello")
        assert store.get("a/b/c.txt") == b"hello"
        assert store.size("a/b/c.txt") == 5

    def test_another_process_sees_an_object_at_once(
        self, store: ObjectStore, reopen: Callable[[], ObjectStore]
    ) -> None:
        store.create("a", b"hello")
        assert reopen().get("a") == b"hello"

    def test_says_of_each_object_when_it_was_made_in_the_order_in_which_they_were(self, bare: ObjectStore) -> None:
        for key in ("aged/b", "aged/sub/a", "elsewhere/c"):
            bare.create(key, b"hello")
        for store in (bare, retrying(bare), faulty(bare)):
            found = sorted(aged(store, "aged"), key=lambda each: each.key)
            assert [(each.key, each.size_bytes) for each in found] == [("aged/b", 5), ("aged/sub/a", 5)]
            assert found[0].modified_at <= found[1].modified_at
            assert abs(found[0].modified_at - time.time()) < 3600

    def test_a_second_create_says_exists_and_the_first_bytes_stay(self, store: ObjectStore) -> None:
        store.create("log/w/1", b"first")
        for body in (b"second", b"first", b""):
            with pytest.raises(KeyExists):
                store.create("log/w/1", body)
        assert store.get("log/w/1") == b"first"

    def test_exactly_one_of_eight_threads_wins_each_of_ten_keys(
        self, store: ObjectStore, reopen: Callable[[], ObjectStore]
    ) -> None:
        wins: list[tuple[str, bytes]] = []
        trouble: list[Exception] = []
        ready = threading.Barrier(THREADS)

        def compete() -> None:
            for n in range(KEYS):
                body = secrets.token_bytes(1000)
                ready.wait()
                try:
                    store.create(f"race/{n}", body)
                except KeyExists:
                    continue
                except Exception as error:  # noqa: BLE001 - told below
                    trouble.append(error)
                else:
                    wins.append((f"race/{n}", body))

        threads = [threading.Thread(target=compete) for _ in range(THREADS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert trouble == []
        assert sorted(key for key, _ in wins) == sorted(f"race/{n}" for n in range(KEYS))
        again = reopen()
        assert all(again.get(key) == body for key, body in wins)

    def test_a_range_ends_where_the_object_ends(self, store: ObjectStore) -> None:
        store.create("a", b"0123456789")
        assert store.get_range("a", 0, 3) == b"012"
        assert store.get_range("a", 4, 2) == b"45"
        assert store.get_range("a", 7, 100) == b"789"
        assert store.get_range("a", 9, 1) == b"9"

    def test_a_range_beyond_the_end_or_of_no_length_is_empty(self, store: ObjectStore) -> None:
        store.create("a", b"0123456789")
        store.create("empty", b"")
        for key, offset, length in (("a", 10, 1), ("a", 99, 5), ("a", 3, 0), ("empty", 0, 5), ("empty", 0, 0)):
            assert store.get_range(key, offset, length) == b""

    def test_a_missing_object_is_missing_to_every_read(self, store: ObjectStore) -> None:
        store.create("there/a", b"x")
        for key in ("gone", "there/b", "there", "there/a/below"):
            with pytest.raises(KeyMissing):
                store.get(key)
            with pytest.raises(KeyMissing):
                store.size(key)
            for length in (0, 1):
                with pytest.raises(KeyMissing):
                    store.get_range(key, 0, length)

    def test_an_empty_object_is_an_object(self, store: ObjectStore) -> None:
        store.create("empty", b"")
        assert store.get("empty") == b""
        assert store.size("empty") == 0
        with pytest.raises(KeyExists):
            store.create("empty", b"x")

    def test_deletes_the_object_and_only_that(self, store: ObjectStore) -> None:
        for key in ("a/b", "a/b.c", "a/c/d"):
            store.create(key, b"x")
        store.delete("a/b")
        assert sorted(store.list("a")) == ["a/b.c", "a/c/d"]
        with pytest.raises(KeyMissing):
            store.get("a/b")

    def test_deleting_what_is_not_there_is_no_error_and_takes_nothing_along(self, store: ObjectStore) -> None:
        store.create("a/b/c", b"x")
        for key in ("gone", "a/gone", "a/b", "a/b/c/d"):
            store.delete(key)
        assert store.get("a/b/c") == b"x"

    def test_lists_only_what_lies_below_the_prefix(self, store: ObjectStore) -> None:
        for key in ("log/w/1", "log/w/2", "log/w2/1", "logs/w/1", "log/w.old/1", "lo"):
            store.create(key, b"x")
        assert sorted(store.list("log/w")) == ["log/w/1", "log/w/2"]
        assert sorted(store.list("log")) == ["log/w.old/1", "log/w/1", "log/w/2", "log/w2/1"]
        assert list(store.list("log/w/1")) == []
        assert list(store.list("nothing/here")) == []

    def test_lists_more_than_one_page(self, bare: ObjectStore) -> None:
        keys = {f"many/{n:04d}" for n in range(1100)}
        for key in keys:
            bare.create(key, b"")
        assert set(bare.list("many")) == keys

    def test_never_lists_what_was_not_created_under_a_key(self, store: ObjectStore) -> None:
        store.create("a/b", b"x")
        with pytest.raises(KeyExists):
            store.create("a/b", b"y")
        assert list(store.list("a")) == ["a/b"]

    @pytest.mark.parametrize("key", REFUSED)
    def test_refuses_what_is_not_a_key(self, bare: ObjectStore, key: str) -> None:
        verbs: list[Callable[[], object]] = [
            lambda: bare.create(key, b"x"),
            lambda: bare.get(key),
            lambda: bare.get_range(key, 0, 1),
            lambda: bare.get_range(key, 0, 0),
            lambda: bare.size(key),
            lambda: bare.delete(key),
            lambda: list(bare.list(key)),
        ]
        for verb in verbs:
            with pytest.raises(StoreError, match="is not a key"):
                verb()

    def test_takes_twenty_megabytes_whole(self, store: ObjectStore) -> None:
        body = secrets.token_bytes(1024) * (BIG // 1024)
        store.create("packs/aa/big", body)
        assert store.size("packs/aa/big") == BIG
        assert store.get("packs/aa/big") == body
        assert store.get_range("packs/aa/big", BIG - 10, 100) == body[-10:]


class AwayContract:
    """A subclass gives `away`: a store that is not there. Nothing may say that a key is missing, or was created."""

    @pytest.fixture(params=WRAPPERS)
    def lost(self, request: pytest.FixtureRequest, away: ObjectStore) -> ObjectStore:
        return WRAPPERS[request.param](away)

    def test_a_store_that_is_away_says_so_and_not_that_keys_are_missing(self, lost: ObjectStore) -> None:
        verbs: list[Callable[[], object]] = [
            lambda: lost.get("a/b"),
            lambda: lost.get_range("a/b", 0, 1),
            lambda: lost.get_range("a/b", 0, 0),
            lambda: lost.size("a/b"),
            lambda: lost.delete("a/b"),
            lambda: list(lost.list("a")),
            lambda: lost.create("a/b", b"x"),
        ]
        said = [_said(verb) for verb in verbs]
        assert not any(isinstance(error, KeyMissing | KeyExists) for error in said)
        assert all(isinstance(error, StoreError) for error in said)


def _said(verb: Callable[[], object]) -> Exception | None:
    try:
        verb()
    except Exception as error:  # noqa: BLE001 - the caller judges it
        return error
    return None


def fresh_names() -> Callable[[], str]:
    """Bucket names that no test shares."""
    count = itertools.count(1)
    return lambda: f"bucket-{next(count)}-{secrets.token_hex(4)}"
