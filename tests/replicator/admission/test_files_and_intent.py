"""Files of a sharded checkpoint, indices, drift, and changes that somebody meant."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from replicator.admission import DEFAULT, Summariser, TensorSummary, judge, judge_index
from replicator.admission.findings import REASONS
from replicator.service.config import Admission

FILES = ("rank0", "rank1", "rank2")
NAMES = ("w", "b", "q", "k", "norm")


def summary(name, value, file="", dtype="float32", shape=None):
    summariser = Summariser(dtype)
    value = np.asarray(value, np.float16 if dtype == "float16" else np.float32)
    summariser.update(value.tobytes())
    return replace(summariser.finish(name, shape or value.shape), file=file)


def sharded(seed=1, saves=6, step_size=1e-3):
    """Per save, per file, per tensor a value that moves a little."""
    rng = np.random.default_rng(seed)
    now = {
        (f, n): rng.standard_normal(64) * (1 + i) * (1 + j / 3)
        for i, f in enumerate(FILES)
        for j, n in enumerate(NAMES)
    }
    found = []
    for _ in range(saves):
        now = {key: value + step_size * rng.standard_normal(64) for key, value in now.items()}
        found.append(now)
    return found


def summed(save):
    return [summary(name, value, file) for (file, name), value in sorted(save.items())]


def reasons(current, history, **options):
    return sorted({finding.reason for finding in judge(current, history, **options)})


@pytest.mark.parametrize("seed", range(20))
def test_a_sharded_run_that_is_healthy_has_no_finding(seed):
    saves = [summed(each) for each in sharded(seed)]
    for n, now in enumerate(saves):
        assert judge(now, saves[:n]) == ()


@pytest.mark.parametrize("seed", range(10))
def test_two_files_that_changed_places_are_found(seed):
    *history, last = sharded(seed)
    swapped = {({"rank0": "rank1", "rank1": "rank0"}.get(f, f), n): value for (f, n), value in last.items()}
    assert "swapped" in reasons(summed(swapped), [summed(each) for each in history])


@pytest.mark.parametrize("back", [1, 2, 4])
def test_a_file_from_an_older_step_is_found(back):
    *history, last = sharded()
    mixed = {key: history[-back][key] if key[0] == "rank1" else value for key, value in last.items()}
    (finding,) = judge(summed(mixed), [summed(each) for each in history], steps=range(len(history)))
    assert finding.reason == "stale-file"
    assert f"step {len(history) - back}" in finding.evidence


def test_a_file_of_a_frozen_tower_is_never_stale():
    frozen = [summary("tower", np.arange(64), "frozen")]
    saves = [[*summed(each), *frozen] for each in sharded()]
    for n, now in enumerate(saves):
        assert judge(now, saves[:n]) == ()


def test_a_tensor_of_many_that_is_scaled_is_found_and_a_spike_that_moves_all_is_not():
    *history, last = sharded(step_size=1e-2)
    past = [summed(each) for each in history]
    one = {key: value * (10 if key == ("rank0", "w") else 1) for key, value in last.items()}
    assert reasons(summed(one), past) == ["norm"]
    all_alike = {key: value * 10 for key, value in last.items()}
    assert reasons(summed(all_alike), past) == ["norm"]
    rng = np.random.default_rng(1)
    spike = {key: value * (1 + 6 * rng.random()) for key, value in last.items()}
    assert reasons(summed(spike), past) == []


def test_a_spike_that_shows_in_the_moments_excuses_one_weight_that_jumped():
    rng = np.random.default_rng(1)
    w = [rng.standard_normal(64) * (1 + n / 1000) for n in range(6)]
    quiet = [[summary("w", each), summary("optim.w.exp_avg_sq", np.full(64, 1e-4))] for each in w]
    now = [summary("w", w[-1] * 10), summary("optim.w.exp_avg_sq", np.full(64, 1e-2))]
    assert reasons(now, quiet) == []
    assert reasons([now[0], quiet[-1][1]], quiet) == ["norm"]


def grown_by(factors):
    base = np.random.default_rng(2).standard_normal(64)
    saves, size = [], 1.0
    for factor in factors:
        size *= factor
        saves.append([summary("w", base * size), summary("v", base[::-1] * (1 + len(saves) / 1e4))])
    return saves


def test_a_weight_that_grew_three_times_running_is_drifting_and_slow_growth_is_not():
    *history, now = grown_by([1, 1.01, 1.02, 2.1, 2.2, 2.3])
    assert "drift" in reasons(now, history)
    *history, now = grown_by([1, 1.01, 1.02, 1.5, 1.4, 1.3])
    assert reasons(now, history) == []
    *history, now = grown_by([1, 3, 2.5, 2.1, 2.1, 2.1])
    assert reasons(now, history) == []


def model(dtype="float32", scale=1.0):
    base = np.random.default_rng(3).standard_normal(64) * scale
    return [summary("a", base, dtype=dtype), summary("b", base[::-1].copy(), dtype=dtype)]


def test_a_run_that_goes_on_in_another_dtype_is_meant_and_one_tensor_in_another_is_not():
    history = [model(scale=1 + n / 100) for n in range(5)]
    assert reasons(model("float16", 1.06), history) == []
    mixed = [model("float16", 1.06)[0], model(scale=1.06)[1]]
    assert reasons(mixed, history) == ["shape"]


def test_a_vocabulary_that_grows_everywhere_is_meant_and_one_table_alone_is_not():
    def tables(rows, head_rows, seed):
        rng = np.random.default_rng(seed)
        return [summary("embed", rng.standard_normal((rows, 4))), summary("head", rng.standard_normal((head_rows, 4)))]

    history = [tables(10, 10, n) for n in range(3)]
    assert reasons(tables(12, 12, 9), history) == []
    assert reasons(tables(12, 10, 9), history) == ["shape"]
    assert reasons(tables(9, 9, 9), history) == ["shape"]


def test_another_optimizer_is_meant_and_a_moment_that_is_gone_is_not():
    def state(*slots, n=0):
        rng = np.random.default_rng(n)
        return [summary(f"optim.{p}.{s}", rng.standard_normal(32)) for p in "ab" for s in slots] + model(
            scale=1 + n / 99
        )

    history = [state("exp_avg", "exp_avg_sq", n=n) for n in range(3)]
    assert reasons(state("momentum_buffer", n=4), history) == []
    assert reasons(state("exp_avg", n=4), history) == ["state-gone"]
    assert reasons(state(n=4), history) == ["state-gone"]


def test_a_new_infinity_is_found_beside_one_older_checkpoint():
    broken = np.arange(64.0)
    broken[5] = np.inf
    assert reasons([summary("w", broken)], [[summary("w", np.arange(64.0))]]) == ["norm"]
    assert reasons([summary("mask", broken)], [[summary("mask", broken)], [summary("mask", broken * 2)]]) == ["stale"]


def test_reasons_that_are_ignored_are_not_looked_for():
    bad = [summary("w", [np.nan] * 20)]
    assert reasons(bad, []) == ["nan"]
    assert reasons(bad, [], policy=Admission(ignore=("nan",)).policy()) == []
    assert Admission().policy() == DEFAULT
    with pytest.raises(ValueError, match="ignore"):
        Admission(ignore=("luck",))


def test_the_environment_file_knows_the_reasons_of_the_replicator():
    from typing import get_args

    from drstack.spec.workloads import Reason

    assert set(get_args(Reason)) == set(REASONS)


INDEX = {"a": "one.safetensors", "b": "one.safetensors", "c": "two.safetensors"}
HELD = [("a", "one.safetensors"), ("b", "one.safetensors"), ("c", "two.safetensors")]
BOTH = ("one.safetensors", "two.safetensors")


@pytest.mark.parametrize(
    ("files", "held", "evidence"),
    [
        (BOTH, HELD, []),
        (BOTH[:1], HELD[:2], ["is missing"]),
        (BOTH, [("a", "two.safetensors"), *HELD[1:]], ["wrong shard"]),
        (BOTH, HELD[1:], ["in no shard: a"]),
        (BOTH, [*HELD, ("extra", "one.safetensors")], []),
        (BOTH, [*HELD, ("a", "two.safetensors")], []),
        (BOTH, HELD[:2], []),
    ],
)
def test_shards_are_held_against_their_index(files, held, evidence):
    found = judge_index("model.safetensors.index.json", INDEX, files, held)
    assert [finding.reason for finding in found] == ["index"] * len(evidence)
    for finding, words in zip(found, evidence, strict=True):
        assert words in finding.evidence


def test_tied_weights_of_an_archive_are_not_missing():
    assert judge_index("i", {"a": "x.bin", "tied": "x.bin"}, ["x.bin"], [("a", "x.bin")]) == []


def test_a_summary_without_files_is_judged_as_ever():
    assert TensorSummary("w", "float32", (1,), "d", 0, 0, 0.0, 1.0, 1).file == ""
