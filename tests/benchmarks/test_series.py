"""What is changed is what is said, and comes from the later checkpoint."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.series.changed import change
from benchmarks.series.filled import fill
from replicator.formats.parse import parse

SIZE = 12 << 20


@pytest.fixture
def two(tmp_path):
    for seed in (1, 2):
        fill("normal", SIZE, seed, tmp_path / str(seed) / "model.safetensors")
    return tmp_path / "1", tmp_path / "2"


def tensors(folder):
    return {t.name: t for t in parse(folder, ["model.safetensors"]).tensors}


def values(folder, tensor):
    return np.fromfile(folder / "model.safetensors", "<f4", tensor.length // 4, offset=tensor.offset).reshape(
        tensor.shape
    )


@pytest.mark.parametrize("how", ["tensors", "rows", "elements"])
def test_every_value_is_that_of_one_of_the_two(two, tmp_path, how):
    told = change(how, *two, tmp_path / "to", share=0.1)
    differ = 0
    for name, tensor in tensors(two[0]).items():
        base, later, now = (values(folder, tensor) for folder in (*two, tmp_path / "to"))
        changed = now != base
        assert (now[changed] == later[changed]).all(), name
        differ += int((now.view(np.uint8) != base.view(np.uint8)).sum())
        if how == "rows":
            assert set(changed.mean(axis=1)) <= {0.0, 1.0}
        if how == "tensors":
            assert changed.all() or not changed.any()
    assert differ == told["differ"]
    assert 0.05 < differ / SIZE < 0.2


def test_the_same_seed_changes_the_same(two, tmp_path):
    for name in ("a", "b"):
        change("elements", *two, tmp_path / name)
    assert (tmp_path / "a" / "model.safetensors").read_bytes() == (tmp_path / "b" / "model.safetensors").read_bytes()


def test_what_cannot_be_changed_is_refused(two, tmp_path):
    with pytest.raises(ValueError, match="nothing that can be changed"):
        change("elements", two[0], two[0], tmp_path / "to")


@pytest.mark.parametrize("kind", ["counted", "opaque"])
def test_no_two_blocks_of_a_long_file_are_the_same(tmp_path, kind):
    fill(kind, 32 << 20, 1, tmp_path / "f")
    body = (tmp_path / "f").read_bytes()[-(32 << 20) :]
    assert len({body[at : at + (1 << 20)] for at in range(0, len(body), 1 << 20)}) == 32
