"""What the keeper removes, no other checkpoint needs."""

from __future__ import annotations

import os

from replicator.repository.repository import Repository
from replicator.repository.ship import ship
from replicator.repository.snapshot import take_snapshot
from replicator.repository.verify import check_decoded, verify
from replicator.retention.policy import Policy
from replicator.service.keeping import Keeping
from replicator.stores.cloud import memory_store
from replicator.stores.faults import FaultyStore
from tests.replicator.repository.rig import push, repository


def test_a_checkpoint_saved_anew_while_its_first_save_is_let_go_stays_whole(tmp_path):
    store = memory_store()
    west = repository(store)
    for name in ("a", "b"):
        (tmp_path / name).write_bytes(os.urandom(200_000))
    first, both = take_snapshot(tmp_path, ["a"]), take_snapshot(tmp_path, ["a", "b"])
    ship(push(1, 10, attempt="1", salt=b"1" * 16), first, west)
    verify(west, "gpt", ship(push(2, 20, attempt="2", salt=b"2" * 16), both, west), "west")

    class WriterInBetween:
        """The run was rolled back and saves its first state anew, right before the keeper's first deletion."""

        done = False

        def before(self, verb: str, key: str) -> None:
            if verb == "delete" and not self.done:
                self.done = True
                ship(push(3, 30, attempt="3", salt=b"3" * 16), first, Repository("west", store))

        def after(self, verb: str, key: str) -> None:
            pass

        def filter(self, key: str, body: bytes) -> bytes:
            return body

    between = WriterInBetween()
    keeper = Repository("west", FaultyStore(store, between))
    Keeping(keeper, "gpt", "west", keep=1, grace_s=0, poll_s=1).let_go()
    assert between.done
    fresh = Repository("west", store)
    verdict = check_decoded(fresh, fresh.log("gpt").view().accepted[(1, 3)])
    assert verdict.ok, verdict.reason


def test_while_the_newest_are_tried_and_failed_nothing_older_that_is_sound_goes(tmp_path):
    west = repository()
    (tmp_path / "a").write_bytes(os.urandom(1000))
    made = [
        ship(
            push(height, height * 10, attempt=str(height), salt=bytes([height]) * 16),
            take_snapshot(tmp_path, ["a"]),
            west,
        )
        for height in range(1, 5)
    ]
    for accepted in made:
        verify(west, "gpt", accepted, "west")
    for accepted in made[1:]:
        record = west.log("gpt").slot(accepted.slot).digest
        west.receipts.write("gpt", accepted.slot, "proved", "west", record=record, ok=False, reason="differs")
    keeping = Keeping(west, "gpt", "west", keep=2, grace_s=0, poll_s=1)
    keeping.let_go()
    assert {key.height for key in west.log("gpt").view().accepted} == {1, 3, 4}


def test_what_only_time_makes_old_goes_too(tmp_path):
    now = [1000.0]
    west = Repository("west", repository().store, clock=lambda: now[0])
    (tmp_path / "a").write_bytes(b"x")
    os.utime(tmp_path / "a", (990.0, 990.0))
    for height in (1, 2):
        made = push(height, height, attempt=str(height), salt=bytes([height]) * 16)
        verify(west, "gpt", ship(made, take_snapshot(tmp_path, ["a"]), west), "west")
    saved_at = west.log("gpt").view().accepted[(1, 1)].what.saved_at
    now[0] = saved_at + 90
    keeping = Keeping(west, "gpt", "west", Policy(last=1, min_age_s=100), grace_s=0, poll_s=1)
    keeping.let_go()
    now[0] += 20
    keeping.let_go()
    assert len(west.log("gpt").view().accepted) == 2
    now[0] += 20
    keeping.let_go()
    assert {key.height for key in west.log("gpt").view().accepted} == {2}
