"""A push that was interrupted goes on where it was: what the store confirmed is not sent again, also by another process."""

from __future__ import annotations

import numpy as np
import pytest

from replicator.errors import OutcomeUnknown
from replicator.repository.progress import KeptProgress, Progress
from replicator.repository.restore import restore
from replicator.repository.ship import ship
from replicator.repository.snapshot import take_snapshot
from replicator.repository.verify import check_decoded, check_stored
from replicator.stores.cloud import memory_store
from replicator.stores.faults import FaultyStore
from tests.replicator.crypto.rig import Family
from tests.replicator.repository.rig import KillAt, Killed, checkpoint, contents, cut_every, push, repository

SIZE = 3_000_000


@pytest.fixture(autouse=True)
def small_packs(monkeypatch):
    monkeypatch.setattr("replicator.repository.packs.PACK_BYTES", 100_000)
    cut_every(64_000, monkeypatch)


class Counting:
    """A store that counts the bytes that it was given."""

    def __init__(self, inner):
        self.inner, self.given = inner, 0

    def create(self, key, body):
        self.given += len(body)
        self.inner.create(key, body)

    def __getattr__(self, name):
        return getattr(self.inner, name)


def packs(tmp_path) -> int:
    """Writes of packs that a whole push makes."""
    counter, store = KillAt(10**9, before=True), memory_store()
    repository(store)
    ship(push(1, 10), checkpoint(tmp_path / "count", 10, size=SIZE), repository(FaultyStore(store, counter)))
    return counter.seen - 3


def killed_at(share, store, snapshot, file, tmp_path, **more):
    counting = Counting(store)
    faulty = FaultyStore(counting, KillAt(int(packs(tmp_path) * share), before=False))
    with pytest.raises(Killed):
        ship(push(1, 10), snapshot, repository(faulty), KeptProgress(file, **more))
    return counting.given


def test_of_a_push_killed_at_ninety_percent_a_twentieth_is_sent_again_at_most(tmp_path):
    store, snapshot = memory_store(), checkpoint(tmp_path / "a", 10, size=SIZE)
    repository(store)
    before = killed_at(0.9, store, snapshot, tmp_path / "packs-west", tmp_path)
    counting = Counting(store)
    accepted = ship(push(1, 10), snapshot, repository(counting), KeptProgress(tmp_path / "packs-west"))
    assert before > 0.85 * SIZE
    assert before + counting.given < 1.05 * SIZE
    there = repository(store)
    assert check_stored(there, accepted).ok
    assert check_decoded(there, accepted).ok
    restore(there, accepted, tmp_path / "b")
    assert contents(tmp_path / "b") == contents(tmp_path / "a")
    assert accepted.where.shipped_bytes > 0.95 * SIZE, "what the first try sent is the push's too"


def test_it_goes_on_although_what_it_could_lean_on_has_changed_meanwhile(tmp_path):
    """The newest goes first: when the older one's turn comes again, another base is there, and blocks fall otherwise."""
    store, snapshot = memory_store(), checkpoint(tmp_path / "a", 10, size=SIZE)
    repository(store)
    before = killed_at(0.9, store, snapshot, tmp_path / "packs-west", tmp_path)
    other = tmp_path / "other"
    other.mkdir()
    body = (tmp_path / "a" / "weights").read_bytes()[: 64_000 * 3] + np.random.default_rng(9).bytes(64_000)
    (other / "weights").write_bytes(body)
    ship(push(2, 20, attempt="a2", salt=b"t" * 16), take_snapshot(other, ["weights"]), repository(store))
    counting = Counting(store)
    accepted = ship(push(1, 10), snapshot, repository(counting), KeptProgress(tmp_path / "packs-west"))
    assert before + counting.given < 1.05 * SIZE
    assert check_decoded(repository(store), accepted).ok


def test_packs_of_other_sizes_than_before_change_nothing(tmp_path):
    store, snapshot = memory_store(), checkpoint(tmp_path / "a", 10, size=SIZE)
    repository(store)
    before = killed_at(0.9, store, snapshot, tmp_path / "p", tmp_path, pack_bytes=lambda: 100_000)
    counting = Counting(store)
    accepted = ship(push(1, 10), snapshot, repository(counting), KeptProgress(tmp_path / "p", lambda: 300_000))
    assert before + counting.given < 1.05 * SIZE
    assert check_decoded(repository(store), accepted).ok


def test_what_the_store_lost_is_sent_again_and_a_line_cut_short_is_none(tmp_path):
    store, snapshot = memory_store(), checkpoint(tmp_path / "a", 10, size=SIZE)
    repository(store)
    killed_at(0.5, store, snapshot, tmp_path / "p", tmp_path)
    noted = KeptProgress(tmp_path / "p").packs
    gone = noted[0][0].digest
    store.delete(f"packs/{gone[:2]}/{gone}")
    with (tmp_path / "p").open("a") as file:
        file.write('\n{"digest": "ab", "size')
    assert KeptProgress(tmp_path / "p").packs == noted
    accepted = ship(push(1, 10), snapshot, repository(store), KeptProgress(tmp_path / "p"))
    assert check_stored(repository(store), accepted).ok
    assert check_decoded(repository(store), accepted).ok


def test_a_lost_answer_sends_nothing_twice(tmp_path):
    class Lost(KillAt):
        def after(self, verb, key):
            if verb == "create" and key.startswith("packs/"):
                raise OutcomeUnknown("the answer was lost")

    store, snapshot = memory_store(), checkpoint(tmp_path / "a", 10, size=SIZE)
    repository(store)
    counting = Counting(store)
    accepted = ship(push(1, 10), snapshot, repository(FaultyStore(counting, Lost(10**9, before=True))), Progress())
    assert counting.given < 1.05 * SIZE
    assert accepted.where.shipped_bytes > 0.95 * SIZE


def test_an_encrypted_push_goes_on_too_with_the_keys_of_the_packs_that_are_there(tmp_path):
    family, snapshot = Family(tmp_path / "family"), checkpoint(tmp_path / "a", 10, size=SIZE)
    family.hand("writer")
    count, file = packs(tmp_path), tmp_path / "packs-west"
    counting = Counting(family.store)
    dying = family.hand("writer", store=FaultyStore(counting, KillAt(int(count * 0.9), before=False)))
    with pytest.raises(Killed):
        ship(push(1, 10), snapshot, dying, KeptProgress(file))
    assert counting.given > 0.7 * SIZE
    accepted = ship(push(1, 10), snapshot, family.hand("writer", store=counting), KeptProgress(file))
    assert counting.given < 1.1 * SIZE
    reader = family.hand("operator")
    assert check_decoded(reader, accepted).ok
    restore(reader, accepted, tmp_path / "b")
    assert contents(tmp_path / "b") == contents(tmp_path / "a")


def test_notes_that_a_power_loss_damaged_are_none_and_end_nothing(tmp_path):
    notes = tmp_path / "packs"
    sound = b'{"digest":"ab","size_bytes":1,"blocks":[],"key":null}'
    notes.write_bytes(b"\x00\xb6\xb4\n" + sound + b"\n" + sound.replace(b":1,", b":-1,") + b"\n")
    assert [each.pack.size_bytes for each in KeptProgress(notes).packs] == [1]
