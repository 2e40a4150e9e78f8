"""A store that did not answer in time is left alone for a while, and then asked again."""

from __future__ import annotations

import threading

import pytest

from replicator.errors import KeyMissing, OutcomeUnknown, StoreAway, StoreUnavailable
from replicator.stores.breaker import BreakerStore
from replicator.stores.cloud import memory_store
from replicator.stores.retry import RetryingStore


class Hanging:
    """Answers as `inner` does, once it is let; counts what it was asked."""

    url = "memory://hanging"

    def __init__(self, inner):
        self.inner = inner
        self.answers = threading.Event()
        self.asked = []

    def __getattr__(self, verb):
        def call(*arguments):
            self.asked.append((verb, arguments[0]))
            self.answers.wait(20)
            return getattr(self.inner, verb)(*arguments)

        return call


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def hanging():
    made = Hanging(memory_store())
    made.inner.create("log/a/1", b"one")
    made.inner.create("packs/aa/1", b"pack")
    yield made
    made.answers.set()


def test_after_one_call_without_an_answer_no_other_is_made_until_it_has_rested(hanging):
    clock = Clock()
    store = BreakerStore(hanging, limit_s=0.05, rest_s=30.0, clock=clock)
    with pytest.raises(StoreAway, match=r"log/a/1: no answer within 0\.05 s"):
        store.get("log/a/1")
    asked = len(hanging.asked)
    for call in (lambda: store.get("log/a/1"), lambda: store.list("log"), lambda: store.get_range("packs/aa/1", 0, 2)):
        with pytest.raises(StoreAway, match="not asked again for 30 s"):
            call()
    with pytest.raises(StoreAway):
        store.create("log/a/2", b"two")
    assert len(hanging.asked) == asked
    hanging.answers.set()
    clock.now = 31.0
    assert store.get("log/a/1") == b"one"
    assert list(store.list("log")) == ["log/a/1"]


def test_a_create_without_an_answer_is_unknown(hanging):
    with pytest.raises(OutcomeUnknown, match="no answer"):
        BreakerStore(hanging, limit_s=0.05).create("log/a/2", b"two")


def test_packs_take_as_long_as_they_need(hanging):
    store = BreakerStore(hanging, limit_s=0.05)
    threading.Timer(0.3, hanging.answers.set).start()
    assert store.get_range("packs/aa/1", 0, 4) == b"pack"


def test_a_store_that_answers_is_never_given_up(hanging):
    hanging.answers.set()
    store = BreakerStore(hanging, limit_s=5.0)
    with pytest.raises(KeyMissing):
        store.get("log/a/9")
    assert store.get("log/a/1") == b"one"


def test_one_that_was_given_up_is_not_tried_again_at_once(hanging):
    store = RetryingStore(BreakerStore(hanging, limit_s=0.05), wait_s=60.0)
    with pytest.raises(StoreAway):
        store.get("log/a/1")
    assert len(hanging.asked) == 1


def test_what_passes_is_tried_again():
    tries = []

    class Shaky:
        url = "memory://shaky"

        def get(self, key):
            tries.append(key)
            if len(tries) < 3:
                raise StoreUnavailable("503")
            return b"here"

    assert RetryingStore(Shaky(), wait_s=0.001).get("a") == b"here"
