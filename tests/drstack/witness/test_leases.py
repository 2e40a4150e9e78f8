"""Who may hold a lease, after which record, and what a take says of the lease that it ends."""

from __future__ import annotations

import itertools
import time

import pytest

from drstack.errors import LeaseLost, OperationConflict, WitnessUnreachable, WitnessUnsound
from drstack.witness.leases import LeaseLog
from replicator.errors import OutcomeUnknown
from replicator.repository.repository import random_token
from replicator.stores.cloud import memory_store


def log(store):
    return LeaseLog(store, "e", "gpt", clock=time.time, token=random_token, sleep=lambda _: None)


def held(store, *, site="east", term=1, for_s=30.0, over=()):
    return log(store).hold(site=site, term=term, for_s=for_s, over=lambda operation: operation in over)


@pytest.fixture
def store():
    return memory_store()


def test_a_holder_renews_by_dense_slots(store):
    assert log(store).last() is None
    assert [held(store).n for _ in range(3)] == [1, 2, 3]
    assert sorted(store.list("e")) == [f"e/leases/gpt/{n:020d}" for n in (1, 2, 3)]
    last = log(store).last()
    assert (last.kind, last.site, last.term, last.for_s, last.taken) == ("hold", "east", 1, 30.0, False)


def test_after_a_take_its_holder_renews_no_more_and_the_next_term_holds(store):
    held(store, for_s=42.0)
    taken = log(store).take(term=1, operation="1-1")
    assert (taken.n, taken.for_s, taken.taken) == (2, 42.0, True)
    with pytest.raises(LeaseLost, match="operation 1-1 took the lease of term 1"):
        held(store)
    assert held(store, site="west", term=2).n == 3
    with pytest.raises(LeaseLost, match="term 2 has begun"):
        held(store)


def test_a_take_is_made_once_and_a_second_operation_keeps_what_the_first_ended(store):
    held(store, for_s=42.0)
    assert log(store).take(term=1, operation="1-1").n == log(store).take(term=1, operation="1-1").n == 2
    again = log(store).take(term=1, operation="1-2")
    assert (again.n, again.for_s) == (3, 42.0)


def test_a_writer_holds_again_once_the_operation_that_took_its_lease_has_ended(store):
    held(store)
    log(store).take(term=1, operation="1-1")
    assert held(store, over=("1-1",)).n == 3
    assert log(store).take(term=1, operation="1-2").for_s == 30.0


def test_a_lease_of_an_earlier_term_says_nothing_of_this_one(store):
    held(store, term=1)
    assert log(store).take(term=2, operation="2-1").for_s is None
    with pytest.raises(OperationConflict, match="of term 2 already"):
        log(store).take(term=1, operation="1-1")


def test_of_one_term_one_site_holds(store):
    held(store)
    with pytest.raises(LeaseLost, match="east holds the lease of term 1"):
        held(store, site="west")


def test_terms_that_fall_are_damage(store):
    from replicator.log.records import encode

    held(store, term=2)
    first = log(store).last()
    from replicator.log.tail import TailLog

    previous = TailLog(store, "e/leases/gpt", clock=time.time, token=random_token).last().digest
    body = {"site": "east", "term": 1, "for_s": 1.0}
    store.create("e/leases/gpt/" + f"{2:020d}", encode("e/leases/gpt", 2, previous, "x", "hold", 0.0, body))
    assert first.n == 1
    with pytest.raises(WitnessUnsound, match="of term 1, and slot 1 before it of term 2"):
        log(store).last()


def test_an_answer_that_nobody_knows_is_no_lease(store):
    class Mute:
        url = "memory://"
        tries = itertools.count()

        def __getattr__(self, name):
            return getattr(store, name)

        def create(self, key, body):
            raise OutcomeUnknown("no answer")

    with pytest.raises(WitnessUnreachable):
        LeaseLog(Mute(), "e", "gpt", clock=time.time, token=random_token, sleep=lambda _: None).hold(
            site="east", term=1, for_s=1.0, over=lambda _: False
        )
