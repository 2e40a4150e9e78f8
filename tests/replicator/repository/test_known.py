"""What an earlier checkpoint had is not counted again, and a snapshot is the same for it."""

from __future__ import annotations

import json
import os
import struct

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from replicator.errors import SourceChanged
from replicator.repository.known import Known
from replicator.repository.ship import ship
from replicator.repository.snapshot import take_snapshot
from tests.replicator.crypto.rig import Family
from tests.replicator.repository.rig import cut_every, push, repository

NAME = "model.safetensors"
BLOCK = 128 * 1024


@pytest.fixture
def small_blocks(monkeypatch):
    cut_every(BLOCK, monkeypatch)


def write(folder, arrays):
    """A safetensors file of these arrays, in this order."""
    folder.mkdir(parents=True, exist_ok=True)
    header, at = {}, 0
    for name, array in arrays.items():
        header[name] = {"dtype": "F32", "shape": list(array.shape), "data_offsets": [at, at + array.nbytes]}
        at += array.nbytes
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    (folder / NAME).write_bytes(struct.pack("<Q", len(text)) + text + b"".join(a.tobytes() for a in arrays.values()))
    return folder


def arrays(seed, sizes):
    rng = np.random.default_rng(seed)
    return {f"t{n}": rng.standard_normal(size).astype(np.float32) for n, size in enumerate(sizes)}


def held(there, folder, files=(NAME,), *, height=1):
    accepted = ship(push(height, height), take_snapshot(folder, files), there)
    return there.manifest(accepted.where.manifest)


SIZES = st.lists(st.sampled_from([0, 1, 100, 16_384, 20_000, 32_768, 70_000, 140_000]), min_size=1, max_size=6)
CHANGES = st.lists(
    st.tuples(
        st.sampled_from(["element", "zero", "nan", "drop", "swap", "grow"]), st.integers(0, 5), st.integers(0, 10**6)
    ),
    max_size=4,
)


@pytest.mark.slow
@given(sizes=SIZES, changes=CHANGES)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_snapshot_is_the_same_whatever_is_known(small_blocks, tmp_path_factory, sizes, changes):
    folder, before = tmp_path_factory.mktemp("known"), arrays(1, sizes)
    base = held(repository(), write(folder / "a", before))
    after = dict(before)
    for change, which, where in changes:
        names = list(after)
        if not names:
            break
        name = names[which % len(names)]
        array = after[name].copy()
        if change == "drop":
            del after[name]
            continue
        if change == "swap":
            other = names[(which + 1) % len(names)]
            after[name], after[other] = after[other], after[name]
            continue
        if change == "grow":
            after[name] = np.concatenate([array, array[:7]])
        elif array.size:
            array[where % array.size] = {"element": 7.5, "zero": 0.0, "nan": np.nan}[change]
            after[name] = array
    write(folder / "b", after)
    assert take_snapshot(folder / "b", [NAME], known=Known(base)) == take_snapshot(folder / "b", [NAME])


def marked(base):
    """The base, as if its tensors had been counted otherwise: whoever takes its word can be told."""
    return base.model_copy(
        update={"tensors": tuple(tensor.model_copy(update={"nan_count": 77}) for tensor in base.tensors)}
    )


def test_only_tensors_that_changed_are_counted_again(small_blocks, tmp_path):
    before = arrays(1, [40_000, 40_000, 100, 100])
    base = held(repository(), write(tmp_path / "a", before))
    before["t1"][-1] = 3.0
    taken = take_snapshot(write(tmp_path / "b", before), [NAME], known=Known(marked(base)))
    assert {each.name: each.nan_count for each in taken.tensors}["t0"] == 77
    assert {each.name: each.nan_count for each in taken.tensors}["t1"] == 0


def test_tensors_are_known_in_an_encrypted_repository_too(tmp_path):
    family = Family(tmp_path / "family")
    writer = family.hand("writer", memory="writer")
    write(tmp_path / "a", arrays(1, [40_000, 100]))
    accepted = ship(push(1, 1), take_snapshot(tmp_path / "a", [NAME]), writer)
    base = writer.shipped(accepted.where.manifest)
    assert base.encryption is not None
    known = take_snapshot(tmp_path / "a", [NAME], known=Known(marked(base)))
    assert [each.nan_count for each in known.tensors] == [77, 77]
    assert known.digest == take_snapshot(tmp_path / "a", [NAME]).digest


def test_a_known_file_that_has_one_more_block_is_hashed_as_a_whole(small_blocks, tmp_path):
    (tmp_path / "a").mkdir()
    body = np.random.default_rng(3).bytes(3 * BLOCK)
    (tmp_path / "a" / "log").write_bytes(body)
    base = held(repository(), tmp_path / "a", ["log"])
    for other in (body + b"more", body[:-BLOCK], body[:-1], b"", body):
        (tmp_path / "a" / "log").write_bytes(other)
        assert take_snapshot(tmp_path / "a", ["log"], known=Known(base)) == take_snapshot(tmp_path / "a", ["log"])


class _Meddling(Known):
    """Rewrites the beginning of a file while its later blocks are read, and sets its time back."""

    def __init__(self, base, path, at):
        super().__init__(base)
        self._asked, name = 0, self.name

        def meddle(digest):
            self._asked += 1
            if self._asked == at:
                times = path.stat()
                with path.open("r+b") as file:
                    file.seek(600)
                    file.write(b"changed in place")
                os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
            return name(digest)

        self.name = meddle


def test_a_change_in_place_that_leaves_no_trace_is_noticed_where_blocks_are_read_twice(small_blocks, tmp_path):
    (tmp_path / "a").mkdir()
    path = tmp_path / "a" / "log"
    body = np.random.default_rng(3).bytes(30 * BLOCK)
    path.write_bytes(body)
    base = held(repository(), tmp_path / "a", ["log"])
    path.write_bytes(body[:-1] + bytes([body[-1] ^ 1]))
    with pytest.raises(SourceChanged):
        take_snapshot(tmp_path / "a", ["log"], known=_Meddling(base, path, 20))


def test_a_file_that_becomes_shorter_while_it_is_read_is_noticed(small_blocks, tmp_path):
    path = write(tmp_path / "a", arrays(1, [2_000_000])) / NAME

    class Cutting(Known):
        def __init__(self):
            super().__init__()
            self.name = self.cut

        def cut(self, digest):
            os.truncate(path, 3 * BLOCK)
            return digest

    with pytest.raises(SourceChanged, match="became shorter"):
        take_snapshot(tmp_path / "a", [NAME], known=Cutting())
