"""Records of many threads in few slots: every one is there once, in an order that each decision could have seen."""

from __future__ import annotations

import threading
import time

import pytest

from drstack.witness.group import SEVERAL, GroupLog
from replicator.errors import RecordCorrupt, StoreUnavailable
from replicator.log.slots import SlotLog
from replicator.repository.repository import random_token
from replicator.stores.cloud import memory_store
from replicator.stores.faults import FaultyStore


class Slow:
    """Every create takes a while, so that others come meanwhile; `refuse`: then it is refused."""

    def __init__(self):
        self.refuse = False
        self.creates = 0

    def before(self, verb, key):
        if verb == "create":
            self.creates += 1
            time.sleep(0.02)
            if self.refuse:
                raise StoreUnavailable("away")

    def after(self, verb, key):
        pass

    def filter(self, key, body):
        return body


def log(store):
    return SlotLog(store, "e/operations/1", clock=time.time, token=random_token, sleep=lambda _: None)


def side_by_side(count, act):
    errors = []

    def run(n):
        try:
            act(n)
        except Exception as error:  # noqa: BLE001 - given back
            errors.append(error)

    threads = [threading.Thread(target=run, args=(n,)) for n in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    return errors


def once(n):
    """Write number n, unless it is there."""
    return lambda records: None if any(r.body["n"] == n for r in records) else ("note", {"n": n})


def test_all_that_is_wished_for_meanwhile_goes_into_one_slot():
    slow, store = Slow(), memory_store()
    group = GroupLog(log(FaultyStore(store, slow)))
    assert side_by_side(40, lambda n: group.append(once(n))) == []
    assert sorted(r.body["n"] for r in group.read()) == list(range(40))
    slots = log(store).read()
    assert len(slots) == slow.creates < 20
    assert {r.kind for r in slots} <= {SEVERAL, "note"}
    assert sorted(r.body["n"] for r in GroupLog(log(store)).read()) == list(range(40))


def test_a_decision_sees_what_shares_its_slot():
    slow, store = Slow(), memory_store()
    group = GroupLog(log(FaultyStore(store, slow)))
    wrote = []
    assert side_by_side(30, lambda n: wrote.append(group.append(once(n % 3)))) == []
    assert sorted(r.body["n"] for r in group.read()) == [0, 1, 2]
    assert wrote.count(True) == 3


def test_two_operators_write_each_thing_once():
    store = memory_store()
    groups = [GroupLog(log(FaultyStore(store, Slow()))) for _ in range(2)]
    assert side_by_side(40, lambda n: groups[n % 2].append(once(n // 2))) == []
    assert sorted(r.body["n"] for r in GroupLog(log(store)).read()) == list(range(20))


def test_a_refusal_reaches_the_one_who_was_refused_and_nobody_else():
    group = GroupLog(log(FaultyStore(memory_store(), Slow())))

    def act(n):
        if n % 4:
            group.append(once(n))
            return

        def refuse(records):
            raise ValueError(n)

        with pytest.raises(ValueError, match=f"^{n}$"):
            group.append(refuse)

    assert side_by_side(20, act) == []
    assert sorted(r.body["n"] for r in group.read()) == [n for n in range(20) if n % 4]


def test_what_is_refused_on_old_knowledge_is_decided_again_on_what_there_is():
    store = memory_store()
    ours, theirs = GroupLog(log(store)), GroupLog(log(store))
    ours.append(lambda _: ("pause", {"n": 1}))
    theirs.append(lambda records: ("resume", {"n": 2}) if records[-1].kind == "pause" else None)

    def go_on(records):
        if records[-1].kind == "pause":
            raise ValueError("paused")
        return "note", {"n": 3}

    assert ours.append(go_on) is True
    assert [r.kind for r in ours.read()] == ["pause", "resume", "note"]


def test_a_store_that_is_away_is_an_error_of_everybody_who_waited_and_nothing_is_taken_as_written():
    slow, store = Slow(), memory_store()
    group = GroupLog(log(FaultyStore(store, slow)))
    group.append(once(0))
    slow.refuse = True
    errors = side_by_side(10, lambda n: group.append(once(n + 1)))
    assert len(errors) == 10
    slow.refuse = False
    assert [r.body["n"] for r in group.known()] == [0]
    assert [r.body["n"] for r in group.read()] == [0]
    assert group.append(once(1)) is True


def test_records_that_cannot_be_told_apart_are_an_error_of_everybody_who_reads():
    store = memory_store()
    log(store).append(lambda _: (SEVERAL, {"none": 1}))
    group, found = GroupLog(log(store)), []

    def read(_):
        try:
            found.append(group.read())
        except RecordCorrupt as error:
            found.append(str(error))

    assert side_by_side(8, read) == []
    assert len(found) == 8
    assert all("slot 1 holds several records" in each for each in found)
