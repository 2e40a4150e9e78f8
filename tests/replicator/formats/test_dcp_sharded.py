"""A checkpoint that two processes wrote: every shard is found, with its place in the whole."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from replicator.formats import TensorRange, parse
from replicator.layouts import inspect

SCRIPT = Path(__file__).with_name("save_sharded.py")


@pytest.fixture(scope="module")
def sharded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sharded") / "step-40"
    subprocess.run(
        [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", SCRIPT, folder],
        check=True,
        timeout=240,
        capture_output=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )
    return folder


def elements(folder: Path, tensor: TensorRange) -> torch.Tensor:
    with (folder / tensor.file).open("rb") as file:
        file.seek(tensor.offset)
        data = bytearray(file.read(tensor.length))
    flat = torch.frombuffer(data, dtype=getattr(torch, tensor.dtype))
    return flat.reshape(tensor.shape) if tensor.strides is None else flat.as_strided(tensor.shape, tensor.strides)


@pytest.mark.slow
def test_shards_of_two_processes_make_up_the_whole(sharded: Path) -> None:
    candidate = inspect(sharded)
    assert (candidate.complete, candidate.step) == (True, 40)
    parsed = parse(sharded, candidate.files)
    assert parsed.notes == ()
    assert {tensor.file for tensor in parsed.tensors} == {"__0_0.distcp", "__1_0.distcp"}
    for name, seed, dtype in (("rows", 0, torch.float32), ("columns", 100, torch.bfloat16)):
        pieces = [tensor for tensor in parsed.tensors if tensor.name == name]
        assert len(pieces) == 2
        joined = torch.full((7, 6), -1.0, dtype=dtype)
        for piece in pieces:
            assert piece.global_shape == (7, 6)
            assert piece.offsets is not None
            place = tuple(slice(at, at + size) for at, size in zip(piece.offsets, piece.shape, strict=True))
            joined[place] = elements(sharded, piece)
        assert joined.equal(torch.arange(seed, seed + 42, dtype=dtype).reshape(7, 6))
    assert sum(tensor.name == "replicated" for tensor in parsed.tensors) == 1
    assert {tensor.name for tensor in parsed.tensors} == {"rows", "columns", "replicated", "plain", "rng_0", "rng_1"}
