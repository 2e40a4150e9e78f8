"""Each rule, by hand: what it says, and what it leaves unsaid."""

from __future__ import annotations

from dataclasses import replace

import pytest

from replicator.admission import Finding, Policy, TensorSummary, judge
from replicator.admission.kinds import kind_of


def tensor(name: str = "model.w", **changes: object) -> TensorSummary:
    shape = changes.get("shape", (8, 8))
    assert isinstance(shape, tuple)
    size = 1
    for side in shape:
        size *= side
    base = TensorSummary(name, "float32", (8, 8), f"{name}:0", 0, 0, 0.0, 64.0, size)
    return replace(base, **changes)


def run(*values: TensorSummary) -> list[list[TensorSummary]]:
    """One checkpoint a value, each with its own digest."""
    return [[replace(value, digest=f"{value.name}:{i}")] for i, value in enumerate(values)]


def reasons(series: list[list[TensorSummary]], policy: Policy = Policy()) -> list[str]:  # noqa: B008  frozen
    return [finding.reason for finding in judge(series[-1], series[:-1], policy=policy)]


def test_a_first_checkpoint_is_judged_by_nan_alone() -> None:
    assert judge([tensor(zero_fraction=1.0, sum_squares=0.0, inf_count=9)], []) == ()
    assert judge([tensor(nan_count=3)], []) == (Finding("nan", "model.w", "3 of 64 values are NaN"),)


def test_stale_names_the_step_and_the_newest_one_that_matches() -> None:
    series = [[tensor(digest="a")], [tensor(digest="b")], [tensor(digest="a")], [tensor(digest="a")]]
    finding = Finding("stale", None, "all 1 float tensors are bit-identical to step 30")
    assert judge(series[-1], series[:-1], steps=[10, 20, 30]) == (finding,)
    assert judge(series[-1], series[:-1])[0].evidence.endswith("bit-identical to the checkpoint 1 before")


def test_one_frozen_tensor_is_not_stale() -> None:
    frozen = tensor("tower.w", digest="same")
    assert judge([frozen, tensor(digest="b")], [[frozen, tensor(digest="a")]]) == ()


def test_counters_and_objects_do_not_hide_that_all_floats_are_stale() -> None:
    def checkpoint(step: int) -> list[TensorSummary]:
        return [
            tensor(digest="same"),
            tensor("optim.step", shape=(), size=1, digest=str(step)),
            tensor("rng", dtype="uint8", digest=str(step)),
            tensor("loader", dtype="bytes", digest=str(step)),
        ]

    assert [finding.reason for finding in judge(checkpoint(2), [checkpoint(1)])] == ["stale"]


def test_nothing_but_integers_is_never_stale() -> None:
    assert judge([tensor(dtype="int64")], [[tensor(dtype="int64")]]) == ()


ZERO = {"zero_fraction": 1.0, "sum_squares": 0.0}


def test_a_tensor_that_becomes_zero_is_found() -> None:
    found = judge(run(tensor(), tensor(**ZERO))[-1], run(tensor()))
    assert found == (Finding("zeroed", "model.w", "all 64 values are zero; the norm was 8"),)


def test_always_zero_zero_at_first_and_zero_now_and_then_are_not_suspect() -> None:
    zero = tensor(**ZERO)
    assert reasons(run(zero, zero, zero)) == []
    assert reasons(run(zero, zero, tensor())) == []
    assert reasons(run(tensor(), zero, tensor(), zero)) == []


def test_zero_then_trained_then_zero_is_found() -> None:
    zero = tensor("lora_B", **ZERO)
    assert reasons(run(zero, tensor("lora_B"), tensor("lora_B"), zero)) == ["zeroed"]


def test_a_moment_that_faded_out_is_not_zeroed() -> None:
    moment = "optim.state.w.exp_avg"
    fading = [tensor(moment, sum_squares=64.0 * 10.0 ** (-8 * i)) for i in range(4)]
    assert reasons(run(*fading, tensor(moment, **ZERO))) == []
    assert reasons(run(fading[0], fading[0], tensor(moment, **ZERO))) == ["zeroed"]


def test_a_small_tensor_may_become_zero() -> None:
    assert reasons(run(tensor(shape=(3,)), tensor(shape=(3,), **ZERO))) == []


def test_a_zeroed_shard_is_found_among_others() -> None:
    before = [tensor(digest="a"), tensor(digest="b")]
    now = [tensor(digest="c"), tensor(digest="d", **ZERO)]
    assert [finding.reason for finding in judge(now, [before])] == ["zeroed"]


@pytest.mark.parametrize(
    ("factor", "expected"),
    [(3.0, []), (0.3, []), (10.0, ["norm"]), (0.1, ["norm"]), (2e3, ["norm"]), (1e30, ["norm"]), (1e-5, ["norm"])],
)
def test_a_norm_far_out_is_found(factor: float, expected: list[str]) -> None:
    steady = [tensor(sum_squares=64.0 + i) for i in range(5)]
    assert reasons(run(*steady, tensor(sum_squares=64.0 * factor**2))) == expected


def test_what_rose_fast_before_may_rise_fast_again() -> None:
    rising = [tensor(sum_squares=64.0 * factor**2) for factor in (1.0, 1.1, 1e3, 1.1e3)]
    assert reasons(run(*rising, tensor(sum_squares=64.0 * 5e6**2))) == []
    assert reasons(run(*rising, tensor(sum_squares=64.0 * 5e7**2))) == ["norm"]


def test_what_moved_far_before_may_fall_far() -> None:
    moving = [tensor(sum_squares=64.0 * factor**2) for factor in (1.0, 30.0, 1.0, 30.0)]
    assert reasons(run(*moving, tensor(sum_squares=64.0 * 1e-5**2))) == []


def test_a_norm_is_not_judged_without_history() -> None:
    assert reasons(run(tensor(), tensor(), tensor(), tensor(sum_squares=1e30))) == []


def test_moments_may_spike_and_fade_further_than_weights() -> None:
    steady = [tensor("optim.exp_avg_sq.w")] * 5
    for factor in (1e5, 1e-12):
        assert reasons(run(*steady, tensor("optim.exp_avg_sq.w", sum_squares=64.0 * factor**2))) == []
    assert reasons(run(*steady, tensor("optim.exp_avg_sq.w", sum_squares=64.0 * 1e14))) == ["norm"]


def test_infinite_from_the_start_is_not_suspect_and_becoming_infinite_is() -> None:
    mask = tensor("mask", inf_count=30)
    assert reasons(run(*[mask] * 6)) == []
    assert reasons(run(*[tensor()] * 5, tensor(inf_count=1))) == ["norm"]


def test_shape_and_dtype_must_stay() -> None:
    found = judge([tensor(shape=(8, 4), digest="b")], [[tensor()]])
    assert found == (Finding("shape", "model.w", "float32(8, 4) was float32(8, 8)"),)
    assert reasons(run(tensor(), tensor(dtype="bfloat16"))) == ["shape"]
    assert reasons(run(tensor(dtype="int64"), tensor(dtype="int64"), tensor(dtype="int64", shape=(9,)))) == []
    settled = [tensor(dtype="int64")] * 3
    assert reasons(run(*settled, tensor(dtype="int64", shape=(9,)))) == ["shape"]
    assert reasons(run(*[tensor(dtype="bytes")] * 5, tensor(dtype="bytes", shape=(9,)))) == []


def test_more_or_fewer_shards_of_the_same_tensor_are_no_change() -> None:
    whole = [tensor(digest="a", shape=(8, 8), size=64)]
    halves = [tensor(digest="b", shape=(8, 8), size=32, sum_squares=32.0)] * 2
    local = [tensor(digest="b", shape=(5, 8), size=40), tensor(digest="c", shape=(3, 8), size=24)]
    for now in (halves, local):
        assert judge(now, [whole]) == ()
        assert judge(whole, [now]) == ()


def state() -> list[TensorSummary]:
    return [
        tensor(),
        tensor("optimizer.state.model.w.exp_avg"),
        tensor("optimizer.state.model.w.exp_avg_sq"),
        tensor("optimizer.param_groups.0.lr", dtype="bytes"),
        tensor("dataloader.dp_rank_0", dtype="bytes"),
        tensor("dataloader.dp_rank_1", dtype="bytes"),
        tensor("rng_state_0", dtype="uint8"),
        tensor("rng_state_1", dtype="uint8"),
        tensor("lr_scheduler.last_epoch", dtype="bytes"),
    ]


@pytest.mark.parametrize(
    ("gone", "expected"),
    [
        ("optimizer.state.model.w.exp_avg_sq", ["optimizer.state.model.w.exp_avg_sq"]),
        ("optimizer", [None]),
        ("optimizer.param_groups", []),
        ("dataloader.dp_rank_1", []),
        ("dataloader", [None]),
        ("rng", [None]),
        ("rng_state_0", []),
        ("lr_scheduler", ["lr_scheduler.last_epoch"]),
    ],
)
def test_state_that_is_gone(gone: str, expected: list[str | None]) -> None:
    now = [replace(summary, digest="new") for summary in state() if not summary.name.startswith(gone)]
    found = judge(now, [state()], steps=[40])
    assert [(finding.reason, finding.tensor) for finding in found] == [("state-gone", name) for name in expected]
    assert all("that step 40 had are gone" in finding.evidence for finding in found)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("optim.state.0.exp_avg", "optimizer"),
        ("optimizer.layers.0.weight.momentum_buffer", "optimizer"),
        ("optimizer_0/state", "optimizer"),
        ("model.optimus.weight", "model"),
        ("rng", "rng"),
        ("cuda_rng_state", "rng"),
        ("random_states_0.pkl", "rng"),
        ("generator.conv.weight", "model"),
        ("string.weight", "model"),
        ("dataloader.dp_rank_0", "loader"),
        ("train_loader.cursor", "loader"),
        ("model.downloader.weight", "model"),
        ("lr_scheduler.last_epoch", "scheduler"),
        ("model.layers.0.attention.wq.weight", "model"),
    ],
)
def test_tells_what_an_item_is_for(name: str, kind: str) -> None:
    assert kind_of(name) == kind
