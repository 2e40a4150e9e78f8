"""Parts of a checkpoint: files, tensors, ranks; to another world size; what a damaged one still gives."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from replicator.errors import DestinationOccupied, NothingToRestore, PartRefused
from replicator.formats.safetensors_writer import NotGatherable, Piece, gather
from replicator.repository.ladder import Ladder
from replicator.repository.manifest import File, Manifest, TensorEntry
from replicator.repository.restore import restore, restore_from
from replicator.repository.salvage import salvage
from replicator.repository.selection import files_like, files_of_ranks, rank_of, tensors_like
from replicator.repository.ship import ship
from replicator.repository.snapshot import take_snapshot
from replicator.repository.tensors import restore_tensors
from replicator.stores.faults import FaultyStore
from tests.replicator.repository.rig import push, repository
from tests.replicator.repository.test_restore_goes_on import Reads

ROOT = Path(__file__).resolve().parents[3]


def ranks(verb, folder, *worlds):
    subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "tests.replicator.repository.reshard", verb, folder, *map(str, worlds)],
        check=True, timeout=240, cwd=ROOT, env=os.environ | {"OMP_NUM_THREADS": "1"},
    )  # fmt: skip


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    folder = tmp_path_factory.mktemp("saved") / "step-40"
    ranks("save", folder, 2)
    return folder


def shipped(folder, there=None):
    there = there or repository()
    files = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    return there, ship(push(1, 40), take_snapshot(folder, files), there)


def named(*paths, tensors=()):
    files = tuple(File(path=p, mode=0o644, mtime_ns=0, size_bytes=0, digest="", blocks=()) for p in paths)
    return Manifest(push="", files=files, blocks=(), packs=(), tensors=tuple(tensors))


def tensor(name, file, shape=(4,), whole=None, offsets=None):
    return TensorEntry(
        name=name, file=file, offset=0, length=4, dtype="uint8", shape=shape, global_shape=whole, offsets=offsets,
        digest="", nan_count=0, inf_count=0, zero_fraction=0.0, sum_squares=0.0,
    )  # fmt: skip


@pytest.mark.slow
def test_what_two_ranks_saved_loads_on_one_and_on_four(saved, tmp_path):
    there, accepted = shipped(saved)
    restore(there, accepted, tmp_path / "b")
    ranks("load", tmp_path / "b", 1, 4)


@pytest.mark.slow
def test_ranks_that_did_not_save_are_refused_with_the_remedy(saved):
    there, accepted = shipped(saved)
    manifest = Ladder([(there, accepted)]).manifest
    with pytest.raises(PartRefused, match="saved by ranks 0, 1; there is no rank 2, 3") as refused:
        files_of_ranks(manifest, {0, 2, 3})
    assert "DCP reshards" in refused.value.hint
    assert files_of_ranks(manifest, {1}) >= {".metadata", "__1_0.distcp"}
    with pytest.raises(PartRefused, match="no file of this checkpoint is one rank's own"):
        files_of_ranks(named("model.safetensors", "trainer_state.json"), {0})


@pytest.mark.parametrize(
    ("path", "rank"),
    [
        ("__3_0.distcp", 3), ("model/__12_1.distcp", 12), ("rng_state_1.pth", 1), ("random_states_0.pkl", 0),
        ("global_step10/zero_pp_rank_5_mp_rank_00_optim_states.pt", 5), ("optimizer_rank-2.bin", 2), ("rank_07/state", 7),
        ("bf16_zero_pp_rank_1_mp_rank_00_optim_states.pt", 1),
        ("model-00001-of-00002.safetensors", None), (".metadata", None), ("rng_state.pth", None), ("frank_7/x", None),
    ],
)  # fmt: skip
def test_a_files_rank_is_what_trainers_write_into_its_name(path, rank):
    assert rank_of(path) == rank


def test_of_dcp_what_every_rank_reads_goes_with_each_ranks_own():
    manifest = named(
        ".metadata", "__0_0.distcp", "__1_0.distcp", "__2_0.distcp",
        tensors=[
            tensor("w", "__0_0.distcp", whole=(12,), offsets=(0,)), tensor("w", "__1_0.distcp", whole=(12,), offsets=(4,)),
            tensor("w", "__2_0.distcp", whole=(12,), offsets=(8,)), tensor("bias", "__2_0.distcp", whole=(4,), offsets=(0,)),
        ],
    )  # fmt: skip
    assert files_of_ranks(manifest, {0}) == {".metadata", "__0_0.distcp", "__2_0.distcp"}
    assert files_of_ranks(manifest, {2}) == {".metadata", "__2_0.distcp"}


def test_globs_that_match_nothing_say_what_there_is():
    manifest = named("a/x.bin", "b.json", tensors=[tensor("layer.0.w", "a/x.bin"), tensor("layer.1.w", "a/x.bin")])
    assert files_like(manifest, ["*.bin"]) == {"a/x.bin"}
    assert [t.name for t in tensors_like(manifest, ["layer.0.*", "*.w"])] == ["layer.0.w", "layer.1.w"]
    with pytest.raises(PartRefused) as refused:
        files_like(manifest, ["*.bin", "nothing*"])
    assert "a/x.bin, b.json" in refused.value.hint
    with pytest.raises(PartRefused) as refused:
        tensors_like(manifest, ["w"])
    assert "layer.0.w" in refused.value.hint


@pytest.mark.slow
def test_only_the_files_asked_for_come_and_are_fetched(saved, tmp_path):
    reads = Reads()
    from replicator.stores.cloud import memory_store

    there, accepted = shipped(saved, repository(FaultyStore(memory_store(), reads)))
    done = restore_from(Ladder([(there, accepted)]), tmp_path / "b", only={".metadata"})
    assert [path.name for path in (tmp_path / "b").iterdir()] == [".metadata"]
    assert done.files == 1
    assert reads.bytes < accepted.what.size_bytes / 2


@pytest.mark.slow
def test_sharded_and_turned_tensors_of_dcp_come_whole_as_safetensors(saved, tmp_path):
    from safetensors.torch import load_file

    from tests.replicator.repository.reshard import EXPECTED

    there, accepted = shipped(saved)
    ladder = Ladder([(there, accepted)])
    restore_tensors(ladder, tensors_like(ladder.manifest, ["*"]), tmp_path / "b")
    assert [path.name for path in (tmp_path / "b").iterdir()] == ["tensors.safetensors"]
    loaded = load_file(tmp_path / "b" / "tensors.safetensors")
    assert set(loaded) == set(EXPECTED)
    for name, expected in EXPECTED.items():
        assert loaded[name].equal(expected), name


@pytest.fixture
def model(tmp_path):
    import torch
    from safetensors.torch import save_file

    folder = tmp_path / "model"
    folder.mkdir()
    tensors = {f"w{n}": torch.arange(n, n + 100_000, dtype=torch.float32).reshape(100, 1000) for n in range(8)}
    tensors |= {"half": torch.ones(3, dtype=torch.bfloat16), "scalar": torch.tensor(7), "none": torch.zeros(0, 4)}
    save_file(tensors, folder / "model.safetensors")
    (folder / "config.json").write_text("{}")
    return folder, tensors


def test_of_a_safetensors_file_only_the_blocks_of_the_tensors_asked_for_are_fetched(model, tmp_path):
    from safetensors.torch import load_file

    from replicator.stores.cloud import memory_store

    folder, tensors = model
    reads = Reads()
    there, accepted = shipped(folder, repository(FaultyStore(memory_store(), reads)))
    ladder = Ladder([(there, accepted)])
    restore_tensors(ladder, tensors_like(ladder.manifest, ["w3", "half", "scalar", "none"]), tmp_path / "b")
    loaded = load_file(tmp_path / "b" / "tensors.safetensors")
    assert {name: value.tolist() for name, value in loaded.items()} == {
        name: tensors[name].tolist() for name in ("w3", "half", "scalar", "none")
    }
    assert reads.bytes < 450_000
    anew = Ladder([(there, replace(accepted, compacted=True))])
    restore_tensors(anew, tensors_like(anew.manifest, ["w3"]), tmp_path / "c")
    assert load_file(tmp_path / "c" / "tensors.safetensors")["w3"].equal(tensors["w3"])
    assert reads.bytes > 2_000_000, "the file's digest, which the writer signed, needs all of it"


def test_shards_that_are_not_all_there_are_refused(tmp_path):
    source = tmp_path / "source"
    source.write_bytes(bytes(range(16)))

    def piece(begins, shape=(2, 4), dtype="uint8"):
        return Piece("w", source, 0, dtype, shape, (4, 4), begins)

    gather(tmp_path / "out", [piece((0, 0)), piece((2, 0))])
    gather(tmp_path / "out", [piece((0, 0)), piece((2, 0)), piece((0, 0))])
    for wrong in (
        [piece((0, 0))], [piece((0, 0)), piece((1, 0))], [piece((0, 0)), piece((3, 0))],
        [piece((0, 0)), piece((2, 0), dtype="int8")], [piece((0, 0), dtype="complex128")],
    ):  # fmt: skip
        with pytest.raises(NotGatherable):
            gather(tmp_path / "out", wrong)


def lose(there, accepted, file, offset):
    """Flip a byte of the block that holds `offset` of `file`."""
    manifest = there.manifest(accepted.where.manifest)
    entry = next(each for each in manifest.files if each.path == file)
    at = 0
    for index in entry.blocks:
        block = manifest.blocks[index]
        if at + block.size_bytes > offset:
            pack = manifest.packs[block.pack].digest
            key = f"packs/{pack[:2]}/{pack}"
            body = bytearray(there.store.get(key))
            body[block.offset + block.stored_bytes // 2] ^= 1
            there.store.delete(key)
            there.store.create(key, bytes(body))
            return at, at + block.size_bytes - 1
        at += block.size_bytes
    raise AssertionError


def test_a_salvage_has_whole_files_and_sound_tensors_and_lists_the_rest_exactly(model, tmp_path):
    from safetensors.torch import load_file

    folder, tensors = model
    there, accepted = shipped(folder)
    w3 = next(t for t in there.manifest(accepted.where.manifest).tensors if t.name == "w3")
    lost = lose(there, accepted, "model.safetensors", w3.offset)
    told = salvage(Ladder([(there, accepted)]), tmp_path / "saved")
    assert told.files == ["config.json"]
    (damaged,) = told.damaged
    assert damaged.lost == [lost]
    assert damaged.lost_tensors == ["w3"]
    loaded = load_file(tmp_path / "saved" / "tensors" / "model.safetensors.safetensors")
    assert set(loaded) == set(tensors) - {"w3"}
    assert all(loaded[name].equal(tensors[name]) for name in loaded)
    assert sorted(path.name for path in (tmp_path / "saved").iterdir()) == ["SALVAGED.json", "files", "tensors"]
    assert [path.name for path in (tmp_path / "saved" / "files").iterdir()] == ["config.json"]
    report = json.loads((tmp_path / "saved" / "SALVAGED.json").read_text())
    assert report["complete"] is False
    assert report["damaged"][0]["lost"] == [list(lost)]


@pytest.mark.slow
def test_a_salvage_of_dcp_has_tensors_whose_items_are_whole(saved, tmp_path, monkeypatch):
    from safetensors.torch import load_file

    from tests.replicator.repository.reshard import EXPECTED

    monkeypatch.setattr("replicator.repository.blocks.OWN_BLOCK_BYTES", 16)
    there, accepted = shipped(saved)
    rows = next(
        t for t in there.manifest(accepted.where.manifest).tensors if t.name == "rows" and t.file == "__0_0.distcp"
    )
    assert lose(there, accepted, "__0_0.distcp", rows.offset)[0] == rows.offset
    told = salvage(Ladder([(there, accepted)]), tmp_path / "saved")
    assert set(told.files) == {".metadata", "__1_0.distcp"}
    (damaged,) = told.damaged
    assert damaged.lost_tensors == ["rows"]
    loaded = load_file(tmp_path / "saved" / "tensors" / "__0_0.distcp.safetensors")
    assert len(loaded) == 2
    for name, value in loaded.items():
        base, _, at = name.partition("@")
        begins = [int(n) for n in at.split("_")]
        place = tuple(slice(b, b + s) for b, s in zip(begins, value.shape, strict=True))
        assert value.equal(EXPECTED[base][place]), name


def test_a_salvage_never_has_the_name_of_the_checkpoint_nor_overwrites(model, tmp_path):
    folder, _ = model
    there, accepted = shipped(folder)
    with pytest.raises(DestinationOccupied, match="called like the checkpoint itself"):
        salvage(Ladder([(there, accepted)]), tmp_path / accepted.what.name)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "x").write_text("mine")
    with pytest.raises(DestinationOccupied):
        salvage(Ladder([(there, accepted)]), tmp_path / "mine")
    for pack in accepted.where.packs:
        there.store.delete(f"packs/{pack.digest[:2]}/{pack.digest}")
    with pytest.raises(NothingToRestore):
        salvage(Ladder([(there, accepted)]), tmp_path / "saved")
    assert not (tmp_path / "saved").exists()
