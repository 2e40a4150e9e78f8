"""A receipt is a word about one record, never about whatever its slot holds later."""

from __future__ import annotations

from replicator.log.slots import slot_key
from replicator.repository.receipts import Word
from replicator.repository.ship import ship
from replicator.repository.verify import verify
from replicator.stores.cloud import memory_store
from tests.replicator.repository.rig import checkpoint, push, repository

BOTH = ("stored", "decoded")


def test_receipts_of_a_slot_do_not_count_for_another_record(tmp_path):
    store = memory_store()
    before = repository(store)
    first = ship(push(1, 10, attempt="1"), checkpoint(tmp_path / "a", 10, seed=1), before)
    verify(before, "gpt", first, "west")
    assert all(before.receipts.levels("gpt", first.slot, BOTH).values())
    store.delete(slot_key("log/gpt", first.slot))
    after = repository(store)
    assert not any(after.receipts.levels("gpt", first.slot, BOTH).values())
    second = ship(push(2, 20, attempt="2", salt=b"t" * 16), checkpoint(tmp_path / "b", 20, seed=2), after)
    assert second.slot == first.slot
    assert after.receipts.words("gpt", second.slot, "stored") == {}
    verify(after, "gpt", second, "west")
    assert all(after.receipts.levels("gpt", second.slot, BOTH).values())


def test_the_verdict_of_several_verifiers_is_the_newest_failure_else_the_newest_word(tmp_path):
    west = repository()
    accepted = ship(push(1, 10), checkpoint(tmp_path / "a", 10), west)
    record = west.log("gpt").slot(accepted.slot).digest
    clock = iter(range(1, 100))
    west.receipts._clock = lambda: float(next(clock))

    def says(verifier, ok, reason=None):
        west.receipts.write("gpt", accepted.slot, "proved", verifier, record=record, ok=ok, reason=reason)
        return west.receipts.verdict("gpt", accepted.slot, "proved")

    assert west.receipts.verdict("gpt", accepted.slot, "proved") is None
    assert says("west", ok=True) == Word(ok=True, reason=None, at=1.0, by="west")
    assert says("north", ok=False, reason="differs").by == "north"
    assert says("south", ok=True).reason == "differs"
    assert says("north", ok=True).ok
