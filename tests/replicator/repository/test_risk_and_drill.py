"""What to test next is decided by facts alone; a drill and a spot check say what they saw, and no more."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from replicator.errors import StoreUnavailable
from replicator.model import CommitId
from replicator.repository.drill import drill
from replicator.repository.repository import Repository
from replicator.repository.risk import Facts, facts_of, ranked, risk
from replicator.repository.scrub import Place, load, save, scrub
from replicator.repository.ship import ship
from replicator.repository.verify import sample, verify
from replicator.stores.cloud import memory_store
from replicator.stores.faults import FaultyStore
from tests.replicator.repository.damage import filled, flip_body
from tests.replicator.repository.rig import checkpoint, cut_every, push, repository
from tests.replicator.repository.test_restore_goes_on import Reads

DAY = 86_400.0


@pytest.fixture(autouse=True)
def _small(monkeypatch):
    monkeypatch.setattr("replicator.repository.packs.PACK_BYTES", 60_000)
    cut_every(16_000, monkeypatch)


PLAIN = Facts(
    "1.1", 10, 2, 10 * DAY, 1 << 30, 5 * DAY, 5 * DAY, failed=False, storage="file", leaned_on=0, newest=False
)


@pytest.mark.parametrize(
    "more",
    [
        {"checked_s": 9 * DAY}, {"checked_s": None}, {"drilled_s": None}, {"size_bytes": 2 << 30}, {"leaned_on": 1},
        {"newest": True}, {"failed": True}, {"age_s": 20 * DAY, "checked_s": None, "drilled_s": None},
    ],
)  # fmt: skip
def test_each_fact_that_raises_the_risk_raises_the_score(more):
    assert risk(replace(PLAIN, **more)).score > risk(PLAIN).score


def test_a_bucket_is_at_less_risk_and_the_list_is_in_order():
    assert risk(replace(PLAIN, storage="s3")).score < risk(PLAIN).score
    listed = ranked([PLAIN, replace(PLAIN, slot=3, failed=True), replace(PLAIN, slot=4)])
    assert [each.facts.slot for each in listed] == [3, 4, 2]


def test_facts_come_from_the_log_and_receipts(tmp_path):
    (there,) = filled(tmp_path, "here")
    there.clock = there.receipts._clock = lambda: 2000.0
    first, _, third = there.log("gpt").view().in_order()
    there.receipts.write("gpt", first.slot, "decoded", "v", record=there.log("gpt").slot(first.slot).digest, ok=True)
    there.receipts._clock = there.clock = lambda: 2100.0
    a, b, c = facts_of(there, "gpt")
    assert (a.leaned_on, b.leaned_on, c.leaned_on) == (2, 1, 0)
    assert (a.checked_s, b.checked_s) == (100.0, None)
    assert (a.newest, c.newest) == (False, True)
    assert a.age_s == 2100 - first.what.saved_at
    assert ranked([a, b, c])[-1].facts.commit != str(third.what.id())


def test_a_drill_restores_judges_removes_and_leaves_a_receipt_with_what_it_took(tmp_path):
    there = repository()
    accepted = ship(push(1, 10), checkpoint(tmp_path / "a", 10), there)
    times = iter([10.0, 12.5])
    done = drill(there, "gpt", accepted, tmp_path / "scratch", "drill", clock=lambda: next(times))
    assert (done.why, done.seconds) == (None, 2.5)
    assert list((tmp_path / "scratch").iterdir()) == []
    assert there.receipts.levels("gpt", accepted.slot, ("decoded",)) == {"decoded": True}
    body = there.receipts._log("gpt", accepted.slot, "decoded", "drill").read()[-1].body
    assert body["drill"] == {"seconds": 2.5, "bytes": float(accepted.what.size_bytes)}
    assert there.receipts.drilled_at("gpt", accepted.slot) is not None
    drill(there, "gpt", accepted, tmp_path / "scratch", "drill")
    assert len(there.receipts._log("gpt", accepted.slot, "decoded", "drill").read()) == 2


def test_a_drill_of_a_damaged_checkpoint_says_so_and_is_no_drill_done(tmp_path):
    there = repository()
    accepted = ship(push(1, 10), checkpoint(tmp_path / "a", 10), there)
    pack = accepted.where.packs[0].digest
    flip_body(there.store, f"packs/{pack[:2]}/{pack}", 40)
    done = drill(there, "gpt", accepted, tmp_path / "scratch", "drill")
    assert pack in done.why
    assert there.receipts.damaged("gpt", accepted.slot)
    assert there.receipts.drilled_at("gpt", accepted.slot) is None
    assert list((tmp_path / "scratch").iterdir()) == []


def test_a_checkpoint_that_restores_and_is_not_whole_for_its_trainer_fails_its_drill(tmp_path):
    there = repository()
    folder = tmp_path / "checkpoint-10"
    folder.mkdir()
    (folder / "model.safetensors").write_bytes((1 << 40).to_bytes(8, "little") + b"{}")
    from replicator.repository.snapshot import take_snapshot

    accepted = ship(push(1, 10), take_snapshot(folder, ["model.safetensors"]), there)
    done = drill(there, "gpt", accepted, tmp_path / "scratch", "drill")
    assert "not a whole checkpoint" in done.why


def test_a_sample_reads_its_share_more_where_the_risk_is_and_raises_no_level(tmp_path):
    reads = Reads()
    (made,) = filled(tmp_path, "here")
    there = Repository("here", FaultyStore(made.store, reads))
    found = sample(there, "gpt", 0.2, "spot", random.Random(1))
    total = sum(each.risk.facts.size_bytes for each in found)
    read = sum(each.size_bytes for each in found)
    assert 0.15 * total < read < 0.3 * total
    shares = [each.size_bytes / each.risk.facts.size_bytes for each in found]
    assert shares == sorted(shares, reverse=True)
    assert shares[0] > shares[-1]
    for accepted in there.log("gpt").view().in_order():
        assert there.receipts.words("gpt", accepted.slot, "decoded") == {}


def test_what_a_sample_finds_damaged_is_said_once_and_for_all(tmp_path):
    there = repository()
    accepted = ship(push(1, 10), checkpoint(tmp_path / "a", 10), there)
    pack = accepted.where.packs[0].digest
    there.store.delete(f"packs/{pack[:2]}/{pack}")
    (found,) = sample(there, "gpt", 0.01, "spot", random.Random(1))
    assert pack in found.reason
    assert there.receipts.damaged("gpt", accepted.slot)


def test_scrubbing_goes_round_on_its_budget_and_remembers_where_it_was(tmp_path):
    (there,) = filled(tmp_path, "here")
    path = tmp_path / "state" / "place.json"
    seen, runs = 0, 0
    while True:
        done = scrub(there, load(path), "scrub", budget_bytes=100_000)
        save(path, done.place)
        seen, runs = seen + done.objects, runs + 1
        assert done.read_bytes < 200_000
        if not done.left:
            break
    assert runs == 3
    assert seen == len(list(there.store.list("packs"))) + len(list(there.store.list("manifests")))
    assert load(path).round == 2
    ticks = iter(range(100))
    timed = scrub(there, Place(), "scrub", budget_s=2.5, clock=lambda: float(next(ticks)))
    assert timed.objects == 3 - 1


def test_scrubbing_remembers_damage_until_it_reads_well_again_and_blames_nobody_for_an_absent_store(tmp_path):
    there = repository()
    accepted = ship(push(1, 10), checkpoint(tmp_path / "a", 10), there)
    pack = accepted.where.packs[0].digest
    key = f"packs/{pack[:2]}/{pack}"
    right = there.store.get(key)
    flip_body(there.store, key, 40)
    done = scrub(there, Place(), "scrub")
    assert list(done.place.damaged) == [key]
    assert there.receipts.damaged("gpt", accepted.slot)
    there.store.delete(key)
    there.store.create(key, right)
    assert scrub(there, done.place, "scrub").place.damaged == {}
    reads = Reads()
    reads.left = 0
    away = Repository("here", FaultyStore(there.store, reads))
    with pytest.raises(StoreUnavailable):
        scrub(away, Place(), "scrub")
    assert accepted.what.id() == CommitId(1, 1)


def test_a_verifier_does_not_call_damaged_what_it_could_not_read(tmp_path):
    reads = Reads()
    there = repository(FaultyStore(memory_store(), reads))
    accepted = ship(push(1, 10), checkpoint(tmp_path / "a", 10), there)
    reads.left = 0
    with pytest.raises(StoreUnavailable):
        verify(there, "gpt", accepted, "west")
    assert there.receipts.words("gpt", accepted.slot, "decoded") == {}
