"""The slots of a log: dense, linked, never past what cannot be read, never after what is gone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from replicator.errors import OutcomeUnknown, RecordCorrupt, StoreUnavailable, TermRegressed
from replicator.log.records import decode, encode
from replicator.log.slots import SlotLog, slot_key
from replicator.stores.cloud import memory_store
from replicator.stores.faults import FaultyStore
from tests.replicator.log.builders import tokens

if TYPE_CHECKING:
    from replicator.log.records import Record
    from replicator.stores.store import ObjectStore

PREFIX = "log/w"


def slots(store: ObjectStore, prefix: str = PREFIX) -> SlotLog:
    return SlotLog(store, prefix, clock=lambda: 7.0, token=tokens(), sleep=lambda _: None)


def add(log: SlotLog, name: str) -> Record:
    record = log.append(lambda _: ("entry", {"name": name}))
    assert record is not None
    return record


def names(log: SlotLog) -> list[str]:
    return [record.body["name"] for record in log.read()]


def test_slots_are_written_as_twenty_digits_from_one_and_each_names_the_one_before() -> None:
    store = memory_store()
    log = slots(store)
    first, second = add(log, "a"), add(log, "b")
    assert sorted(store.list(PREFIX)) == ["log/w/00000000000000000001", "log/w/00000000000000000002"]
    assert (first.previous, second.previous) == (None, first.digest)
    assert names(slots(store)) == ["a", "b"]


def test_the_end_is_found_by_get_even_where_list_shows_nothing() -> None:
    class Blind(FaultyStore):
        def list(self, prefix: str) -> object:  # type: ignore[override]
            raise StoreUnavailable("no listing")

    store = memory_store()
    log = slots(store)
    for name in "abc":
        add(log, name)
    assert names(slots(Blind(store, faults=_Never()))) == ["a", "b", "c"]


def test_who_loses_a_slot_decides_anew_on_what_the_winner_wrote() -> None:
    store = memory_store()
    mine, theirs = slots(store), slots(store)
    seen: list[int] = []

    def decide(records: tuple[Record, ...]) -> tuple[str, dict[str, str]] | None:
        seen.append(len(records))
        if len(seen) == 1:
            add(theirs, "theirs")
        return None if any(r.body["name"] == "theirs" for r in records) else ("entry", {"name": "mine"})

    assert mine.append(decide) is None
    assert seen == [0, 1]
    assert names(slots(store)) == ["theirs"]


def test_deciding_nothing_writes_nothing() -> None:
    store = memory_store()
    assert slots(store).append(lambda _: None) is None
    assert list(store.list("log")) == []


def test_an_unreadable_record_blocks_reading_and_appending_and_is_never_skipped() -> None:
    store = memory_store()
    log = slots(store)
    add(log, "a")
    store.create(slot_key(PREFIX, 2), b"{}")
    store.create(slot_key(PREFIX, 3), b"whatever")
    for reader in (log, slots(store)):
        for _ in range(2):
            with pytest.raises(RecordCorrupt, match="log/w/2"):
                reader.read()
            with pytest.raises(RecordCorrupt, match="log/w/2"):
                add(reader, "b")
    assert len(list(store.list(PREFIX))) == 3


def test_an_unreadable_record_that_wins_the_race_blocks_the_loser() -> None:
    store = memory_store()
    log = slots(store)

    def decide(_: tuple[Record, ...]) -> tuple[str, dict[str, str]]:
        store.create(slot_key(PREFIX, 1), b"torn")
        return "entry", {"name": "mine"}

    with pytest.raises(RecordCorrupt):
        log.append(decide)


def test_a_record_copied_from_another_slot_or_log_blocks() -> None:
    store = memory_store()
    add(slots(store), "a")
    add(slots(store, "log/other"), "b")
    first = store.get(slot_key(PREFIX, 1))
    store.create(slot_key(PREFIX, 2), first)
    with pytest.raises(RecordCorrupt, match="holds the record of log/w/1"):
        slots(store).read()
    store.create(slot_key("log/other", 2), first)
    with pytest.raises(RecordCorrupt, match="holds the record of log/w/1"):
        slots(store, "log/other").read()


@pytest.mark.parametrize("previous", [None, "00" * 32])
def test_a_broken_link_blocks(previous: str | None) -> None:
    store = memory_store()
    add(slots(store), "a")
    store.create(slot_key(PREFIX, 2), encode(PREFIX, 2, previous, "t", "entry", 0.0, {"name": "forged"}))
    with pytest.raises(RecordCorrupt, match="does not follow"):
        slots(store).read()


def test_a_first_record_that_follows_something_blocks() -> None:
    store = memory_store()
    store.create(slot_key(PREFIX, 1), encode(PREFIX, 1, "00" * 32, "t", "entry", 0.0, {"name": "forged"}))
    with pytest.raises(RecordCorrupt, match="does not follow"):
        slots(store).read()


def test_nothing_is_written_after_a_record_that_is_gone() -> None:
    store = memory_store()
    log = slots(store)
    for name in "abc":
        add(log, name)
    store.delete(slot_key(PREFIX, 3))
    with pytest.raises(TermRegressed):
        add(log, "d")
    assert names(slots(store)) == ["a", "b"]


def test_a_hole_ends_the_log_and_what_fills_it_blocks() -> None:
    store = memory_store()
    for name in "abc":
        add(slots(store), name)
    store.delete(slot_key(PREFIX, 2))
    assert names(slots(store)) == ["a"]
    add(slots(store), "other")
    with pytest.raises(RecordCorrupt, match="does not follow"):
        slots(store).read()


def test_nothing_is_written_after_a_record_that_another_replaced() -> None:
    store = memory_store()
    log = slots(store)
    first = add(log, "a")
    add(log, "b")
    store.delete(slot_key(PREFIX, 2))
    store.create(slot_key(PREFIX, 2), encode(PREFIX, 2, first.digest, "t", "entry", 0.0, {"name": "other"}))
    with pytest.raises(TermRegressed):
        add(log, "c")
    add(slots(store), "c")
    with pytest.raises(RecordCorrupt, match="does not follow"):
        log.read()


def test_an_entry_whose_outcome_stayed_unknown_is_found_when_the_log_is_read_again() -> None:
    store = memory_store()
    log = slots(FaultyStore(store, _AnswersLost()))
    with pytest.raises(OutcomeUnknown):
        add(log, "a")
    assert names(slots(store)) == ["a"]
    assert decode(store.get(slot_key(PREFIX, 1)), PREFIX, 1).body == {"name": "a"}


class _Never:
    def before(self, verb: str, key: str) -> None:
        """Let it pass."""

    def after(self, verb: str, key: str) -> None:
        """Let it pass."""

    def filter(self, key: str, body: bytes) -> bytes:
        return body


class _AnswersLost(_Never):
    """Creates take effect and nobody hears of it; afterwards the store is away."""

    lost = False

    def before(self, verb: str, key: str) -> None:
        if self.lost:
            raise StoreUnavailable("away")

    def after(self, verb: str, key: str) -> None:
        self.lost = True
        raise OutcomeUnknown("lost")


@pytest.mark.parametrize("count", [0, 1, 2, 3, 7, 8, 9, 40])
def test_many_slots_are_asked_for_side_by_side_and_read_as_one_by_one(count: int) -> None:
    store = memory_store()
    log = slots(store)
    for n in range(count):
        add(log, str(n))
    asked: list[str] = []

    class Counting(FaultyStore):
        def get(self, key: str) -> bytes:
            asked.append(key)
            return super().get(key)

    many = SlotLog(Counting(store, faults=_Never()), PREFIX, clock=lambda: 7.0, token=tokens(), at_once=8)
    assert [record.digest for record in many.read()] == [record.digest for record in log.read()]
    assert len(asked) == len(set(asked)) <= count + 8
    asked.clear()
    assert len(many.read()) == count
    assert len(asked) == 1


def test_trouble_behind_the_end_is_nobody_s_and_before_it_is_raised() -> None:
    store = memory_store()
    log = slots(store)
    for n in range(4):
        add(log, str(n))

    class Troubled(FaultyStore):
        bad = slot_key(PREFIX, 7)

        def get(self, key: str) -> bytes:
            if key == self.bad:
                raise StoreUnavailable("away")
            return super().get(key)

    troubled = Troubled(store, faults=_Never())
    many = SlotLog(troubled, PREFIX, clock=lambda: 7.0, token=tokens(), at_once=8)
    assert len(many.read()) == 4
    troubled.bad = slot_key(PREFIX, 3)
    with pytest.raises(StoreUnavailable):
        SlotLog(troubled, PREFIX, clock=lambda: 7.0, token=tokens(), at_once=8).read()
