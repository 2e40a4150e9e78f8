"""A checkpoint is complete or absent, whatever moment the push dies at, and comes back byte for byte."""

from __future__ import annotations

import pytest

from replicator.errors import BaseGone, Sealed, SourceChanged
from replicator.log.entries import Drop
from replicator.model import Id
from replicator.repository import chunks
from replicator.repository.packs import pack_key
from replicator.repository.restore import restore
from replicator.repository.retain import removable
from replicator.repository.select import select
from replicator.repository.ship import ship
from replicator.repository.snapshot import take_snapshot
from replicator.repository.verify import check_decoded, check_stored
from replicator.stores.cloud import memory_store
from replicator.stores.faults import FaultyStore
from tests.replicator.repository.rig import KillAt, Killed, checkpoint, contents, push, repository


def test_a_restored_checkpoint_has_every_file_with_its_bytes_mode_and_time(tmp_path):
    there = repository()
    snapshot = checkpoint(tmp_path / "a", 10)
    accepted = ship(push(1, 10), snapshot, there)
    restore(there, accepted, tmp_path / "b")
    assert contents(tmp_path / "b") == contents(tmp_path / "a")


def test_a_second_checkpoint_sends_only_what_changed(tmp_path):
    there = repository()
    first = ship(push(1, 10), checkpoint(tmp_path / "a", 10), there)
    second = ship(push(2, 20), checkpoint(tmp_path / "b", 20), there)
    assert first.where.shipped_bytes > 300_000
    assert second.where.shipped_bytes < 3_000
    assert second.where.base == Id(term=1, height=1)
    restore(there, second, tmp_path / "c")
    assert contents(tmp_path / "c") == contents(tmp_path / "b")


@pytest.mark.parametrize("before", [True, False])
def test_a_push_killed_at_any_write_leaves_nothing_or_everything_and_ends_when_run_again(tmp_path, before, monkeypatch):
    monkeypatch.setattr("replicator.repository.packs.PACK_BYTES", 100_000)
    monkeypatch.setattr(chunks, "MIN_BYTES", 8_000)
    monkeypatch.setattr(chunks, "AVERAGE_BYTES", 32_000)
    monkeypatch.setattr(chunks, "MAX_BYTES", 64_000)
    snapshot = checkpoint(tmp_path / "a", 10)
    counter = KillAt(10**9, before=True)
    fresh = memory_store()
    repository(fresh)
    ship(push(1, 10), snapshot, repository(FaultyStore(fresh, counter)))
    assert counter.seen > 6
    for n in range(counter.seen):
        store = memory_store()
        whole = repository(store)
        with pytest.raises(Killed):
            ship(push(1, 10), snapshot, repository(FaultyStore(store, KillAt(n, before=before))))
        for accepted in whole.log("gpt").view().in_order():
            assert check_stored(whole, accepted).ok
            assert check_decoded(whole, accepted).ok
        ship(push(1, 10), snapshot, repository(store))
        commits = repository(store).log("gpt").view().in_order()
        assert [str(c.what.id()) for c in commits] == ["1.1"]
        assert check_decoded(whole, commits[0]).ok


def test_a_commit_is_the_last_thing_that_is_written(tmp_path):
    keys: list[str] = []

    class Watch(KillAt):
        def before(self, verb: str, key: str) -> None:
            if verb == "create":
                keys.append(key)

    there = repository(FaultyStore(memory_store(), Watch(10**9, before=True)))
    ship(push(1, 10), checkpoint(tmp_path / "a", 10), there)
    order = [key.split("/")[0] for key in keys]
    assert order[-1] == "log"
    assert order.index("packs") < order.index("manifests") < order.index("parts") < len(order) - 1


def test_a_sealed_term_takes_no_commit(tmp_path):
    there = repository()
    there.log("gpt").seal(1, reason="test")
    with pytest.raises(Sealed):
        ship(push(1, 10), checkpoint(tmp_path / "a", 10), there)
    assert there.log("gpt").view().accepted == {}


def test_a_commit_waits_for_every_ranks_part_and_takes_them_of_one_attempt_only(tmp_path):
    there = repository()
    left = checkpoint(tmp_path / "left", 10)
    (tmp_path / "right").mkdir()
    (tmp_path / "right" / "shard").write_bytes(b"r" * 1000)
    right = take_snapshot(tmp_path / "right", ["shard"])
    assert ship(push(1, 10, attempt="a1", rank=0, world=2), left, there) is None
    assert ship(push(1, 10, attempt="a2", rank=1, world=2), right, there) is None
    accepted = ship(push(1, 10, attempt="a1", rank=1, world=2), right, there)
    assert accepted is not None
    restore(there, accepted, tmp_path / "out")
    assert contents(tmp_path / "out") == {**contents(tmp_path / "left"), **contents(tmp_path / "right")}


def test_a_file_that_changes_while_it_is_shipped_is_noticed(tmp_path):
    snapshot = checkpoint(tmp_path / "a", 10)
    (tmp_path / "a" / "weights").write_bytes(b"z" * 300_000)
    there = repository()
    with pytest.raises(SourceChanged):
        ship(push(1, 10), snapshot, there)
    assert there.log("gpt").view().accepted == {}


def test_one_attempt_ships_one_content_of_a_step(tmp_path):
    there = repository()
    ship(push(1, 10), checkpoint(tmp_path / "a", 10), there)
    with pytest.raises(SourceChanged, match="already shipped other contents"):
        ship(push(1, 10), checkpoint(tmp_path / "b", 10, seed=2), there)


@pytest.mark.parametrize("whole", [True, False])
def test_one_rank_ships_one_content_of_a_step_in_an_attempt(tmp_path, whole):
    there = repository()
    left = checkpoint(tmp_path / "left", 10)
    (tmp_path / "right").mkdir()
    (tmp_path / "right" / "shard").write_bytes(b"r" * 1000)
    right = take_snapshot(tmp_path / "right", ["shard"])
    ship(push(1, 10, rank=0, world=2), left, there)
    if whole:
        ship(push(1, 10, rank=1, world=2), right, there)
        assert ship(push(1, 10, rank=0, world=2), left, there) is not None
    with pytest.raises(SourceChanged, match="already shipped other contents"):
        ship(push(1, 10, rank=0, world=2), checkpoint(tmp_path / "other", 10, seed=2), there)


class DropBeforeCommit(KillAt):
    """Drops checkpoint 1.1, and removes its bytes, right before the first `times` commits."""

    def __init__(self, store, times):
        super().__init__(99, before=True)
        self.store, self.times = store, times

    def before(self, verb, key):
        if verb == "create" and key.startswith("log/") and self.times:
            self.times -= 1
            log = repository(self.store).log("gpt")
            newest = log.view().in_order()[-1].what.id()
            gone = Id(term=newest.term, height=newest.height)
            log.append(lambda _: Drop(term=1, commits=(gone,), bytes_after=0.0, reason="test"))
            for name in removable(log.view(), [], now=1.0)[0]:
                self.store.delete(pack_key(name))


def test_a_push_whose_base_is_dropped_meanwhile_is_sent_whole_and_the_same_again_after_a_restart(tmp_path):
    store = memory_store()
    there = repository(store)
    ship(push(1, 10), checkpoint(tmp_path / "a", 10), there)
    snapshot = checkpoint(tmp_path / "b", 20)
    accepted = ship(push(2, 20), snapshot, repository(FaultyStore(store, DropBeforeCommit(store, 1))))
    assert accepted.where.base is None
    assert check_decoded(there, accepted).ok
    assert ship(push(2, 20), snapshot, repository(store)) == accepted
    assert list(there.log("gpt").view().accepted) == [accepted.what.id()]


def test_a_rank_whose_base_is_dropped_meanwhile_does_not_commit_for_the_others(tmp_path):
    store = memory_store()
    there = repository(store)
    ship(push(1, 10), checkpoint(tmp_path / "a", 10), there)
    ship(push(2, 20, rank=0, world=2), checkpoint(tmp_path / "b", 20), there)
    other = FaultyStore(store, DropBeforeCommit(store, 1))
    with pytest.raises(BaseGone):
        ship(push(2, 20, rank=1, world=2), take_snapshot(tmp_path / "b" / "sub", ["step"]), repository(other))
    assert there.log("gpt").view().accepted == {}


def test_a_damaged_checkpoint_is_not_leant_on(tmp_path):
    from replicator.repository.verify import verify

    there = repository()
    first = ship(push(1, 10), checkpoint(tmp_path / "a", 10), there)
    pack = first.where.packs[0].digest
    key = f"packs/{pack[:2]}/{pack}"
    body = bytearray(there.store.get(key))
    body[-1] ^= 1
    there.store.delete(key)
    there.store.create(key, bytes(body))
    assert not verify(there, "gpt", first, "west")[1].ok
    second = ship(push(2, 20, salt=b"t" * 16), checkpoint(tmp_path / "b", 20), there)
    assert second.where.base is None
    assert check_decoded(there, second).ok
    assert select(there, "gpt", "latest").what.step == 20
