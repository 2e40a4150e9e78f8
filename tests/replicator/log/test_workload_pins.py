"""Pins and drops on a log, and logs that went backwards."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from replicator.errors import NothingToRestore, NotOpen, ReplicatorError, Sealed, TermRegressed
from replicator.log.slots import slot_key
from replicator.model import CommitId
from replicator.stores.cloud import memory_store
from tests.replicator.log.builders import drop, log_on, opened, put, seal

if TYPE_CHECKING:
    from replicator.log.entries import Entry
    from replicator.log.replay import LogView
    from replicator.log.workload import WorkloadLog
    from replicator.stores.cloud import CloudStore


@pytest.fixture
def store() -> CloudStore:
    return memory_store()


@pytest.fixture
def log(store: CloudStore) -> WorkloadLog:
    log = log_on(store)
    log.open(opened(1))
    return log


def test_pinning_is_once_and_keeps_its_commit(log: WorkloadLog) -> None:
    put(log, 1, 1)
    put(log, 1, 2)
    for _ in range(2):
        log.pin("restore", CommitId(1, 1), reason="x", term=1)
    assert log.view().slots == 4
    with pytest.raises(ReplicatorError, match=r"holds 1\.1") as refused:
        log.pin("restore", CommitId(1, 2), reason="x", term=1)
    assert refused.value.hint == "Give the pin another name."
    with pytest.raises(ReplicatorError, match="would be void"):
        log.append(lambda _: drop(1, (1, 1)))
    log.unpin("restore", term=1)
    log.unpin("restore", term=1)
    assert log.view().slots == 5


def test_only_what_stands_can_be_pinned(log: WorkloadLog) -> None:
    put(log, 1, 1)
    log.pin("restore", CommitId(1, 1), reason="x", term=1)
    log.seal(1, reason="x")
    log.open(opened(2))
    with pytest.raises(NothingToRestore):
        log.pin("restore", CommitId(1, 1), reason="x", term=2)
    with pytest.raises(NothingToRestore):
        log.pin("other", CommitId(1, 9), reason="x", term=2)


def test_pins_need_the_open_term(log: WorkloadLog) -> None:
    put(log, 1, 1)
    log.seal(1, reason="x")
    with pytest.raises(Sealed):
        log.pin("late", CommitId(1, 1), reason="x", term=1)
    with pytest.raises(Sealed):
        log.unpin("late", term=1)
    with pytest.raises(NotOpen):
        log.pin("early", CommitId(1, 1), reason="x", term=2)


def test_a_keeper_decides_anew_on_what_won_its_slot(log: WorkloadLog, store: CloudStore) -> None:
    put(log, 1, 1)
    seen: list[bool] = []

    def decide(view: LogView) -> Entry | None:
        seen.append(bool(view.pins))
        if not view.pins:
            log_on(store).pin("restore", CommitId(1, 1), reason="x", term=1)
            return drop(1, (1, 1))
        return None

    assert log.append(decide) is None
    assert seen == [False, True]
    assert set(log.view().accepted) == {CommitId(1, 1)}


def test_a_log_shorter_or_of_a_lower_term_than_was_seen_is_refused(log: WorkloadLog, store: CloudStore) -> None:
    for seen in ({"term": 2}, {"term": 1, "slots": 2}):
        reader = log_on(store)
        reader.remember(**seen)
        with pytest.raises(TermRegressed) as raised:
            reader.view()
        assert raised.value.exit_code == 50
        with pytest.raises(TermRegressed):
            reader.append(lambda _: seal(1))
    sealed = log_on(store)
    sealed.seal(2, reason="x")
    reader = log_on(store)
    reader.remember(term=2, slots=2)
    assert reader.view().sealed == 2


def test_a_store_rolled_back_under_a_running_writer_is_refused(log: WorkloadLog, store: CloudStore) -> None:
    put(log, 1, 1)
    put(log, 1, 2)
    store.delete(slot_key("log/gpt", 3))
    with pytest.raises(TermRegressed):
        put(log, 1, 3)
    assert sorted(store.list("log/gpt")) == [slot_key("log/gpt", 1), slot_key("log/gpt", 2)]
