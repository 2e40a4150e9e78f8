"""Nothing appears under its name before every digest matched; damage is named, never handed on."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from replicator.errors import DataCorrupt, DestinationOccupied, NothingToRestore
from replicator.model import CommitId, Finding
from replicator.repository.blocks import BLOCK_BYTES, OWN_BLOCK_BYTES, regions
from replicator.repository.manifest import safe_path
from replicator.repository.repository import newest_recovery_point
from replicator.repository.restore import restore
from replicator.repository.select import select
from replicator.repository.ship import ship
from replicator.repository.verify import check_decoded, check_stored, verify
from tests.replicator.repository.rig import checkpoint, contents, push, repository


def damage(there, accepted, *, remove=False):
    pack = accepted.where.packs[0].digest
    key = f"packs/{pack[:2]}/{pack}"
    body = bytearray(there.store.get(key))
    body[len(body) // 2] ^= 1
    there.store.delete(key)
    if not remove:
        there.store.create(key, bytes(body))


@pytest.mark.parametrize("remove", [True, False])
def test_a_damaged_or_missing_pack_is_named_and_nothing_appears(tmp_path, remove):
    there = repository()
    accepted = ship(push(1, 10), checkpoint(tmp_path / "a", 10), there)
    damage(there, accepted, remove=remove)
    assert check_stored(there, accepted).ok is not remove
    assert not check_decoded(there, accepted).ok
    with pytest.raises(DataCorrupt, match=accepted.where.packs[0].digest):
        restore(there, accepted, tmp_path / "b")
    assert not (tmp_path / "b").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_restoring_twice_reads_nothing_the_second_time_and_never_overwrites(tmp_path):
    there = repository()
    accepted = ship(push(1, 10), checkpoint(tmp_path / "a", 10), there)
    assert not restore(there, accepted, tmp_path / "b").already
    assert restore(there, accepted, tmp_path / "b").already
    (tmp_path / "b" / "weights").write_bytes(b"mine")
    with pytest.raises(DestinationOccupied):
        restore(there, accepted, tmp_path / "b")
    assert (tmp_path / "b" / "weights").read_bytes() == b"mine"


def test_latest_is_the_greatest_term_and_height_that_is_neither_suspect_nor_damaged(tmp_path):
    there = repository()
    first = ship(push(1, 30), checkpoint(tmp_path / "a", 30), there)
    second = ship(push(2, 20), checkpoint(tmp_path / "b", 20, seed=2), there)
    nan = Finding(reason="nan", tensor="w", evidence="1 NaN")
    third = ship(push(3, 40, findings=(nan,)), checkpoint(tmp_path / "c", 40, seed=3), there)
    assert select(there, "gpt", "latest") == second
    damage(there, second)
    verify(there, "gpt", second, "west")
    assert select(there, "gpt", "latest") == first
    assert select(there, "gpt", "1.3") == third
    assert select(there, "gpt", "step:30") == first
    for wrong in ("step:99", "1.9", "yesterday"):
        with pytest.raises(NothingToRestore):
            select(there, "gpt", wrong)


def test_a_recovery_point_has_every_receipt_that_is_demanded(tmp_path):
    there = repository()
    first = ship(push(1, 10), checkpoint(tmp_path / "a", 10), there)
    ship(push(2, 20), checkpoint(tmp_path / "b", 20, seed=2), there)
    assert newest_recovery_point(there, "gpt", ("stored", "decoded")) is None
    verify(there, "gpt", first, "west")
    found = newest_recovery_point(there, "gpt", ("stored", "decoded"))
    assert found is not None
    assert found.what.id() == CommitId(1, 1)


def test_a_failed_receipt_outweighs_an_ok_until_the_same_verifier_takes_it_back(tmp_path):
    there = repository()
    accepted = ship(push(1, 10), checkpoint(tmp_path / "a", 10), there)
    verify(there, "gpt", accepted, "west")
    record = there.log("gpt").slot(accepted.slot).digest
    there.receipts.write("gpt", accepted.slot, "decoded", "east", record=record, ok=False, reason="bad")
    assert there.receipts.levels("gpt", accepted.slot, ("stored", "decoded")) == {"stored": True, "decoded": False}
    there.receipts.write("gpt", accepted.slot, "decoded", "east", record=record, ok=True)
    assert there.receipts.levels("gpt", accepted.slot, ("decoded",)) == {"decoded": True}


@given(
    st.integers(0, 30_000_000), st.lists(st.tuples(st.integers(0, 30_000_000), st.integers(0, 9_000_000)), max_size=12)
)
def test_blocks_cover_a_file_without_gap_and_large_tensors_own_theirs(size, pieces):
    tensors, end = [], 0
    for gap, length in pieces:
        offset = end + gap % 1_000_000
        if offset + length > size:
            break
        tensors.append((offset, length))
        end = offset + length
    blocks = [
        (region.offset + at, min(BLOCK_BYTES, region.length - at))
        for region in regions(size, tensors)
        for at in range(0, region.length, BLOCK_BYTES)
    ]
    assert sum(length for _, length in blocks) == size
    at = 0
    for offset, length in blocks:
        assert offset == at
        assert 0 < length <= BLOCK_BYTES
        at += length
    edges = {offset for offset, _ in blocks} | {size}
    for offset, length in tensors:
        if length >= OWN_BLOCK_BYTES:
            assert {offset, offset + length} <= edges


@pytest.mark.parametrize("path", ["../x", "/x", "a/../../x", "", "a//b", "./a", "a/", "x\0y"])
def test_a_path_that_leaves_the_folder_is_not_safe(path):
    assert not safe_path(path)


def test_contents_of_a_checkpoint_are_as_they_were(tmp_path):
    snapshot = checkpoint(tmp_path / "a", 10)
    assert {source.file.path for source in snapshot.files} == set(contents(tmp_path / "a"))
