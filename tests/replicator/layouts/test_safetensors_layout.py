"""Safetensors folders and files; and what no layout knows."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest
import torch
from safetensors.torch import save_file

from replicator.layouts import Candidate, Settle, find, inspect

if TYPE_CHECKING:
    from pathlib import Path

WHOLE = "every safetensors file is as long as its header says"


def save(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({"w": torch.arange(64.0)}, path)
    return path


def cut(path: Path, size: int) -> None:
    with path.open("r+b") as file:
        file.truncate(size)


def test_finds_folders_and_files_by_step(tmp_path: Path) -> None:
    save(tmp_path / "step-9" / "model.safetensors")
    (tmp_path / "step-9" / "optimizer.pt").write_bytes(b"x")
    save(tmp_path / "model-40.safetensors")
    save(tmp_path / "model-00001-of-00002.safetensors")
    save(tmp_path / "final.safetensors")
    found = find(tmp_path)
    assert found == [
        Candidate(
            tmp_path / "step-9",
            9,
            ("model.safetensors", "optimizer.pt"),
            complete=True,
            why=WHOLE,
            layout="safetensors",
            settle=Settle.QUIET,
        ),
        Candidate(
            tmp_path / "model-40.safetensors",
            40,
            ("model-40.safetensors",),
            complete=True,
            why="the file is as long as its header says",
            layout="safetensors",
        ),
    ]
    assert found == [inspect(candidate.path) for candidate in found]


def test_every_truncation_is_torn(tmp_path: Path) -> None:
    path = save(tmp_path / "step-1" / "model.safetensors")
    size = path.stat().st_size
    for left in range(size - 1, -1, -1):
        cut(path, left)
        assert not inspect(path.parent).complete
        assert not inspect(path).complete
    assert inspect(path).why == "`model.safetensors` has 0 of 8 bytes"


def test_a_file_longer_than_its_header_says_is_torn(tmp_path: Path) -> None:
    path = save(tmp_path / "step-1.safetensors")
    size = path.stat().st_size
    cut(path, size + 3)
    assert inspect(path).why == f"`step-1.safetensors` has {size + 3} of {size} bytes"


@pytest.mark.parametrize(("first", "last"), [(1, 3), (0, 2)])
def test_every_shard_of_a_set_must_be_there(tmp_path: Path, first: int, last: int) -> None:
    folder = tmp_path / "step-1"
    shards = [save(folder / f"model-{i:05}-of-00003.safetensors") for i in range(first, last + 1)]
    assert inspect(folder).complete
    for shard in shards:
        content = shard.read_bytes()
        shard.unlink()
        assert not inspect(folder).complete
        shard.write_bytes(content)
    shards[1].unlink()
    assert inspect(folder).why == f"`{shards[1].name}` missing"


def test_every_shard_that_the_index_names_must_be_there(tmp_path: Path) -> None:
    folder = tmp_path / "step-1"
    save(folder / "a.safetensors")
    index = folder / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"x": "a.safetensors", "y": "b.safetensors"}}))
    assert inspect(folder).why == "`b.safetensors` missing"
    save(folder / "b.safetensors")
    assert inspect(folder).complete
    index.write_text(json.dumps({"weight_map": {"x": "../a.safetensors"}}))
    assert not inspect(folder).complete
    for broken in ("", "[]", '{"weight_map": 3}', '{"weight_map": {"x": 3}}', "[" * 100_000):
        index.write_text(broken)
        assert inspect(folder).why.startswith("`model.safetensors.index.json` unreadable")


def test_what_no_layout_knows_is_taken_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "step-3").mkdir()
    (tmp_path / "step-3" / "model.pt").write_bytes(b"x")
    opaque = "opaque: taken as it is"
    folder, path = tmp_path / "step-3", tmp_path / "step-3" / "model.pt"
    for where, step in ((folder, 3), (path, None)):
        assert inspect(where) == Candidate(
            where, step, ("model.pt",), complete=True, why=opaque, layout="quiet", settle=Settle.QUIET
        )


def test_nothing_is_no_checkpoint(tmp_path: Path) -> None:
    assert not inspect(tmp_path / "absent").complete
    (tmp_path / "empty").mkdir()
    assert inspect(tmp_path / "empty").why == "the folder holds no files"


def test_what_cannot_be_replicated_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "step-1"
    folder.mkdir()
    (folder / "model.pt").write_bytes(b"x")
    os.mkfifo(folder / "pipe")
    assert (inspect(folder).complete, inspect(folder).why) == (False, "`pipe` is not a regular file")
    (folder / "pipe").unlink()
    (folder / "gone").symlink_to("nowhere")
    assert inspect(folder).why == "`gone` leads nowhere"
    (folder / "gone").unlink()
    (folder / "linked").symlink_to(tmp_path, target_is_directory=True)
    assert inspect(folder).why == "`linked` is a link to a folder that the checkpoint does not hold"


def test_a_name_that_is_no_text_travels(tmp_path: Path) -> None:
    folder = tmp_path / "step-1"
    folder.mkdir()
    (folder / os.fsdecode(b"model-\xff.pt")).write_bytes(b"x")
    candidate = inspect(folder)
    assert candidate.complete
    assert candidate.files == (os.fsdecode(b"model-\xff.pt"),)
