"""Of checkpoints of models that were really trained none is suspect, and each fault put into one is found.

1000 checkpoints with DRSTACK_SOAK=1, 64 otherwise. DRSTACK_SEED=n trains run n alone.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from replicator.layouts import inspect
from tests.replicator.admission.healthy import RECIPES, SAVES, read, saved, verdict
from tools.cases import at_length, chosen, only_seed

pytestmark = pytest.mark.slow
RUNS = chosen(8, 125)
FAULTY = [each for each in RUNS if RECIPES[each % len(RECIPES)] in {"plain", "momentum", "fp8"}][
    : None if at_length() else 1
]


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    made: dict[int, list[Path]] = {}

    def run(seed):
        if seed not in made:
            made[seed] = saved(seed, tmp_path_factory.mktemp("run"))
        return made[seed]

    return run


@pytest.mark.faults("healthy", 8 * SAVES, 125 * SAVES)
@pytest.mark.parametrize("seed", RUNS)
def test_no_healthy_checkpoint_is_suspect(runs, seed, cases):
    cases.ran(SAVES, seed, seed)
    history = []
    for folder in runs(seed):
        assert inspect(folder).complete
        assert verdict(folder, history) == (), f"{RECIPES[seed % len(RECIPES)]}, save {folder.name}"
        history.append(read(folder))


def test_the_runs_are_as_many_as_is_said():
    if only_seed() is None:
        assert len(RUNS) * SAVES == (1000 if at_length() else 64)


def body_weight(folder):
    """The tensor that faults are put into."""
    return next(each for each in read(folder) if each.name == "model.body.3.weight")


def change(folder, how):
    """`how` gets the tensor's values and its raw 32-bit words, and changes either."""
    target = body_weight(folder)
    with (folder / target.file).open("r+b") as file:
        file.seek(target.offset)
        words = np.frombuffer(file.read(target.length), "<u4").copy()
        how(words.view("<f4"), words)
        file.seek(target.offset)
        file.write(words.tobytes())


def one(value):
    def how(values, _):
        values[17] = value

    return how


def flip(bit):
    """A bit of the exponent of the element where it is clear and that is largest: a value that grows at once."""

    def how(values, words):
        clear = [n for n in np.argsort(-np.abs(values)) if not words[n] >> np.uint32(bit) & np.uint32(1)]
        words[clear[0]] ^= np.uint32(1 << bit)

    return how


def scale(factor):
    def how(values, _):
        values *= np.float32(factor)

    return how


FAULTS = {
    "a NaN": (one(np.nan), "nan"),
    "an infinity": (one(np.inf), "norm"),
    "zeros": (scale(0), "zeroed"),
    "times 10": (scale(10), "norm"),
    "a tenth": (scale(0.1), "norm"),
    "a flipped top bit of an exponent": (flip(30), None),
}


@pytest.mark.faults("faulty", len(FAULTS), 46 * len(FAULTS))
@pytest.mark.parametrize("fault", list(FAULTS))
@pytest.mark.parametrize("seed", FAULTY)
def test_every_fault_in_a_tensor_is_found(runs, seed, fault, tmp_path, cases):
    cases.one(seed)
    *before, last = runs(seed)
    how, reason = FAULTS[fault]
    shutil.copytree(last, tmp_path / "bad")
    change(tmp_path / "bad", how)
    found = verdict(tmp_path / "bad", [read(each) for each in before])
    assert {finding.tensor for finding in found} == {"model.body.3.weight"}
    assert reason is None or {finding.reason for finding in found} == {reason}


@pytest.mark.faults("faulty", 7, 46 * 7)
@pytest.mark.parametrize("seed", FAULTY)
def test_every_fault_in_a_file_is_found(runs, seed, tmp_path, cases):
    cases.ran(7, seed, seed)
    *before, last = runs(seed)
    history = [read(each) for each in before]

    def with_file(name, source):
        folder = tmp_path / f"{name}-{source.name}"
        shutil.copytree(last, folder)
        shutil.copy2(source / name, folder / name)
        return folder

    for back in (1, 2, 5):
        older = before[-back]
        assert {each.reason for each in verdict(with_file("model.pt", older), history)} == {"stale-file"}
        assert {each.reason for each in verdict(older, history)} == {"stale"}
    torn = with_file("model.pt", before[-3])
    os.truncate(torn / "model.pt", (torn / "model.pt").stat().st_size - 100)
    assert not inspect(torn).complete
