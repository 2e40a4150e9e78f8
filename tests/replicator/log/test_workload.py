"""Decisions on a workload's log: what is refused, what is done once, and what is decided anew."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from replicator.errors import BaseGone, HeightTaken, NotOpen, ReplicatorError, Sealed
from replicator.log.entries import Open
from replicator.log.replay import replay
from replicator.log.slots import slot_key
from replicator.model import CommitId
from replicator.stores.cloud import CloudStore, memory_store
from tests.replicator.log.builders import compact, drop, log_on, opened, put, what, where

if TYPE_CHECKING:
    from collections.abc import Callable

    from replicator.log.replay import LogView
    from replicator.log.workload import WorkloadLog
    from replicator.model import Where


@pytest.fixture
def store() -> CloudStore:
    return memory_store()


@pytest.fixture
def log(store: CloudStore) -> WorkloadLog:
    log = log_on(store)
    log.open(opened(1))
    return log


def during(store: CloudStore, act: Callable[[WorkloadLog], object]) -> Callable[[LogView], Where]:
    """A `where` during whose first making another process acts on the same log."""
    done: list[bool] = []

    def make(_: LogView) -> Where:
        if not done:
            done.append(True)
            act(log_on(store))
        return where()

    return make


def test_a_commit_answers_with_its_slot_and_is_made_once(log: WorkloadLog, store: CloudStore) -> None:
    assert put(log, 1, 1) == 2
    assert put(log, 1, 1) == 2
    assert put(log_on(store), 1, 1) == 2
    assert log.view().slots == 2


def test_a_commit_needs_its_term_open(store: CloudStore) -> None:
    with pytest.raises(NotOpen):
        put(log_on(store), 1, 1)
    assert log_on(store).view().slots == 0


def test_a_writer_that_meets_a_seal_stops_and_writes_nothing(log: WorkloadLog, store: CloudStore) -> None:
    log_on(store).seal(1, reason="promotion")
    with pytest.raises(Sealed):
        put(log, 1, 1)
    assert log.view().slots == 2


def test_a_writer_that_loses_its_slot_to_a_seal_stops(log: WorkloadLog, store: CloudStore) -> None:
    with pytest.raises(Sealed):
        log.commit(what(1, 1), during(store, lambda other: other.seal(1, reason="promotion")), term=1)
    assert set(log.view().accepted) == set()


def test_a_writer_finds_its_own_commit_below_a_seal(log: WorkloadLog, store: CloudStore) -> None:
    put(log_on(store), 1, 1)
    log_on(store).seal(1, reason="promotion")
    assert put(log, 1, 1) == 2


def test_a_writer_does_not_find_its_commit_above_the_seal(log: WorkloadLog, store: CloudStore) -> None:
    careless = log_on(store)
    log.seal(1, reason="promotion")
    with pytest.raises(Sealed):
        put(careless, 1, 1)


def test_two_writers_of_one_term_are_told_apart(log: WorkloadLog, store: CloudStore) -> None:
    put(log, 1, 1, attempt="a")
    with pytest.raises(HeightTaken, match="attempt a"):
        put(log_on(store), 1, 1, attempt="b")


def test_a_commit_that_was_dropped_since_was_still_made(log: WorkloadLog, store: CloudStore) -> None:
    slot = put(log, 1, 1)
    log_on(store).append(lambda _: drop(1, (1, 1)))
    assert put(log, 1, 1) == slot
    with pytest.raises(ReplicatorError):
        put(log, 1, 1, attempt="b")
    assert log.view().slots == 3


def test_a_commit_answers_even_if_it_is_gone_by_the_time_of_the_answer(store: CloudStore) -> None:
    class DropsAtOnce(CloudStore):
        def create(self, key: str, body: bytes) -> None:
            store.create(key, body)
            if key == slot_key("log/gpt", 2):
                log_on(store).append(lambda _: drop(1, (1, 1)))

    log_on(store).open(opened(1))
    assert put(log_on(DropsAtOnce(store._clients, store.url)), 1, 1) == 2
    assert set(log_on(store).view().dropped) == {CommitId(1, 1)}


def test_a_base_dropped_while_the_delta_was_made_is_noticed(log: WorkloadLog, store: CloudStore) -> None:
    put(log, 1, 1)
    racing = during(store, lambda other: other.append(lambda _: drop(1, (1, 1))))

    def leaning(view: LogView) -> Where:
        racing(view)
        return where((1, 1))

    with pytest.raises(BaseGone):
        log.commit(what(1, 2), leaning, term=1)
    assert set(log.view().accepted) == set()


def test_where_is_asked_again_for_every_slot_tried(log: WorkloadLog, store: CloudStore) -> None:
    views: list[int] = []
    racing = during(store, lambda other: put(other, 1, 1))

    def make(view: LogView) -> Where:
        views.append(view.slots)
        return racing(view)

    log.commit(what(1, 2), make, term=1)
    assert views == [1, 2]


def test_what_every_reader_would_hold_void_is_refused_before_it_is_written(log: WorkloadLog) -> None:
    log.seal(1, reason="x")
    log.open(opened(2))
    slots = log.view().slots
    with pytest.raises(ReplicatorError, match="does not cover"):
        log.commit(what(1, 5), lambda _: where(), term=2)
    with pytest.raises(ReplicatorError, match="later term"):
        log.commit(what(3, 1), lambda _: where(), term=2)
    with pytest.raises(ReplicatorError, match="does not stand"):
        log.append(lambda _: compact(2, 1, 1))
    assert log.view().slots == slots


def test_a_checkpoint_of_another_workload_is_refused_before_it_blocks_the_log(log: WorkloadLog) -> None:
    with pytest.raises(ReplicatorError, match="chat"):
        log.commit(what(1, 1, workload="chat"), lambda _: where(), term=1)
    assert log.view().slots == 1


def test_opening_twice_is_once_and_otherwise_is_refused(log: WorkloadLog, store: CloudStore) -> None:
    assert log.open(opened(1)) is False
    with pytest.raises(Sealed, match="otherwise"):
        log_on(store).open(opened(1, "west"))
    assert log.view().slots == 1


def test_opening_again_is_told_by_what_is_written_and_not_by_how_it_was_held_in_memory(store: CloudStore) -> None:
    assignment = {"acknowledge": ("near",), "number": 1}
    entry = Open(term=1, writer="east", acknowledge=("near",), assignment=assignment)
    assert log_on(store).open(entry) is True
    assert log_on(store).open(entry) is False


def test_a_past_or_sealed_term_cannot_be_opened(log: WorkloadLog) -> None:
    log.open(opened(3))
    with pytest.raises(Sealed):
        log.open(opened(2))
    log.seal(4, reason="x")
    with pytest.raises(Sealed):
        log.open(opened(4))
    assert log.open(opened(5)) is True


def test_sealing_names_the_first_seal_that_does_as_much(log: WorkloadLog, store: CloudStore) -> None:
    first = log.seal(1, reason="one")
    assert log_on(store).seal(1, reason="two") == first
    log.seal(3, reason="later")
    assert log_on(store).seal(1, reason="three") == first
    assert log_on(store).seal(2, reason="four").n == 3
    assert log.view().slots == 3


def test_an_empty_log_can_be_sealed(store: CloudStore) -> None:
    assert log_on(store).seal(0, reason="joined").n == 1
    assert log_on(store).seal(2, reason="joined").n == 2


def test_what_stood_below_a_seal_does_not_change_by_what_comes_later(log: WorkloadLog) -> None:
    put(log, 1, 1)
    put(log, 1, 2)
    slot = log.seal(1, reason="x")
    below = replay(log.entries()[: slot.n])
    log.open(opened(2, t1=1))
    put(log, 2, 1)
    assert replay(log.entries()[: slot.n]) == below
    assert set(below.accepted) == {CommitId(1, 1), CommitId(1, 2)}
