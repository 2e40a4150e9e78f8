"""What a load fetches: the blocks that hold what it reads, of a shard the rows that it wants."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace

import pytest
import torch
import torch.distributed.checkpoint as dcp
from hypothesis import given
from hypothesis import strategies as st

from replicator.repository.blocks import BLOCK_BYTES
from replicator.repository.repository import Repository
from replicator.stores.url import open_store
from replicator.train.dcp import RepositoryReader, RepositoryWriter
from replicator.train.dcp import source as sources
from replicator.train.dcp.needs import Range, merged, rows_of
from tests.replicator.train.dcp_reshard import random
from tests.replicator.train.rig import made, view

pytestmark = pytest.mark.filterwarnings("ignore")
ROWS, COLUMNS = 6144, 2048
WORLD = 3


@pytest.fixture
def url(tmp_path):
    return made(tmp_path / "store")


@pytest.fixture
def read(monkeypatch):
    """Files of the checkpoint, and the bytes of each that a load fetched."""
    fetched: dict[str, int] = {}
    before = sources.SparseFile.read

    def counted(file, missing):
        before(file, missing)
        unit = missing.unit
        size = sum(file._ladder.manifest.blocks[index].size_bytes for index in unit.blocks)
        fetched[unit.file.path] = fetched.get(unit.file.path, 0) + size

    monkeypatch.setattr(sources.SparseFile, "read", counted)
    return fetched


@pytest.mark.slow
def test_each_of_more_ranks_reads_its_rows_of_a_shard_and_little_else(url):
    """Row-major shards alone: what was saved transposed is read whole, and comes back right."""
    turned = random(COLUMNS, ROWS).t().contiguous().t()
    assert not turned.is_contiguous()
    saved = {"w": random(ROWS, COLUMNS), "turned": turned, "small": torch.ones(3)}
    dcp.save(saved, storage_writer=RepositoryWriter(url, workload="gpt", step=1))
    command = [sys.executable, "-W", "ignore", "-m", "tests.replicator.train.dcp_reshard", url]
    done = subprocess.run(
        [*command, str(WORLD), str(ROWS), str(COLUMNS)], capture_output=True, text=True, timeout=240, check=False
    )
    assert done.returncode == 0, done.stderr[-3000:]
    size = ROWS * COLUMNS * 4
    for fetched in map(json.loads, done.stdout.split()):
        assert fetched < size + size / WORLD + 3 * BLOCK_BYTES


def test_weights_alone_are_fetched_without_the_optimizer(url, read):
    state = {"model": random(2048, 1024), "moment": random(2048, 1024), "second": random(2048, 1024)}
    dcp.save(state, storage_writer=RepositoryWriter(url, workload="gpt", step=1))
    into = {"model": torch.zeros(2048, 1024)}
    dcp.load(into, storage_reader=RepositoryReader(url, workload="gpt"))
    assert torch.equal(into["model"], state["model"])
    (data,) = (size for path, size in read.items() if path.endswith(".distcp"))
    assert data < state["model"].nbytes + 2 * BLOCK_BYTES


def test_what_a_keeper_packed_anew_is_fetched_and_checked_whole(url, read, monkeypatch):
    state = {"model": random(1024, 512), "moment": random(1024, 1024)}
    dcp.save(state, storage_writer=RepositoryWriter(url, workload="gpt", step=1))
    there = Repository("there", open_store(url)).manifest(view(url).in_order()[-1].where.manifest)
    size = next(file.size_bytes for file in there.files if file.path.endswith(".distcp"))
    made_source = sources.Source.__init__
    monkeypatch.setattr(
        sources.Source,
        "__init__",
        lambda self, repository, accepted, spool: made_source(
            self, repository, replace(accepted, compacted=True), spool
        ),
    )
    into = {"model": torch.zeros(1024, 512)}
    dcp.load(into, storage_reader=RepositoryReader(url, workload="gpt"))
    assert torch.equal(into["model"], state["model"])
    assert max(read.values()) == size


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(0, 12)), max_size=12))
def test_merged_ranges_hold_the_same_bytes_apart_and_in_order(ranges):
    found = merged(Range(*each) for each in ranges)
    bytes_of = [set(range(offset, offset + length)) for offset, length in found]
    assert set().union(*bytes_of) == set().union(*(set(range(o, o + n)) for o, n in ranges))
    ends = [0, *(offset + length for offset, length in found)]
    assert all(
        before < each.offset or (n == 0 and before <= each.offset)
        for n, (before, each) in enumerate(zip(ends, found, strict=False))
    )


@given(st.data())
def test_rows_hold_every_element_that_is_wanted(data):
    shape = data.draw(st.lists(st.integers(1, 5), min_size=1, max_size=3))
    begins = [data.draw(st.integers(0, size - 1)) for size in shape]
    lengths = [data.draw(st.integers(1, size - begin)) for size, begin in zip(shape, begins, strict=True)]
    whole = torch.arange(torch.Size(shape).numel()).reshape(shape)
    wanted = whole[tuple(slice(b, b + n) for b, n in zip(begins, lengths, strict=True))]
    found = rows_of(shape, None, begins, lengths, 4)
    assert found is not None
    inside = set(range(found.offset // 4, (found.offset + found.length) // 4))
    assert set(wanted.flatten().tolist()) <= inside


@pytest.mark.parametrize(
    ("shape", "strides", "begins", "lengths"),
    [((4, 4), (1, 4), (0, 0), (2, 4)), ((4, 4), None, (3, 0), (2, 4)), ((4, 4), None, (0,), (2,)), ((), None, (), ())],
)
def test_where_rows_are_not_known_the_shard_is_taken_whole(shape, strides, begins, lengths):
    assert rows_of(shape, strides, begins, lengths, 4) is None
