"""A store that hangs costs one deadline; errors and answers pass as they are."""

from __future__ import annotations

import threading

import pytest

from replicator.errors import KeyExists, KeyMissing, OutcomeUnknown, StoreUnavailable
from replicator.stores.cloud import memory_store
from replicator.stores.deadline import DeadlineStore
from replicator.stores.faults import FaultyStore


class Hangs:
    def __init__(self) -> None:
        self.gate = threading.Event()
        self.on = False

    def before(self, verb, key):
        if self.on:
            self.gate.wait(30)

    def after(self, verb, key): ...

    def filter(self, key, body):
        return body


def test_what_answers_passes_as_it_is():
    store = DeadlineStore(memory_store(), limit_s=10)
    store.create("a/b", b"body")
    assert (store.get("a/b"), store.get_range("a/b", 1, 2), store.size("a/b")) == (b"body", b"od", 4)
    assert list(store.list("a")) == ["a/b"]
    with pytest.raises(KeyExists):
        store.create("a/b", b"other")
    store.delete("a/b")
    with pytest.raises(KeyMissing):
        store.get("a/b")


def test_what_hangs_is_unavailable_and_a_write_is_unknown():
    faults = Hangs()
    store = DeadlineStore(FaultyStore(memory_store(), faults), limit_s=0.05)
    faults.on = True
    try:
        for ask in (
            lambda: store.get("a"), lambda: store.size("a"), lambda: list(store.list("a")), lambda: store.delete("a"),
            lambda: store.get_range("a", 0, 1),
        ):  # fmt: skip
            with pytest.raises(StoreUnavailable, match=r"no answer within 0\.05 s"):
                ask()
        with pytest.raises(OutcomeUnknown):
            store.create("a", b"")
    finally:
        faults.gate.set()
