"""What stands in a repository comes back from that repository alone, whatever it was not given and whatever was dropped."""

from __future__ import annotations

import random

import pytest

from replicator.errors import BaseGone
from replicator.log.entries import Drop
from replicator.model import CommitId, Id
from replicator.repository.packs import manifest_key, pack_key
from replicator.repository.restore import restore
from replicator.repository.retain import removable
from replicator.repository.ship import ship
from replicator.repository.snapshot import take_snapshot
from replicator.repository.verify import check_decoded, check_stored
from tests.replicator.repository.rig import checkpoint, contents, cut_every, push, repository


@pytest.fixture(autouse=True)
def _small(monkeypatch):
    monkeypatch.setattr("replicator.repository.packs.PACK_BYTES", 20_000)
    cut_every(4_000, monkeypatch)


def series(folder, count, dice):
    """Checkpoints that each differ from the one before in some blocks, so that any may lean on any."""
    weights = bytearray(dice.randbytes(60_000))
    made = []
    for n in range(1, count + 1):
        for _ in range(3):
            at = 4_000 * dice.randrange(15)
            weights[at : at + 4_000] = dice.randbytes(4_000)
        place = folder / f"ck-{n}"
        checkpoint(place, n)
        (place / "weights").write_bytes(bytes(weights))
        made.append(take_snapshot(place, ["weights", "sub/step", "empty"]))
    return made


def drop(there, commit):
    log = there.log("gpt")
    gone = Id(term=commit.term, height=commit.height)
    log.append(lambda view: Drop(term=view.term, commits=(gone,), bytes_after=0.0, reason="test"))
    packs, manifests = removable(log.view(), [], now=1.0)
    for key in [*map(pack_key, packs), *map(manifest_key, manifests)]:
        there.store.delete(key)


@pytest.mark.parametrize("seed", range(12))
def test_each_destination_restores_all_that_stands_there_though_each_was_given_other_checkpoints(tmp_path, seed):
    dice = random.Random(seed)
    snapshots = series(tmp_path, 8, dice)
    leaned = 0
    for name in ("near", "far"):
        there = repository(name=name)
        given = [n for n in range(1, 9) if dice.random() < 0.7]
        for _ in range(2):  # some arrive late, newest first
            at = dice.randrange(len(given)) if given else 0
            given[at:] = reversed(given[at:])
        for n in given:
            ship(push(n, n, attempt=f"a{n}", salt=bytes([n]) * 16), snapshots[n - 1], there)
            standing = sorted(there.log("gpt").view().accepted)
            if dice.random() < 0.3:
                drop(there, dice.choice(standing))
        view = there.log("gpt").view()
        assert not view.void
        for accepted in view.in_order():
            assert check_stored(there, accepted).ok, f"seed {seed}: {accepted.what.id()} in {name}"
            assert check_decoded(there, accepted).ok, f"seed {seed}: {accepted.what.id()} in {name}"
            leaned += accepted.where.base is not None
            target = tmp_path / "out" / name / str(accepted.what.id())
            restore(there, accepted, target)
            assert contents(target) == contents(tmp_path / f"ck-{accepted.what.height}")
    assert leaned, f"seed {seed}: nothing leaned on anything"


def test_a_destination_that_skipped_the_base_gets_a_keyframe_of_its_own(tmp_path):
    first, second = series(tmp_path, 2, random.Random(0))
    near, far = repository(name="near"), repository(name="far")
    ship(push(1, 1, attempt="a1"), first, near)
    leaning = ship(push(2, 2, attempt="a2", parent=CommitId(1, 1)), second, near)
    keyframe = ship(push(2, 2, attempt="a2", parent=CommitId(1, 1)), second, far)
    assert leaning.where.base == Id(term=1, height=1)
    assert keyframe.where.base is None, "it leans on nothing, though its parent is named"
    assert keyframe.what.parent == leaning.what.parent == Id(term=1, height=1)
    assert keyframe.what == leaning.what
    assert check_decoded(far, keyframe).ok


def test_ranks_that_leaned_on_different_bases_commit_only_while_all_of_them_stand(tmp_path):
    dice = random.Random(1)
    there = repository()
    old = series(tmp_path / "old", 2, dice)
    ship(push(1, 1, attempt="a1"), old[0], there)
    first = take_snapshot(tmp_path / "old" / "ck-1", ["weights"])
    other = checkpoint(tmp_path / "other", 7, size=30_000, seed=9)
    both = {"attempt": "a3", "salt": b"r" * 16, "world": 2}
    assert ship(push(3, 3, rank=0, **both), first, there) is None
    ship(push(2, 2, attempt="a2"), other, there)
    moved = tmp_path / "rank-1"
    moved.mkdir()
    (moved / "more").write_bytes((tmp_path / "other" / "weights").read_bytes())
    late = take_snapshot(moved, ["more"])
    drops = []

    class Between:
        """The second base is dropped when both parts are there, before the commit."""

        def __getattr__(self, name):
            return getattr(there.store, name)

        def create(self, key, body):
            there.store.create(key, body)
            if key.startswith("parts/") and key.endswith("/1"):
                drops.append(key)
                drop(there, CommitId(1, 2))

    with pytest.raises(BaseGone, match=r"1\.2"):
        ship(push(3, 3, rank=1, **both), late, repository(Between()))
    assert drops
    assert CommitId(1, 3) not in there.log("gpt").view().accepted
