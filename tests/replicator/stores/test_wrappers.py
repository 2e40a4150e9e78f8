"""What each wrapper adds: tries, a rate, planted faults. That they keep the contract is in the stores' own tests."""

from __future__ import annotations

import threading

import pytest

from replicator.errors import KeyExists, KeyMissing, OutcomeUnknown, StoreError, StoreUnavailable
from replicator.stores.cloud import memory_store
from replicator.stores.faults import FaultyStore
from replicator.stores.retry import RetryingStore
from replicator.stores.throttle import ThrottledStore


class Trouble:
    """Raises the errors given, one a call, before or after it takes effect; then all is well."""

    def __init__(self, *, before: list[Exception] | None = None, after: list[Exception] | None = None) -> None:
        self.early = before or []
        self.late = after or []
        self.calls: list[str] = []

    def before(self, verb: str, key: str) -> None:
        self.calls.append(verb)
        if self.early:
            raise self.early.pop(0)

    def after(self, verb: str, key: str) -> None:
        if self.late:
            raise self.late.pop(0)

    def filter(self, key: str, body: bytes) -> bytes:
        return body


def _retrying(trouble: Trouble, attempts: int = 3) -> RetryingStore:
    inner = memory_store()
    inner.create("a", b"hello")
    return RetryingStore(FaultyStore(inner, trouble), attempts=attempts, wait_s=0.001)


def test_reads_and_deletes_are_tried_again_while_the_store_is_away() -> None:
    for verb, call in (
        ("get", lambda s: s.get("a")), ("get", lambda s: s.get_range("a", 0, 1)), ("size", lambda s: s.size("a")),
        ("list", lambda s: list(s.list("a"))), ("delete", lambda s: s.delete("a")),
    ):  # fmt: skip
        trouble = Trouble(before=[StoreUnavailable("away"), StoreUnavailable("away")])
        call(_retrying(trouble))
        assert trouble.calls == [verb] * 3


def test_the_last_error_is_raised_when_the_tries_are_used_up() -> None:
    trouble = Trouble(before=[StoreUnavailable(f"away {n}") for n in range(9)])
    with pytest.raises(StoreUnavailable, match="away 2"):
        _retrying(trouble, attempts=3).get("a")
    assert len(trouble.calls) == 3


def test_an_answer_is_not_asked_for_twice() -> None:
    for error in (KeyMissing("gone"), StoreError("forbidden")):
        trouble = Trouble(before=[error])
        with pytest.raises(type(error)):
            _retrying(trouble).get("a")
        assert trouble.calls == ["get"]


def test_a_create_is_sent_once_whatever_happens() -> None:
    for error in (StoreUnavailable("away"), OutcomeUnknown("lost"), KeyExists("there")):
        trouble = Trouble(before=[error])
        with pytest.raises(type(error)):
            _retrying(trouble).create("b", b"x")
        assert trouble.calls == ["create"]


def test_a_fault_before_leaves_nothing_and_a_fault_after_leaves_the_object() -> None:
    inner = memory_store()
    store = FaultyStore(inner, Trouble(before=[OutcomeUnknown("early")], after=[OutcomeUnknown("late")]))
    with pytest.raises(OutcomeUnknown, match="early"):
        store.create("a", b"x")
    with pytest.raises(KeyMissing):
        inner.get("a")
    with pytest.raises(OutcomeUnknown, match="late"):
        store.create("a", b"x")
    assert inner.get("a") == b"x"


def test_faults_see_and_may_change_what_reads_return() -> None:
    class Flip(Trouble):
        def filter(self, key: str, body: bytes) -> bytes:
            return body[:-1] + b"!"

    store = FaultyStore(memory_store(), Flip())
    store.create("a", b"hello")
    assert store.get("a") == b"hell!"
    assert store.get_range("a", 0, 3) == b"he!"


class Link:
    """A clock that only waiting moves."""

    def __init__(self) -> None:
        self.now = 100.0
        self.waits: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.now += seconds


def test_writes_keep_to_the_rate_and_reads_do_not_wait() -> None:
    link = Link()
    store = ThrottledStore(memory_store(), rate_bytes_per_s=1000.0, clock=lambda: link.now, sleep=link.sleep)
    for n in range(5):
        store.create(f"a/{n}", b"x" * 500)
    assert link.now == pytest.approx(102.0)
    waits = len(link.waits)
    assert store.get("a/0") == b"x" * 500
    assert store.size("a/0") == 500
    assert len(link.waits) == waits
    link.now += 60.0
    before = link.now
    store.create("a/5", b"x" * 500)
    assert link.now == before


def test_an_idle_link_saves_nothing_up_for_later() -> None:
    link = Link()
    store = ThrottledStore(memory_store(), rate_bytes_per_s=1000.0, clock=lambda: link.now, sleep=link.sleep)
    link.now += 3600.0
    started = link.now
    for n in range(4):
        store.create(f"a/{n}", b"x" * 1000)
    assert link.now - started == pytest.approx(3.0)


def test_two_threads_share_one_rate() -> None:
    reserved: list[float] = []
    lock = threading.Lock()

    def sleep(seconds: float) -> None:
        with lock:
            reserved.append(seconds)

    store = ThrottledStore(memory_store(), rate_bytes_per_s=1000.0, clock=lambda: 0.0, sleep=sleep)
    threads = [threading.Thread(target=store.create, args=(f"a/{n}", b"x" * 1000)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(reserved) == [1.0, 2.0, 3.0]
