"""The end of a long log is found without reading the log, by everybody alike, and is taken by one only."""

from __future__ import annotations

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replicator.errors import RecordCorrupt, StoreUnavailable, TermRegressed
from replicator.log.slots import SlotLog, slot_key
from replicator.log.tail import TailLog
from replicator.repository.repository import random_token
from replicator.stores.cloud import memory_store
from replicator.stores.faults import FaultyStore


def tail(store, prefix="a/heads", **more):
    return TailLog(store, prefix, clock=lambda: 1.0, token=random_token, sleep=lambda _: None, **more)


def filled(count, store=None):
    store = store or memory_store()
    log = SlotLog(store, "a/heads", clock=lambda: 1.0, token=random_token)
    for n in range(1, count + 1):
        log.append(lambda _, n=n: ("anchor", {"n": n}))
    return store


class Counting:
    def __init__(self, inner):
        self.inner, self.gets = inner, 0

    def __getattr__(self, name):
        return getattr(self.inner, name)

    def get(self, key):
        self.gets += 1
        return self.inner.get(key)


@pytest.mark.slow
@given(st.integers(0, 70), st.integers(0, 70))
def test_the_last_record_is_found_whatever_was_known_before_and_however_many_came_since(before, more):
    store = filled(before)
    log = tail(store)
    first = log.last()
    assert (first.n if first else 0) == before
    also = SlotLog(store, "a/heads", clock=lambda: 1.0, token=random_token)
    for n in range(before + 1, before + more + 1):
        also.append(lambda _, n=n: ("anchor", {"n": n}))
    last = log.last()
    assert (last.n if last else 0) == before + more
    if last is not None:
        assert last.body == {"n": before + more}


def test_finding_the_end_costs_the_logarithm_of_the_log_and_one_get_where_it_is_known():
    store = Counting(filled(500))
    log = tail(store)
    assert log.last().n == 500
    assert store.gets < 25
    store.gets = 0
    assert log.last().n == 500
    assert store.gets == 1


def test_of_two_that_append_at_once_each_decides_on_what_the_other_wrote():
    store = memory_store()
    wrote = []

    def work():
        log = tail(store)
        for _ in range(10):
            record = log.append(lambda last: ("anchor", {"slot": (last.body["slot"] if last else 0) + 1}))
            wrote.append(record.body["slot"])

    threads = [threading.Thread(target=work) for _ in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert sorted(wrote) == list(range(1, 41))
    assert tail(store).last().n == 40


def test_a_create_whose_answer_was_lost_is_ours_and_is_written_once():
    faulty = FaultyStore(memory_store(), LoseEveryAnswer())
    log = tail(faulty)
    for n in range(1, 6):
        assert log.append(lambda _, n=n: ("anchor", {"n": n})).n == n
    assert tail(faulty).last().n == 5


class LoseEveryAnswer:
    def before(self, verb, key):
        pass

    def after(self, verb, key):
        if verb == "create":
            raise StoreUnavailable("the answer was lost")

    def filter(self, key, body):
        return body


def test_nothing_is_written_after_a_record_that_the_store_lost():
    store = filled(3)
    log = tail(store)
    log.last()
    store.delete(slot_key("a/heads", 3))
    with pytest.raises(TermRegressed):
        log.append(lambda _: ("anchor", {}))


def test_a_last_record_that_does_not_follow_the_one_before_blocks():
    store, other = filled(3), filled(3)
    store.delete(slot_key("a/heads", 3))
    store.create(slot_key("a/heads", 3), other.get(slot_key("a/heads", 3)))
    with pytest.raises(RecordCorrupt, match="does not follow"):
        tail(store).last()


def test_a_record_of_another_log_blocks():
    store = memory_store()
    store.create(slot_key("b/heads", 1), filled(1).get(slot_key("a/heads", 1)))
    with pytest.raises(RecordCorrupt, match="holds the record of a/heads"):
        tail(store, "b/heads").last()


def rising(earlier, last):
    return None if earlier.body["n"] < last.body["n"] else f"{earlier.body['n']} stood in slot {earlier.n}"


def then(store, *numbers):
    """Records after those that are there, whatever they say."""
    log = SlotLog(store, "a/heads", clock=lambda: 1.0, token=random_token)
    for n in numbers:
        log.append(lambda _, n=n: ("anchor", {"n": n}))
    return store


def test_a_last_record_that_cannot_follow_the_one_before_it_blocks():
    assert tail(then(filled(5), 9), follows=rising).last().body == {"n": 9}
    for last in (5, 3):
        with pytest.raises(RecordCorrupt, match="5 stood in slot 5"):
            tail(then(filled(5), last), follows=rising).last()


def test_a_last_record_that_cannot_follow_one_that_was_read_on_the_way_blocks():
    with pytest.raises(RecordCorrupt, match="7 stood in slot 7"):
        tail(then(filled(8), 1, 2, 3), follows=rising).last()


def test_who_saw_the_end_before_is_not_told_otherwise_by_however_many_records_since():
    store = filled(20)
    log = tail(store, follows=rising)
    assert log.last().body == {"n": 20}
    then(store, *range(1, 20))
    for _ in range(2):
        with pytest.raises(RecordCorrupt, match="20 stood in slot 20"):
            log.last()
    with pytest.raises(RecordCorrupt):
        log.append(lambda _: ("anchor", {"n": 99}))


def test_who_loses_a_slot_to_a_record_that_cannot_stand_there_does_not_go_on_after_it():
    store = filled(3)

    def decide(last):
        then(store, 1)
        return "anchor", {"n": 4}

    with pytest.raises(RecordCorrupt, match="3 stood in slot 3"):
        tail(store, follows=rising).append(decide)
    assert tail(store).last().n == 4
