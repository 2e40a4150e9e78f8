"""Bytes without a structure are cut by their content: insert some, and nearly all blocks are those from before."""

from __future__ import annotations

import io
import os
import random
import subprocess
import sys

import numpy as np
import pytest

from replicator.repository import chunks
from replicator.repository.manifest import Chunker
from replicator.repository.restore import restore
from replicator.repository.ship import ship
from replicator.repository.snapshot import take_snapshot
from tests.replicator.repository.rig import push, repository

BODY = np.random.default_rng(5).bytes(24 << 20)


def cut(body):
    return list(chunks.chunks(io.BytesIO(body).read, len(body)))


@pytest.mark.parametrize("size", [0, 1, chunks.MIN_BYTES, chunks.MIN_BYTES + 1, 5_000_000, 24 << 20])
def test_chunks_are_the_bytes_in_order_and_of_bounded_length(size):
    found = cut(BODY[:size])
    assert b"".join(found) == BODY[:size]
    assert all(chunks.MIN_BYTES <= len(each) <= chunks.MAX_BYTES for each in found[:-1])
    assert all(0 < len(each) <= chunks.MAX_BYTES for each in found)


def test_cuts_do_not_depend_on_the_window_that_they_are_looked_for_in(monkeypatch):
    whole = cut(BODY)
    monkeypatch.setattr(chunks, "_WINDOW_BYTES", chunks.MAX_BYTES + 4096)
    assert cut(BODY) == whole


@pytest.mark.parametrize("at", [0, 1 << 20, (11 << 20) + 13, 24 << 20])
def test_an_insertion_changes_few_blocks(at):
    changed = BODY[:at] + random.Random(at).randbytes(1000) + BODY[at:]
    before = set(cut(BODY))
    assert sum(len(each) for each in cut(changed) if each not in before) <= 2 * chunks.MAX_BYTES


def test_a_file_that_grew_in_the_middle_sends_little_and_comes_back(tmp_path):
    there = repository()
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "state").write_bytes(BODY)
    first = ship(push(1, 1), take_snapshot(tmp_path / "a", ["state"]), there)
    changed = BODY[: 3 << 20] + b"inserted" * 100 + BODY[3 << 20 :] + b"appended"
    (tmp_path / "a" / "state").write_bytes(changed)
    second = ship(push(2, 2), take_snapshot(tmp_path / "a", ["state"]), there)
    assert second.where.shipped_bytes < first.where.shipped_bytes / 3
    assert (restore(there, second, tmp_path / "b").path / "state").read_bytes() == changed
    chunker = there.manifest(second.where.manifest).chunker
    assert chunker == Chunker(name="fastcdc-2020", min_bytes=1 << 18, average_bytes=1 << 20, max_bytes=1 << 22)


SPARSE = """
import resource, sys
from pathlib import Path
from replicator.repository.snapshot import take_snapshot
take_snapshot(Path(sys.argv[1]), ["huge"])
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def peak_kib(folder, size_bytes):
    with (folder / "huge").open("wb") as file:
        file.truncate(size_bytes)
    return int(subprocess.run([sys.executable, "-c", SPARSE, folder], check=True, capture_output=True).stdout)


@pytest.mark.slow
def test_memory_does_not_grow_with_the_file(tmp_path):
    small = peak_kib(tmp_path, 1 << 20)
    assert peak_kib(tmp_path, 512 << 20) - small < 100 << 10


@pytest.mark.soak
@pytest.mark.skipif(os.environ.get("DRSTACK_SOAK") != "1", reason="hashes 10 GB: DRSTACK_SOAK=1")
def test_ten_gigabytes_take_no_more_memory_than_one(tmp_path):
    assert peak_kib(tmp_path, 10 << 30) < 256 << 10
